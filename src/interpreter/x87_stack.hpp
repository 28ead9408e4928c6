// The x87 register stack. CpuState keeps the registers by stack position, as FXSAVE does: where TOP moves,
// they are numbered anew (SDM vol. 1, ch. 10.5.1.1).
#pragma once

#include "cpu/state.hpp"

#include <algorithm>

namespace softmetal::interpreter {

[[nodiscard]] inline unsigned x87_top(const ExtendedState& e) { return e.fsw >> 11 & 7; }

inline void set_x87_top(ExtendedState& e, unsigned top) {
    std::rotate(e.x87.begin(), e.x87.begin() + ((top - x87_top(e)) & 7), e.x87.end());
    e.fsw = static_cast<u16>((e.fsw & ~0x3800) | top << 11);
}

/// Any MMX instruction makes all registers valid and TOP 0 (SDM vol. 1, ch. 9.5.1).
inline void enter_mmx_state(ExtendedState& e) {
    set_x87_top(e, 0);
    e.ftw = 0xff;
}

}  // namespace softmetal::interpreter
