// One function of a PCI device: configuration space, base address registers that follow what software writes
// to them, the command register's gates and the interrupt pin.
//
// Locks: configuration accesses hold configuration_mutex_ and may take the device's own; the interrupt pin
// has a lock below both, so a device may drive it with its own lock held.
#pragma once

#include "bus/address_space.hpp"
#include "bus/device.hpp"
#include "bus/dma.hpp"
#include "bus/interrupts.hpp"
#include "devices/pci/config_space.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace softmetal::devices::pci {

struct Identity {
    u16 vendor = 0, device = 0;
    u8 revision = 0;
    u32 class_code = 0;  // base class, sub-class, programming interface
    u16 subsystem_vendor = 0, subsystem = 0;
};

/// What the machine hands to every function. All must outlive it.
struct Surroundings {
    bus::AddressSpace& ports;
    bus::AddressSpace& memory;
    bus::DmaView& dma;
    bus::InterruptMessageSink& messages;
    bus::InterruptLine* interrupt = nullptr;  // where INTA leads; null where it is not connected
    /// What is in the function's expansion ROM (ch. 6.3), a program for the firmware to run; empty: it has
    /// none. At most 16 MiB.
    std::vector<u8> option_rom = {};
};

enum class BarKind : u8 { port, memory_32, memory_64, expansion_rom };

class PciFunction : public bus::Device {
 public:
    ~PciFunction() override;
    PciFunction(const PciFunction&) = delete;
    PciFunction& operator=(const PciFunction&) = delete;

    /// Software's configuration accesses: width 1, 2 or 4, within one doubleword. Any thread.
    [[nodiscard]] u32 read_configuration(u8 offset, unsigned width);
    void write_configuration(u8 offset, unsigned width, u32 value);
    /// The device has functions beside this one, its function 0. While the machine is built.
    void announce_more_functions();

 protected:
    PciFunction(const Identity& identity, const Surroundings& surroundings);

    // While the function is built:
    /// `size` is a power of two, at least 4 for ports and 16 for memory. memory_64 takes `index` + 1 as well.
    void add_bar(unsigned index, BarKind kind, u64 size, bus::IoHandler& handler);
    [[nodiscard]] ConfigSpace& configuration() { return configuration_; }

    /// No BAR is decoded any more. For a destructor, before what answers them goes.
    void release_bars();

    // Hooks, called with the configuration lock held.
    /// A register is about to be read: the device may refresh it.
    virtual void refresh_configuration(u8 offset, unsigned width);
    /// A register has been written.
    virtual void configuration_written(u8 offset, unsigned width);

    /// A base address register's range answers at `address` from now on, or no longer anywhere. Not told on
    /// destruction.
    virtual void bar_moved(unsigned index, std::optional<u64> address);

    /// Drives the interrupt pin, through the command register's gate. Any lock but the pin's may be held.
    void set_interrupt_pin(bool asserted);
    /// Guest memory, as long as software lets the function be bus master.
    [[nodiscard]] bus::DmaView& dma() { return dma_; }
    [[nodiscard]] bool bus_master() const { return bus_master_; }

    /// The configuration space as after the reset line. BARs stop decoding.
    void reset_configuration();
    [[nodiscard]] nlohmann::json save_configuration() const;
    /// Validates, then maps the BARs.
    [[nodiscard]] Result<> restore_configuration(const nlohmann::json& fields);

 private:
    class RomImage final : public bus::IoHandler {
     public:
        explicit RomImage(const std::vector<u8>& image) : bytes_(image) {}
        [[nodiscard]] u64 read_io(u64 offset, unsigned width) override;
        void write_io(u64, unsigned, u64) override {}

     private:
        const std::vector<u8>& bytes_;
    };

    static constexpr unsigned rom_index = 6;  // in bars_, behind the base address registers
    struct Bar {
        BarKind kind = BarKind::memory_32;
        u64 size = 0;  // 0: not there
        bus::IoHandler* handler = nullptr;
        std::optional<u64> mapped;
    };

    class BusMasterView final : public bus::DmaView {
     public:
        BusMasterView(bus::DmaView& memory, const std::atomic<bool>& allowed)
            : memory_(memory), allowed_(allowed) {}
        [[nodiscard]] bool read(GuestPhysical address, std::span<std::byte> into) const override {
            return allowed_ && memory_.read(address, into);
        }
        [[nodiscard]] bool write(GuestPhysical address, std::span<const std::byte> from) override {
            return allowed_ && memory_.write(address, from);
        }
        [[nodiscard]] bool locate(GuestPhysical address, u64 length, bool to_write,
                                  std::vector<std::span<std::byte>>& places) const override {
            return allowed_ && memory_.locate(address, length, to_write, places);
        }
        void changing(GuestPhysical address, u64 length) override { memory_.changing(address, length); }

     private:
        bus::DmaView& memory_;
        const std::atomic<bool>& allowed_;
    };

    void add_expansion_rom();
    [[nodiscard]] static u8 bar_offset(unsigned index);
    [[nodiscard]] u64 bar_address(unsigned index) const;
    [[nodiscard]] bool decodes(unsigned index, u32 command) const;
    [[nodiscard]] bus::AddressSpace& space(const Bar& bar) const {
        return bar.kind == BarKind::port ? surroundings_.ports : surroundings_.memory;
    }
    /// Makes mappings, bus mastering and the interrupt gate follow the configuration space.
    void apply_configuration();
    void unmap(Bar& bar);

    const Surroundings surroundings_;
    mutable std::mutex configuration_mutex_;
    ConfigSpace configuration_;
    RomImage rom_;
    std::array<Bar, rom_index + 1> bars_;
    std::atomic<bool> bus_master_{false};
    BusMasterView dma_;

    mutable std::mutex interrupt_mutex_;
    bool interrupt_asserted_ = false, interrupt_disabled_ = false;
};

}  // namespace softmetal::devices::pci
