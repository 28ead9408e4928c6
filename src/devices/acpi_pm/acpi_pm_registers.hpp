// ACPI fixed hardware (ACPI 6.5, ch. 4.8) as this board places it, with its SMI command port and reset
// control register.
#pragma once

#include "base/integers.hpp"

namespace softmetal::devices::acpi {

// Offsets in the register block.
inline constexpr unsigned pm1_status = 0;    // 2 bytes; writing a one clears
inline constexpr unsigned pm1_enable = 2;    // 2 bytes, read, write
inline constexpr unsigned pm1_control = 4;   // 2 bytes
inline constexpr unsigned pm_timer = 8;      // 4 bytes, read
inline constexpr unsigned gpe0_status = 12;  // 2 bytes; writing a one clears
inline constexpr unsigned gpe0_enable = 14;  // 2 bytes, read, write
inline constexpr unsigned block_size = 16;

/// Status and enable bits of the PM1 event registers, at the same places in both.
namespace event {
inline constexpr u16 timer_carry = 1u << 0;
inline constexpr u16 global_lock = 1u << 5;
inline constexpr u16 power_button = 1u << 8;
inline constexpr u16 sleep_button = 1u << 9;
inline constexpr u16 rtc_alarm = 1u << 10;
inline constexpr u16 wake = 1u << 15;  // status only
inline constexpr u16 enables = timer_carry | global_lock | power_button | sleep_button | rtc_alarm;
inline constexpr u16 statuses = enables | wake;
}  // namespace event

namespace control {
inline constexpr u16 sci_enable = 1u << 0;  // changed by the SMI command port only
inline constexpr u16 bus_master_reload = 1u << 1;
inline constexpr unsigned sleep_type_shift = 10;
inline constexpr u16 sleep_type = 7u << sleep_type_shift;
inline constexpr u16 sleep_enable = 1u << 13;  // write only: enters the state that the type names
inline constexpr u16 kept = bus_master_reload | sleep_type;
}  // namespace control

/// SLP_TYP of S5, soft off, for the \_S5 package. S5 is the only sleep state this board has.
inline constexpr u8 sleep_type_s5 = 5;

inline constexpr unsigned general_event_count = 16;
inline constexpr u64 timer_frequency = 3'579'545;  // Hz
inline constexpr unsigned timer_top_bit = 31;      // 32-bit timer: FADT's TMR_VAL_EXT is set

// What the SMI command port takes, for FADT's ACPI_ENABLE and ACPI_DISABLE.
inline constexpr u8 smi_acpi_enable = 0xf1;
inline constexpr u8 smi_acpi_disable = 0xf0;

/// Reset control register, port 0xcf9 (Intel 82371AB datasheet, "RC").
namespace reset_control {
inline constexpr u8 system_reset = 1u << 1;     // the kind: hard rather than soft
inline constexpr u8 reset_processor = 1u << 2;  // a rise resets
inline constexpr u8 full_reset = 1u << 3;       // the kind: with power cycle
inline constexpr u8 kept = system_reset | reset_processor | full_reset;
}  // namespace reset_control

}  // namespace softmetal::devices::acpi
