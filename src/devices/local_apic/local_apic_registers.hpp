// The local APIC's registers: offsets in the xAPIC page (SDM vol. 3, table 10-1). The x2APIC MSR of a
// register is 0x800 + offset / 16 (table 10-6).
#pragma once

#include "base/integers.hpp"

namespace softmetal::devices::apic {

namespace reg {
inline constexpr u32 id = 0x020;                    // read (xAPIC: bits 31:24; x2APIC: all 32)
inline constexpr u32 version = 0x030;               // read
inline constexpr u32 task_priority = 0x080;         // read, write
inline constexpr u32 arbitration_priority = 0x090;  // read; gone since the Pentium 4: zero
inline constexpr u32 processor_priority = 0x0a0;    // read
inline constexpr u32 end_of_interrupt = 0x0b0;      // write
inline constexpr u32 remote_read = 0x0c0;           // read; never implemented since the Pentium 4: zero
inline constexpr u32 logical_destination = 0x0d0;   // read, write (x2APIC: read)
inline constexpr u32 destination_format = 0x0e0;    // read, write (xAPIC only)
inline constexpr u32 spurious_vector = 0x0f0;       // read, write
inline constexpr u32 in_service = 0x100;            // read, 8 words 0x10 apart
inline constexpr u32 trigger_mode = 0x180;          // read, 8 words
inline constexpr u32 interrupt_request = 0x200;     // read, 8 words
inline constexpr u32 error_status = 0x280;          // read; a write latches
inline constexpr u32 command_low = 0x300;           // read, write; a write sends
inline constexpr u32 command_high = 0x310;          // read, write (xAPIC only)
inline constexpr u32 lvt_timer = 0x320;             // read, write, as are the other LVT entries
inline constexpr u32 lvt_thermal = 0x330;
inline constexpr u32 lvt_performance = 0x340;
inline constexpr u32 lvt_lint0 = 0x350;
inline constexpr u32 lvt_lint1 = 0x360;
inline constexpr u32 lvt_error = 0x370;
inline constexpr u32 initial_count = 0x380;         // read, write
inline constexpr u32 current_count = 0x390;         // read
inline constexpr u32 divide_configuration = 0x3e0;  // read, write
inline constexpr u32 self_ipi = 0x3f0;              // write (x2APIC only)
}  // namespace reg

/// Version 0x14, six LVT entries, no EOI-broadcast suppression (SDM vol. 3, ch. 10.4.8).
inline constexpr u32 version_value = 0x14 | (6 - 1) << 16;

namespace spurious {
inline constexpr u32 enabled = 1u << 8;
inline constexpr u32 writable = 0x3ff;  // vector, enable, focus checking (kept, without effect)
}  // namespace spurious

/// Local vector table entries (SDM vol. 3, figure 10-8).
namespace lvt {
inline constexpr u32 vector = 0xff;
inline constexpr u32 delivery_mode_shift = 8;
inline constexpr u32 delivery_mode = 7u << delivery_mode_shift;
inline constexpr u32 delivery_status = 1u << 12;  // read only
inline constexpr u32 remote_irr = 1u << 14;       // read only
inline constexpr u32 level_triggered = 1u << 15;
inline constexpr u32 masked = 1u << 16;
inline constexpr u32 timer_mode_shift = 17;
inline constexpr u32 read_only = delivery_status | remote_irr;
inline constexpr u32 timer_writable = vector | masked | 3u << timer_mode_shift;
inline constexpr u32 monitor_writable = vector | delivery_mode | masked;  // thermal, performance
inline constexpr u32 lint_writable = vector | delivery_mode | 1u << 13 | level_triggered | masked;
inline constexpr u32 error_writable = vector | masked;
}  // namespace lvt

/// Error status (SDM vol. 3, figure 10-9).
namespace error {
inline constexpr u32 send_illegal_vector = 1u << 5;
inline constexpr u32 receive_illegal_vector = 1u << 6;
inline constexpr u32 illegal_register = 1u << 7;
}  // namespace error

/// Interrupt command (SDM vol. 3, figures 10-12 and 10-28).
namespace command {
inline constexpr u32 logical = 1u << 11;
inline constexpr u32 delivery_status = 1u << 12;  // read only; always idle here
inline constexpr u32 assert_level = 1u << 14;
inline constexpr u32 level_triggered = 1u << 15;
inline constexpr u32 shorthand_shift = 18;
inline constexpr u32 writable = 0xccfff & ~delivery_status;
}  // namespace command

/// IA32_APIC_BASE (SDM vol. 3, figure 10-26).
namespace base {
inline constexpr u64 bootstrap = 1u << 8;
inline constexpr u64 x2apic = 1u << 10;
inline constexpr u64 enabled = 1u << 11;
inline constexpr u64 reset_address = 0xfee0'0000;
}  // namespace base

/// Delivery modes of LVT entries, commands and messages (SDM vol. 3, ch. 10.5.1, 10.6.1, 10.11.2).
enum class DeliveryMode : u8 {
    fixed = 0,
    lowest_priority = 1,
    smi = 2,
    nmi = 4,
    init = 5,
    startup = 6,
    external = 7
};

enum class Shorthand : u8 { none = 0, self = 1, all = 2, others = 3 };

/// An interrupt on its way to one or more local APICs.
struct InterruptRequest {
    DeliveryMode mode = DeliveryMode::fixed;
    u8 vector = 0;
    bool level_triggered = false;
    bool logical = false;    // what `destination` is
    bool broadcast = false;  // to all, whatever `destination`
    u32 destination = 0;
    Shorthand shorthand = Shorthand::none;
};

}  // namespace softmetal::devices::apic
