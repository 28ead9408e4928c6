// The 8254's ports and control word (Intel 8254 datasheet, order 231164), and the PC's system control port B
// (Intel 82371AB datasheet, "NMISC").
#pragma once

#include "base/integers.hpp"

namespace softmetal::devices::pit {

inline constexpr u64 frequency = 1'193'182;  // Hz: 14.31818 MHz / 12
inline constexpr unsigned channel_count = 3;

// Offsets: 0..2 the channels' counts, read and write.
inline constexpr unsigned control_port = 3;  // write
inline constexpr unsigned port_count = 4;

namespace control {
inline constexpr u8 bcd = 1u << 0;
inline constexpr unsigned mode_shift = 1;  // 3 bits; 6 and 7 are 2 and 3
inline constexpr unsigned access_shift = 4;
inline constexpr unsigned channel_shift = 6;
inline constexpr u8 read_back = 3;  // as the channel
// Within a read-back command; the channels are bits 1..3.
inline constexpr u8 skip_count = 1u << 5;
inline constexpr u8 skip_status = 1u << 4;
}  // namespace control

/// The control word's access field.
enum class Access : u8 { latch = 0, low_byte = 1, high_byte = 2, both_bytes = 3 };

/// The status byte that read-back latches; its other bits are the control word's.
namespace status {
inline constexpr u8 output = 1u << 7;
inline constexpr u8 null_count = 1u << 6;
}  // namespace status

enum Mode : u8 {
    interrupt_on_terminal_count = 0,
    one_shot = 1,
    rate_generator = 2,
    square_wave = 3,
    software_strobe = 4,
    hardware_strobe = 5
};

/// System control port B, 0x61.
namespace port_b {
inline constexpr u8 timer2_gate = 1u << 0;
inline constexpr u8 speaker = 1u << 1;
inline constexpr u8 writable = 0x0f;    // 2 and 3 disable parity and channel-check NMIs: there are none
inline constexpr u8 refresh = 1u << 4;  // toggles with every memory refresh
inline constexpr u8 timer2_output = 1u << 5;
inline constexpr u64 refresh_ticks = 18;  // 15.09 us, what firmware gives channel 1
}  // namespace port_b

}  // namespace softmetal::devices::pit
