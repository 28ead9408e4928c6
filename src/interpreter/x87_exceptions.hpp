// x87 exceptions in the status word: which are unmasked, its summary of that (SDM vol. 1, ch. 8.1.3.3), and
// which instructions look at it.
#pragma once

#include "cpu/state.hpp"
#include "decoder/instruction.hpp"

namespace softmetal::interpreter {

inline constexpr u16 x87_exceptions = 0x3f;  // PE to IE; the control word's masks lie at the same bits
inline constexpr u16 x87_summary = 0x8080;   // ES, and B which mirrors it

[[nodiscard]] inline bool unmasked_x87_exception(const ExtendedState& e) {
    return e.fsw & ~e.fcw & x87_exceptions;
}
inline void update_x87_summary(ExtendedState& e) {
    e.fsw = static_cast<u16>(unmasked_x87_exception(e) ? e.fsw | x87_summary : e.fsw & ~x87_summary);
}

/// Does it look for an x87 exception of an earlier instruction? All do but the control instructions that do
/// not wait (SDM vol. 1, ch. 8.6).
[[nodiscard]] bool waits_for_x87(const Instruction& i);

/// With IGNNE# an instruction runs as if no exception were pending, which stays so: the host, which would
/// report it, must not see it meanwhile.
class IgnoredX87Error {
 public:
    /// `present`: there is one, and the instruction would report it.
    IgnoredX87Error(ExtendedState& extended, bool present) : extended_(extended) {
        if (!present) return;
        hidden_ = extended_.fsw & x87_exceptions;
        extended_.fsw &= static_cast<u16>(~(x87_exceptions | x87_summary));
    }
    ~IgnoredX87Error() {
        if (!hidden_) return;
        extended_.fsw |= hidden_;
        update_x87_summary(extended_);
    }
    IgnoredX87Error(const IgnoredX87Error&) = delete;
    IgnoredX87Error& operator=(const IgnoredX87Error&) = delete;

 private:
    ExtendedState& extended_;
    u16 hidden_ = 0;
};

}  // namespace softmetal::interpreter
