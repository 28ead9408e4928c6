#include "devices/i8042/i8042_chip.hpp"

#include "devices/i8042/scan_codes.hpp"

#include <utility>

namespace softmetal::devices {

using namespace kbc;

u8 I8042Chip::read_data() {
    state_.output_full = false;
    return state_.output;
}

u8 I8042Chip::read_status() const {
    u8 value = status::not_inhibited;
    if (state_.output_full) value |= status::output_full;
    if (state_.output_full && state_.output_source == Source::mouse) value |= status::from_mouse;
    if (command_byte() & command_byte::system_flag) value |= status::system_flag;
    if (state_.last_was_command) value |= status::last_was_command;
    return value;
}

void I8042Chip::write_data(u8 value) {
    state_.last_was_command = false;
    if (const auto command = std::exchange(state_.awaits_data_of, std::nullopt))
        return take_data(*command, value);
    command_byte() &= static_cast<u8>(~command_byte::keyboard_disabled);  // sending opens the interface
    keyboard_.write(value);
}

void I8042Chip::write_command(u8 value) {
    state_.last_was_command = true;
    state_.awaits_data_of.reset();
    if ((value & 0xe0) == command::read_memory) return answer(state_.memory[value % memory_size]);
    if (value >= command::pulse_output_port) {
        if (!(value & output_port::not_reset)) state_.resets = true;
        return;
    }
    if ((value & 0xe0) == command::write_memory) {
        state_.awaits_data_of = value;
        return;
    }
    switch (value) {
        case command::write_output_port:
        case command::write_keyboard_output:
        case command::write_mouse_output:
        case command::write_to_mouse: state_.awaits_data_of = value; return;
        case command::test_password: return answer(answer::no_password);
        case command::disable_mouse: command_byte() |= command_byte::mouse_disabled; return;
        case command::enable_mouse: command_byte() &= static_cast<u8>(~command_byte::mouse_disabled); return;
        case command::disable_keyboard: command_byte() |= command_byte::keyboard_disabled; return;
        case command::enable_keyboard:
            command_byte() &= static_cast<u8>(~command_byte::keyboard_disabled);
            return;
        case command::self_test:
            command_byte() |= command_byte::system_flag;
            return answer(answer::self_test_passed);
        case command::test_mouse_interface:
        case command::test_keyboard_interface: return answer(answer::interface_works);
        case command::read_input_port: return answer(input_port_value);
        case command::read_output_port: return answer(output_port());
        case command::read_test_inputs: return answer(0);  // clock and data of the keyboard: idle
        default: return;
    }
}

void I8042Chip::write_port_a(u8 value) {
    if (value & ~state_.port_a & port_a::fast_reset) state_.resets = true;
    state_.port_a = value & port_a::kept;
}

bool I8042Chip::keyboard_interrupt() const {
    return state_.output_full && state_.output_source != Source::mouse &&
           (command_byte() & command_byte::keyboard_interrupt);
}

bool I8042Chip::mouse_interrupt() const {
    return state_.output_full && state_.output_source == Source::mouse &&
           (command_byte() & command_byte::mouse_interrupt);
}

bool I8042Chip::take_reset() { return std::exchange(state_.resets, false); }

u8 I8042Chip::output_port() const {
    u8 value = output_port::not_reset | output_port::idle_lines;
    if (a20()) value |= output_port::a20;
    if (keyboard_interrupt()) value |= output_port::keyboard_full;
    if (mouse_interrupt()) value |= output_port::mouse_full;
    return value;
}

void I8042Chip::put_out(u8 value, Source source) {
    state_.output = value;
    state_.output_full = true;
    state_.output_source = source;
}

/// There is one buffer: an answer replaces what has not been read. A device's byte comes again, as the device
/// would send it again that was interrupted.
void I8042Chip::answer(u8 value, Source source) {
    if (state_.output_full && state_.output_source == Source::keyboard)
        state_.held_from_keyboard = state_.output;
    if (state_.output_full && state_.output_source == Source::mouse) state_.held_from_mouse = state_.output;
    put_out(value, source);
}

bool I8042Chip::keyboard_ready() const {
    return !(command_byte() & command_byte::keyboard_disabled) &&
           (state_.held_from_keyboard || keyboard_.has_byte());
}

bool I8042Chip::mouse_ready() const {
    return !(command_byte() & command_byte::mouse_disabled) && (state_.held_from_mouse || mouse_.has_byte());
}

bool I8042Chip::wants_delivery() const { return !state_.output_full && (keyboard_ready() || mouse_ready()); }

void I8042Chip::deliver() {
    if (!wants_delivery()) return;
    if (keyboard_ready()) return put_out(next_from_keyboard(), Source::keyboard);
    const auto held = std::exchange(state_.held_from_mouse, std::nullopt);
    put_out(held ? *held : mouse_.take_byte(), Source::mouse);
}

u8 I8042Chip::next_from_keyboard() {
    if (const auto held = std::exchange(state_.held_from_keyboard, std::nullopt)) return *held;
    const u8 byte = keyboard_.take_byte();
    if (!(command_byte() & command_byte::translation)) return byte;
    // The keyboard sends a release in one go.
    if (byte == scan_code_break && keyboard_.has_byte())
        return static_cast<u8>(translate_to_set_1(keyboard_.take_byte()) | 0x80);
    return translate_to_set_1(byte);
}

I8042Chip::State I8042Chip::state() const {
    State state = state_;
    state.keyboard = keyboard_.state();
    state.mouse = mouse_.state();
    return state;
}

void I8042Chip::set_output_port(u8 value) {
    state_.a20 = value & output_port::a20;
    if (!(value & output_port::not_reset)) state_.resets = true;
}

void I8042Chip::take_data(u8 command, u8 value) {
    switch (command) {
        case command::write_output_port: return set_output_port(value);
        case command::write_keyboard_output: return answer(value, Source::keyboard);
        case command::write_mouse_output: return answer(value, Source::mouse);
        case command::write_to_mouse:
            command_byte() &= static_cast<u8>(~command_byte::mouse_disabled);
            return mouse_.write(value);
        default: state_.memory[command % memory_size] = value; return;
    }
}

}  // namespace softmetal::devices
