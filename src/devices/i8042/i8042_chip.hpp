// The keyboard controller with nothing plugged in, and system control port A beside it, which shares the A20
// gate and the reset line.
//
// All of the controller's own commands work. A byte sent to keyboard or mouse is answered as the controller
// does when no device clocks it in: 0xfe with the timeout bit, here without the 15 ms that takes.
#pragma once

#include "devices/i8042/i8042_registers.hpp"

#include <array>
#include <optional>

namespace softmetal::devices {

class I8042Chip {
 public:
    enum class Source : u8 { controller = 0, keyboard = 1, mouse = 2 };

    struct State {
        std::array<u8, kbc::memory_size> memory{kbc::command_byte::keyboard_disabled |
                                                kbc::command_byte::mouse_disabled};
        std::optional<u8> awaits_data_of;  // the command whose data byte comes next
        u8 output = 0;
        bool output_full = false, timeout = false, last_was_command = true;
        Source output_source = Source::controller;
        bool a20 = true;  // its own half of the gate; both are open at reset, as firmware leaves them
        u8 port_a = kbc::port_a::fast_a20;
        bool resets = false;  // asked for and not yet taken
    };

    I8042Chip() = default;
    explicit I8042Chip(const State& state) : state_(state) {}

    [[nodiscard]] u8 read_data();
    [[nodiscard]] u8 read_status() const;
    [[nodiscard]] u8 read_port_a() const { return state_.port_a; }
    void write_data(u8 value);
    void write_command(u8 value);
    void write_port_a(u8 value);

    [[nodiscard]] bool keyboard_interrupt() const;  // IRQ 1
    [[nodiscard]] bool mouse_interrupt() const;     // IRQ 12
    [[nodiscard]] bool a20() const { return state_.a20 || (state_.port_a & kbc::port_a::fast_a20); }
    /// Whether the guest has pulled the reset line since the last call.
    [[nodiscard]] bool take_reset();

    [[nodiscard]] const State& state() const { return state_; }

 private:
    [[nodiscard]] u8& command_byte() { return state_.memory[0]; }
    [[nodiscard]] u8 command_byte() const { return state_.memory[0]; }
    [[nodiscard]] u8 output_port() const;
    void answer(u8 value, Source source = Source::controller, bool timeout = false);
    void set_output_port(u8 value);
    void take_data(u8 command, u8 value);

    State state_;
};

}  // namespace softmetal::devices
