// The sixteen conditions of Jcc, SETcc and CMOVcc (SDM vol. 1, app. B).
#pragma once

#include "base/integers.hpp"
#include "decoder/instruction.hpp"
#include "x86/flags.hpp"

#include <array>
#include <utility>

namespace softmetal::interpreter {

/// Does condition code `cc` (the low four bits of the opcode) hold?
template <unsigned cc>
[[nodiscard]] constexpr bool holds(u64 rflags) {
    namespace f = x86::flags;
    const auto flag = [rflags](u64 which) { return (rflags & which) != 0; };
    const bool less = flag(f::sf) != flag(f::of);
    constexpr unsigned base = cc >> 1;
    bool result;
    if constexpr (base == 0) result = flag(f::of);
    if constexpr (base == 1) result = flag(f::cf);
    if constexpr (base == 2) result = flag(f::zf);
    if constexpr (base == 3) result = flag(f::cf | f::zf);
    if constexpr (base == 4) result = flag(f::sf);
    if constexpr (base == 5) result = flag(f::pf);
    if constexpr (base == 6) result = less;
    if constexpr (base == 7) result = less || flag(f::zf);
    return result != (cc & 1);
}

[[nodiscard]] inline unsigned condition_code(const Instruction& i) { return i.bytes[i.layout.opcode] & 15; }

/// f.template operator()<cc>() for a condition code known at run time only.
template <class F>
auto with_condition(unsigned cc, F f) {
    using Result = decltype(f.template operator()<0>());
    return [&]<std::size_t... n>(std::index_sequence<n...>) {
        return std::array<Result, 16>{f.template operator()<n>()...}[cc];
    }
    (std::make_index_sequence<16>());
}

}  // namespace softmetal::interpreter
