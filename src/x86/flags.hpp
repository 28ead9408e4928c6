// RFLAGS (SDM vol. 1, ch. 3.4.3).
#pragma once

#include "base/integers.hpp"

namespace softmetal::x86::flags {

inline constexpr u64 cf = 1u << 0;
inline constexpr u64 always_one = 1u << 1;
inline constexpr u64 pf = 1u << 2;
inline constexpr u64 af = 1u << 4;
inline constexpr u64 zf = 1u << 6;
inline constexpr u64 sf = 1u << 7;
inline constexpr u64 tf = 1u << 8;
inline constexpr u64 interrupt = 1u << 9;  // IF; `if` is taken
inline constexpr u64 df = 1u << 10;
inline constexpr u64 of = 1u << 11;
inline constexpr u64 iopl = 3u << 12;
inline constexpr unsigned iopl_shift = 12;
inline constexpr u64 nt = 1u << 14;
inline constexpr u64 rf = 1u << 16;
inline constexpr u64 vm = 1u << 17;
inline constexpr u64 ac = 1u << 18;
inline constexpr u64 vif = 1u << 19;
inline constexpr u64 vip = 1u << 20;
inline constexpr u64 id = 1u << 21;

/// The flags arithmetic sets, and the only ones that ever live in the host's RFLAGS.
inline constexpr u64 status = cf | pf | af | zf | sf | of;
/// Every flag the processor implements.
inline constexpr u64 implemented = status | tf | interrupt | df | iopl | nt | rf | vm | ac | vif | vip | id;

}  // namespace softmetal::x86::flags

namespace softmetal::x86::mxcsr {

/// What every processor lets software write.
inline constexpr u32 writable = 0xffff;
/// MM, AMD's: misaligned vector operands do not raise #GP (APM vol. 1, ch. 4.2.2).
inline constexpr u32 misaligned_mask = 1u << 17;

}  // namespace softmetal::x86::mxcsr
