// The high precision event timer's registers: offsets in its page and their fields (IA-PC HPET Specification
// 1.0a, ch. 2.3).
#pragma once

#include "base/integers.hpp"

namespace softmetal::devices::hpet {

inline constexpr u64 size = 0x400;
inline constexpr unsigned timer_count = 3;

namespace reg {
inline constexpr u64 capabilities = 0x000;      // r-
inline constexpr u64 configuration = 0x010;     // rw
inline constexpr u64 interrupt_status = 0x020;  // r, write 1 to clear
inline constexpr u64 counter = 0x0f0;           // rw; writes only while halted
inline constexpr u64 first_timer = 0x100;
inline constexpr u64 timer_stride = 0x20;
// In a timer's block.
inline constexpr u64 timer_configuration = 0x00;  // rw
inline constexpr u64 timer_comparator = 0x08;     // rw
inline constexpr u64 timer_message = 0x10;        // no message-signalled interrupts here: zero
}  // namespace reg

/// Ticks of 10 ns: 100 MHz.
inline constexpr u64 tick_nanoseconds = 10;

namespace capability {
inline constexpr u64 revision = 1;
inline constexpr u64 timers = u64{timer_count - 1} << 8;
inline constexpr u64 counter_64 = 1u << 13;
inline constexpr u64 legacy_replacement = 1u << 15;
inline constexpr u64 vendor = 0x8086u << 16;
inline constexpr u64 period = tick_nanoseconds * 1'000'000 << 32;  // of a tick, in femtoseconds
inline constexpr u64 all = revision | timers | counter_64 | legacy_replacement | vendor | period;
}  // namespace capability

namespace configuration {
inline constexpr u64 enabled = 1u << 0;             // the counter runs, interrupts are allowed
inline constexpr u64 legacy_replacement = 1u << 1;  // timers 0 and 1 take the PIT's and the RTC's interrupts
inline constexpr u64 writable = enabled | legacy_replacement;
}  // namespace configuration

namespace timer {
inline constexpr u64 level_triggered = 1u << 1;
inline constexpr u64 interrupt_enabled = 1u << 2;
inline constexpr u64 periodic = 1u << 3;
inline constexpr u64 periodic_capable = 1u << 4;
inline constexpr u64 wide_capable = 1u << 5;  // 64 bits
inline constexpr u64 set_value = 1u << 6;  // the next comparator write sets the accumulator too; reads as 0
inline constexpr u64 force_32 = 1u << 8;
inline constexpr unsigned route_shift = 9;
inline constexpr u64 route = 0x1fu << route_shift;
inline constexpr unsigned route_capability_shift = 32;
inline constexpr u64 writable = level_triggered | interrupt_enabled | periodic | force_32 | route;
}  // namespace timer

}  // namespace softmetal::devices::hpet
