// General-purpose and segment register numbers as instructions encode them (SDM vol. 2, ch. 2.1.5, table 2-2
// and 3-1).
#pragma once

#include "base/integers.hpp"

namespace softmetal::x86 {

enum Gpr : u8 { rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15, gpr_count };

enum class Segment : u8 { es, cs, ss, ds, fs, gs };
inline constexpr unsigned segment_count = 6;

}  // namespace softmetal::x86
