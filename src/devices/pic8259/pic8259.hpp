// The PC's two cascaded 8259As: sixteen inputs, one interrupt line to the processor.
#pragma once

#include "bus/device.hpp"
#include "bus/interrupts.hpp"
#include "devices/byte_ports.hpp"
#include "devices/line_driver.hpp"
#include "devices/pic8259/pic8259_chip.hpp"

#include <array>
#include <memory>
#include <mutex>

namespace softmetal::devices {

class Pic8259 final : public bus::Device {
 public:
    /// All outlive the device.
    struct Resources {
        bus::InterruptLine& interrupt;  // INTR
    };

    explicit Pic8259(Resources resources);
    [[nodiscard]] static Result<std::unique_ptr<Pic8259>> restore(Resources resources,
                                                                  const bus::SavedState& saved);

    [[nodiscard]] bus::IoHandler& master_ports() { return master_ports_; }          // 0x20, 2 ports
    [[nodiscard]] bus::IoHandler& slave_ports() { return slave_ports_; }            // 0xa0, 2 ports
    [[nodiscard]] bus::IoHandler& edge_level_ports() { return edge_level_ports_; }  // 0x4d0, 2 ports

    /// ISA IRQ 0..15. 2 is the cascade: what is wired to it goes nowhere.
    [[nodiscard]] bus::InterruptLine& input(unsigned irq) { return inputs_.at(irq); }

    /// The processor's interrupt acknowledge cycle. Any thread; a spurious one yields IRQ 7's or 15's vector.
    [[nodiscard]] u8 acknowledge();

    [[nodiscard]] std::string_view name() const override { return "pic8259"; }
    void reset() override;
    [[nodiscard]] bus::SavedState save() const override;

 private:
    class Input final : public bus::InterruptLine {
     public:
        Input(Pic8259& pic, unsigned irq) : pic_(pic), irq_(irq) {}
        void set_level(bool high) override { pic_.set_input(irq_, high); }

     private:
        Pic8259& pic_;
        unsigned irq_;
    };

    Pic8259(Resources resources, Pic8259Chip master, Pic8259Chip slave);

    u8 read_master(u64 offset) { return read_chip(master_, offset); }
    u8 read_slave(u64 offset) { return read_chip(slave_, offset); }
    u8 read_edge_level(u64 offset);
    void write_master(u64 offset, u8 value) { write_chip(master_, offset, value); }
    void write_slave(u64 offset, u8 value) { write_chip(slave_, offset, value); }
    void write_edge_level(u64 offset, u8 value);
    u8 read_chip(Pic8259Chip& chip, u64 offset);
    void write_chip(Pic8259Chip& chip, u64 offset, u8 value);
    void set_input(unsigned irq, bool high);
    void slave_acknowledged();
    void update_outputs();

    mutable std::mutex mutex_;
    Pic8259Chip master_, slave_;
    LineDriver interrupt_;
    std::array<Input, pic::irq_count> inputs_;
    PortRange<Pic8259> master_ports_, slave_ports_, edge_level_ports_;
};

}  // namespace softmetal::devices
