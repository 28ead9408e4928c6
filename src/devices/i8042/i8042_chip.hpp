// The keyboard controller with its keyboard and mouse, and system control port A beside it, which shares the
// A20 gate and the reset line.
//
// The controller answers its own commands at once. What keyboard and mouse send takes its time on the wire:
// whoever runs the chip calls deliver() a byte's time after wants_delivery() has become true. Until then the
// output register keeps its last byte, which software may read again.
#pragma once

#include "devices/i8042/i8042_registers.hpp"
#include "devices/i8042/ps2_keyboard.hpp"
#include "devices/i8042/ps2_mouse.hpp"

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
        bool output_full = false, last_was_command = true;
        Source output_source = Source::controller;
        bool a20 = true;  // its own half of the gate; both are open at reset, as firmware leaves them
        u8 port_a = kbc::port_a::fast_a20;
        bool resets = false;  // asked for and not yet taken
        /// Bytes that an answer of the controller's has pushed out of the output register, unread.
        std::optional<u8> held_from_keyboard, held_from_mouse;
        Ps2Keyboard::State keyboard;
        Ps2Mouse::State mouse;
    };

    I8042Chip() = default;
    explicit I8042Chip(const State& state) : state_(state), keyboard_(state.keyboard), mouse_(state.mouse) {}

    [[nodiscard]] u8 read_data();
    [[nodiscard]] u8 read_status() const;
    [[nodiscard]] u8 read_port_a() const { return state_.port_a; }
    void write_data(u8 value);
    void write_command(u8 value);
    void write_port_a(u8 value);

    void key(bus::Key key, bool down) { keyboard_.key(key, down); }
    [[nodiscard]] bool takes_keys() const { return keyboard_.has_room(); }
    void pointer(const bus::PointerState& state) { mouse_.pointer(state); }
    void mouse_reports_nothing() { mouse_.report_nothing(); }
    /// The output register is free, and there is something for it.
    [[nodiscard]] bool wants_delivery() const;
    void deliver();

    [[nodiscard]] bool keyboard_interrupt() const;  // IRQ 1
    [[nodiscard]] bool mouse_interrupt() const;     // IRQ 12
    [[nodiscard]] bool a20() const { return state_.a20 || (state_.port_a & kbc::port_a::fast_a20); }
    /// Whether the guest has pulled the reset line since the last call.
    [[nodiscard]] bool take_reset();

    [[nodiscard]] State state() const;

 private:
    [[nodiscard]] u8& command_byte() { return state_.memory[0]; }
    [[nodiscard]] u8 command_byte() const { return state_.memory[0]; }
    [[nodiscard]] u8 output_port() const;
    [[nodiscard]] bool keyboard_ready() const;
    [[nodiscard]] bool mouse_ready() const;
    [[nodiscard]] u8 next_from_keyboard();
    void put_out(u8 value, Source source);
    void answer(u8 value, Source source = Source::controller);
    void set_output_port(u8 value);
    void take_data(u8 command, u8 value);

    State state_;  // but for keyboard and mouse
    Ps2Keyboard keyboard_;
    Ps2Mouse mouse_;
};

}  // namespace softmetal::devices
