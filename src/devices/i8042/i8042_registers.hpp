// The PC/AT keyboard controller's ports, commands and bits (IBM PS/2 Hardware Interface Technical Reference,
// "Keyboard and Auxiliary Device Controller"), and system control port A.
#pragma once

#include "base/integers.hpp"

namespace softmetal::devices::kbc {

namespace status {  // port 0x64, read
inline constexpr u8 output_full = 1u << 0;
inline constexpr u8 system_flag = 1u << 2;
inline constexpr u8 last_was_command = 1u << 3;
inline constexpr u8 not_inhibited = 1u << 4;  // the keyboard lock is open
inline constexpr u8 from_mouse = 1u << 5;
inline constexpr u8 timeout = 1u << 6;
}  // namespace status

namespace command_byte {
inline constexpr u8 keyboard_interrupt = 1u << 0;
inline constexpr u8 mouse_interrupt = 1u << 1;
inline constexpr u8 system_flag = 1u << 2;
inline constexpr u8 keyboard_disabled = 1u << 4;
inline constexpr u8 mouse_disabled = 1u << 5;
inline constexpr u8 translation = 1u << 6;  // the keyboard's set 2 becomes set 1
}  // namespace command_byte

namespace command {                       // port 0x64, write
inline constexpr u8 read_memory = 0x20;   // to 0x3f; byte 0 is the command byte
inline constexpr u8 write_memory = 0x60;  // to 0x7f; data follows
inline constexpr u8 test_password = 0xa4;
inline constexpr u8 disable_mouse = 0xa7;
inline constexpr u8 enable_mouse = 0xa8;
inline constexpr u8 test_mouse_interface = 0xa9;
inline constexpr u8 self_test = 0xaa;
inline constexpr u8 test_keyboard_interface = 0xab;
inline constexpr u8 disable_keyboard = 0xad;
inline constexpr u8 enable_keyboard = 0xae;
inline constexpr u8 read_input_port = 0xc0;
inline constexpr u8 read_output_port = 0xd0;
inline constexpr u8 write_output_port = 0xd1;      // data follows
inline constexpr u8 write_keyboard_output = 0xd2;  // data follows, and returns as if the keyboard had sent it
inline constexpr u8 write_mouse_output = 0xd3;     // likewise
inline constexpr u8 write_to_mouse = 0xd4;         // data follows
inline constexpr u8 read_test_inputs = 0xe0;
inline constexpr u8 pulse_output_port = 0xf0;  // to 0xff: bits 0..3 that are clear go low for 6 us
}  // namespace command

namespace answer {
inline constexpr u8 no_password = 0xf1;
inline constexpr u8 self_test_passed = 0x55;
inline constexpr u8 interface_works = 0x00;
}  // namespace answer

namespace output_port {
inline constexpr u8 not_reset = 1u << 0;  // low resets the processor
inline constexpr u8 a20 = 1u << 1;
inline constexpr u8 keyboard_full = 1u << 4;  // the two interrupt pins
inline constexpr u8 mouse_full = 1u << 5;
inline constexpr u8 idle_lines = 0xc0;  // keyboard clock and data
}  // namespace output_port

/// Input port: keyboard not locked, colour display, no manufacturing jumper.
inline constexpr u8 input_port_value = 0xa0;
inline constexpr unsigned memory_size = 32;

namespace port_a {                         // system control port A, 0x92
inline constexpr u8 fast_reset = 1u << 0;  // a rise resets
inline constexpr u8 fast_a20 = 1u << 1;
inline constexpr u8 kept = fast_reset | fast_a20;
}  // namespace port_a

}  // namespace softmetal::devices::kbc
