// x87 exceptions in the status word: which are unmasked, and its summary of that (SDM vol. 1, ch. 8.1.3.3).
#pragma once

#include "cpu/state.hpp"

namespace softmetal::interpreter {

inline constexpr u16 x87_exceptions = 0x3f;  // PE to IE; the control word's masks lie at the same bits
inline constexpr u16 x87_summary = 0x8080;   // ES, and B which mirrors it

[[nodiscard]] inline bool unmasked_x87_exception(const ExtendedState& e) {
    return e.fsw & ~e.fcw & x87_exceptions;
}
inline void update_x87_summary(ExtendedState& e) {
    e.fsw = static_cast<u16>(unmasked_x87_exception(e) ? e.fsw | x87_summary : e.fsw & ~x87_summary);
}

}  // namespace softmetal::interpreter
