// The MC146818A's registers (Motorola MC146818A datasheet) and what PCs keep beside them in CMOS memory.
#pragma once

#include "base/integers.hpp"

#include <cstddef>

namespace softmetal::devices::rtc {

// Ports, as offsets.
inline constexpr unsigned index_port = 0;  // write: bits 0..6 choose the register, 7 masks NMIs
inline constexpr unsigned data_port = 1;   // read, write
inline constexpr unsigned port_count = 2;
inline constexpr u8 nmi_masked = 1u << 7;

inline constexpr std::size_t cmos_size = 128;

// Registers, as indices of CMOS memory. Read and write unless stated.
inline constexpr unsigned seconds = 0x00, seconds_alarm = 0x01;
inline constexpr unsigned minutes = 0x02, minutes_alarm = 0x03;
inline constexpr unsigned hours = 0x04, hours_alarm = 0x05;
inline constexpr unsigned day_of_week = 0x06;  // 1: Sunday
inline constexpr unsigned day_of_month = 0x07;
inline constexpr unsigned month = 0x08;
inline constexpr unsigned year = 0x09;
inline constexpr unsigned register_a = 0x0a;
inline constexpr unsigned register_b = 0x0b;
inline constexpr unsigned register_c = 0x0c;  // read; reading clears it
inline constexpr unsigned register_d = 0x0d;  // read
inline constexpr unsigned century = 0x32;     // where ACPI's FADT says it is

namespace a {
inline constexpr u8 rate_select = 0x0f;
inline constexpr u8 divider = 0x70;
inline constexpr u8 divider_32768_hz = 0x20;       // the only setting that keeps time with a PC's crystal
inline constexpr u8 update_in_progress = 1u << 7;  // read
}  // namespace a

namespace b {
inline constexpr u8 daylight_saving = 1u << 0;  // kept, without effect
inline constexpr u8 hours_24 = 1u << 1;
inline constexpr u8 binary = 1u << 2;
inline constexpr u8 square_wave = 1u << 3;  // kept: the pin goes nowhere
inline constexpr u8 update_interrupt = 1u << 4;
inline constexpr u8 alarm_interrupt = 1u << 5;
inline constexpr u8 periodic_interrupt = 1u << 6;
inline constexpr u8 set = 1u << 7;  // stops updates while the guest sets the time
}  // namespace b

/// The flags are at the places of their enables in register B.
namespace c {
inline constexpr u8 update = 1u << 4;
inline constexpr u8 alarm = 1u << 5;
inline constexpr u8 periodic = 1u << 6;
inline constexpr u8 interrupt_request = 1u << 7;
inline constexpr u8 flags = update | alarm | periodic;
}  // namespace c

namespace d {
inline constexpr u8 valid_ram_and_time = 1u << 7;
}

inline constexpr u8 pm = 1u << 7;      // in an hour of the 12-hour clock
inline constexpr u8 alarm_any = 0xc0;  // an alarm byte with both bits set matches everything
inline constexpr u64 oscillator_hz = 32'768;
/// Update-in-progress is seen 244 us before an update cycle and through its 1984 us (datasheet, table 5); the
/// new second is visible at its end.
inline constexpr u64 update_window_ns = 244'000 + 1'984'000;

}  // namespace softmetal::devices::rtc
