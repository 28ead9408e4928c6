// The I/O APIC's registers (82093AA datasheet, ch. 3; the EOI register is the ICH's, version 0x20).
#pragma once

#include "base/integers.hpp"

namespace softmetal::devices::io_apic {

inline constexpr unsigned pins = 24;
inline constexpr u64 window_address = 0xfec0'0000;
inline constexpr u64 window_size = 0x1000;

/// Memory-mapped registers.
namespace mmio {
inline constexpr u64 select = 0x00;            // read, write
inline constexpr u64 window = 0x10;            // read, write: the selected register
inline constexpr u64 end_of_interrupt = 0x40;  // write
}  // namespace mmio

/// Registers behind the window.
namespace reg {
inline constexpr u8 id = 0x00;           // read, write
inline constexpr u8 version = 0x01;      // read
inline constexpr u8 arbitration = 0x02;  // read
inline constexpr u8 redirection = 0x10;  // read, write: two words a pin
}  // namespace reg

/// Version 0x20: Linux then clears a stuck remote IRR by the EOI register; older systems look at the count of
/// pins only.
inline constexpr u32 version_value = 0x20 | (pins - 1) << 16;
inline constexpr u32 id_writable = 0x0f00'0000;

/// Redirection table entry.
namespace entry {
inline constexpr u64 vector = 0xff;
inline constexpr u64 delivery_mode = 7u << 8;
inline constexpr u64 logical = 1u << 11;
inline constexpr u64 delivery_status = 1u << 12;  // read only; always idle here
inline constexpr u64 active_low = 1u << 13;
inline constexpr u64 remote_irr = 1u << 14;  // read only
inline constexpr u64 level_triggered = 1u << 15;
inline constexpr u64 masked = 1u << 16;
inline constexpr unsigned destination_shift = 56;
inline constexpr u64 writable =
    vector | delivery_mode | logical | active_low | level_triggered | masked | u64{0xff} << destination_shift;
}  // namespace entry

}  // namespace softmetal::devices::io_apic
