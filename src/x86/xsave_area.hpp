// The XSAVE area (SDM vol. 1, ch. 13.4 and table 10-2). Components 0 to 2 lie at the same places in the
// standard and the compacted format.
#pragma once

#include "base/bits.hpp"

#include <array>

namespace softmetal::x86::xsave_area {

inline constexpr unsigned control_offset = 0, control_size = 24, mxcsr_offset = 24, mxcsr_size = 8,
                          x87_offset = 32, xmm_offset = 160, header_offset = 512, avx_offset = 576,
                          area_end = 832;
/// In xcomp_bv.
inline constexpr u64 compacted = bit(63);

struct Header {
    u64 xstate_bv = 0, xcomp_bv = 0;
    std::array<u64, 6> reserved{};
};

}  // namespace softmetal::x86::xsave_area
