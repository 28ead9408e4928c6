// The 8259A's command words (Intel 8259A datasheet, order 231468) and the PC's edge/level control registers
// (Intel 82371AB datasheet, "ELCR1", "ELCR2").
#pragma once

#include "base/integers.hpp"

namespace softmetal::devices::pic {

// Offsets from the chip's first port.
inline constexpr unsigned command_port = 0;  // write: ICW1, OCW2, OCW3; read: IRR, ISR or the poll word
inline constexpr unsigned data_port = 1;     // write: ICW2..4, OCW1; read: the mask
inline constexpr unsigned port_count = 2;

inline constexpr unsigned input_count = 8;    // of one chip
inline constexpr unsigned cascade_input = 2;  // where the slave hangs on the master
inline constexpr unsigned irq_count = 16;     // of the pair

namespace icw1 {
inline constexpr u8 initialize = 1u << 4;
inline constexpr u8 needs_icw4 = 1u << 0;
inline constexpr u8 single = 1u << 1;  // no ICW3; bit 3, LTIM, is replaced by ELCR on a PC
}  // namespace icw1

namespace icw2 {
inline constexpr u8 vector_base = 0xf8;
}

namespace icw4 {
inline constexpr u8 automatic_eoi = 1u << 1;
inline constexpr u8 special_fully_nested = 1u << 4;
}  // namespace icw4

/// OCW2's upper three bits: rotate, specific, end of interrupt.
namespace ocw2 {
inline constexpr unsigned shift = 5;
inline constexpr u8 level = 0x07;
enum Command : u8 {
    clear_rotation_on_automatic_eoi = 0,
    eoi = 1,
    no_operation = 2,
    specific_eoi = 3,
    set_rotation_on_automatic_eoi = 4,
    rotate_on_eoi = 5,
    set_priority = 6,
    rotate_on_specific_eoi = 7
};
}  // namespace ocw2

namespace ocw3 {
inline constexpr u8 select = 1u << 3;  // with ICW1's bit clear: the word is OCW3
inline constexpr u8 read_in_service = 1u << 0;
inline constexpr u8 read_register = 1u << 1;
inline constexpr u8 poll = 1u << 2;
inline constexpr u8 special_mask = 1u << 5;
inline constexpr u8 set_special_mask = 1u << 6;
}  // namespace ocw3

inline constexpr u8 poll_interrupt = 1u << 7;

/// Inputs that may be level triggered: not the timer, keyboard and cascade; not the RTC and coprocessor.
inline constexpr u8 master_level_capable = 0xf8;
inline constexpr u8 slave_level_capable = 0xde;

}  // namespace softmetal::devices::pic
