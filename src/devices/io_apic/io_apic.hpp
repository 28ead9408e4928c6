// The I/O APIC, wired: a lock, its memory window and its pins as lines.
//
// Messages are sent with the lock held; the sink takes no lock that is held while this device is called.
#pragma once

#include "base/result.hpp"
#include "bus/address_space.hpp"
#include "bus/device.hpp"
#include "bus/interrupts.hpp"
#include "devices/io_apic/io_apic_chip.hpp"

#include <memory>
#include <mutex>
#include <vector>

namespace softmetal::devices {

/// The window is for the machine to attach: {io_apic::window_address, io_apic::window_size}.
class IoApic final : public bus::Device, public bus::IoHandler {
 public:
    explicit IoApic(bus::InterruptMessageSink& sink) : IoApic(sink, IoApicChip().state()) {}
    [[nodiscard]] static Result<std::unique_ptr<IoApic>> restore(bus::InterruptMessageSink& sink,
                                                                 const bus::SavedState& state);

    [[nodiscard]] bus::InterruptLine& pin(unsigned number) { return *pins_.at(number); }
    /// What local APICs broadcast; no lock of theirs is held.
    void end_of_interrupt(u8 vector);

    [[nodiscard]] std::string_view name() const override { return "io_apic"; }
    void reset() override;
    [[nodiscard]] bus::SavedState save() const override;

    [[nodiscard]] u64 read_io(u64 offset, unsigned width) override;
    void write_io(u64 offset, unsigned width, u64 value) override;

 private:
    IoApic(bus::InterruptMessageSink& sink, const IoApicChip::State& state);

    class Pin final : public bus::InterruptLine {
     public:
        Pin(IoApic& io_apic, unsigned number) : io_apic_(io_apic), number_(number) {}
        void set_level(bool high) override {
            const std::lock_guard lock(io_apic_.mutex_);
            io_apic_.chip_.set_pin(number_, high, io_apic_.sink_);
        }

     private:
        IoApic& io_apic_;
        unsigned number_;
    };

    bus::InterruptMessageSink& sink_;
    mutable std::mutex mutex_;
    IoApicChip chip_;
    std::vector<std::unique_ptr<Pin>> pins_;
};

}  // namespace softmetal::devices
