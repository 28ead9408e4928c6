// Commands and answers of PS/2 keyboards and mice (IBM Personal System/2 Hardware Interface Technical
// Reference, "Keyboards" and "Mouse"; Microsoft's wheel and five-button extensions).
#pragma once

#include "base/integers.hpp"

namespace softmetal::devices::ps2 {

inline constexpr u8 acknowledge = 0xfa, resend = 0xfe, self_test_passed = 0xaa;

namespace keyboard_command {
inline constexpr u8 set_leds = 0xed;       // data follows
inline constexpr u8 echo = 0xee;           // answered by itself
inline constexpr u8 scan_code_set = 0xf0;  // data follows; 0 asks which it is
inline constexpr u8 identify = 0xf2;
inline constexpr u8 set_typematic = 0xf3;  // data follows
inline constexpr u8 enable = 0xf4;
inline constexpr u8 disable = 0xf5;
inline constexpr u8 set_defaults = 0xf6;
inline constexpr u8 all_keys_first = 0xf7, all_keys_last = 0xfa;  // how keys of set 3 behave
inline constexpr u8 resend = 0xfe;
inline constexpr u8 reset = 0xff;
}  // namespace keyboard_command

inline constexpr u8 keyboard_id[] = {0xab, 0x83};
inline constexpr u8 default_typematic = 0x2b;  // 500 ms, then 10.9 a second
inline constexpr u8 led_bits = 0x07, typematic_bits = 0x7f;

namespace mouse_command {
inline constexpr u8 scale_1_to_1 = 0xe6, scale_2_to_1 = 0xe7;
inline constexpr u8 set_resolution = 0xe8;  // data follows
inline constexpr u8 status = 0xe9;          // three bytes
inline constexpr u8 stream_mode = 0xea;
inline constexpr u8 read_data = 0xeb;  // a packet
inline constexpr u8 leave_wrap_mode = 0xec, wrap_mode = 0xee;
inline constexpr u8 remote_mode = 0xf0;  // packets on request only
inline constexpr u8 identify = 0xf2;
inline constexpr u8 set_rate = 0xf3;  // data follows
inline constexpr u8 enable = 0xf4, disable = 0xf5, set_defaults = 0xf6, resend = 0xfe, reset = 0xff;
}  // namespace mouse_command

namespace mouse_id {
inline constexpr u8 standard = 0, wheel = 3, five_buttons = 4;
}
inline constexpr u8 default_rate = 100, default_resolution = 2, finest_resolution = 3;

namespace mouse_status {
inline constexpr u8 scaling = 1u << 4, enabled = 1u << 5, remote = 1u << 6;
}

}  // namespace softmetal::devices::ps2
