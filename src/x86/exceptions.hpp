// Exception vectors (SDM vol. 3, ch. 6.15) and the page-fault error code (ch. 4.7).
#pragma once

#include "base/bits.hpp"

namespace softmetal::x86 {

enum class Vector : u8 {
    divide_error = 0,  // #DE
    debug = 1,         // #DB
    nmi = 2,
    breakpoint = 3,            // #BP
    overflow = 4,              // #OF
    bound_range = 5,           // #BR
    invalid_opcode = 6,        // #UD
    device_not_available = 7,  // #NM
    double_fault = 8,          // #DF
    invalid_tss = 10,          // #TS
    segment_not_present = 11,  // #NP
    stack_fault = 12,          // #SS
    general_protection = 13,   // #GP
    page_fault = 14,           // #PF
    x87_floating_point = 16,   // #MF
    alignment_check = 17,      // #AC
    machine_check = 18,        // #MC
    simd_floating_point = 19,  // #XM
};

/// Vectors that push an error code.
[[nodiscard]] constexpr bool has_error_code(Vector v) {
    return static_cast<unsigned>(v) < 32 && (u64{0x27d00} >> static_cast<unsigned>(v)) & 1;
}
static_assert(has_error_code(Vector::double_fault) && has_error_code(Vector::invalid_tss) &&
              has_error_code(Vector::segment_not_present) && has_error_code(Vector::stack_fault) &&
              has_error_code(Vector::general_protection) && has_error_code(Vector::page_fault) &&
              has_error_code(Vector::alignment_check) && !has_error_code(Vector::x87_floating_point) &&
              !has_error_code(Vector::machine_check) && !has_error_code(Vector::device_not_available));

namespace page_fault_error {
inline constexpr u32 present = 1u << 0, write = 1u << 1, user = 1u << 2, reserved = 1u << 3, fetch = 1u << 4;
}  // namespace page_fault_error

}  // namespace softmetal::x86
