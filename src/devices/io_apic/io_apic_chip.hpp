// The I/O APIC as a register machine: 24 pins become interrupt messages (82093AA datasheet).
//
// Pins carry assertion, not voltage, so an entry's polarity bit is kept without effect.
#pragma once

#include "bus/interrupts.hpp"
#include "devices/io_apic/io_apic_registers.hpp"

#include <array>

namespace softmetal::devices {

class IoApicChip {
 public:
    struct State {
        u32 id = 0;  // the register, id in bits 27:24
        u8 selected = 0;
        u32 levels = 0;  // a bit a pin
        std::array<u64, io_apic::pins> entries{};
    };

    IoApicChip() { reset(); }
    explicit IoApicChip(const State& state) : state_(state) {}
    [[nodiscard]] const State& state() const { return state_; }

    /// All pins masked. Levels are the wires' and stay.
    void reset();

    [[nodiscard]] u32 read(u64 offset) const;
    void write(u64 offset, u32 value, bus::InterruptMessageSink& out);
    void set_pin(unsigned pin, bool asserted, bus::InterruptMessageSink& out);
    /// A processor has ended a level-triggered interrupt: a pin that is still asserted interrupts again.
    void end_of_interrupt(u8 vector, bus::InterruptMessageSink& out);

 private:
    [[nodiscard]] u32 read_selected() const;
    void write_selected(u32 value, bus::InterruptMessageSink& out);
    void service_level(unsigned pin, bus::InterruptMessageSink& out);
    void send(unsigned pin, bus::InterruptMessageSink& out) const;

    State state_;
};

}  // namespace softmetal::devices
