// Random register and memory contents with the shapes that matter: boundaries, small numbers, NaNs, masks,
// text.
#pragma once

#include "cpu/state.hpp"
#include "random.hpp"

#include <span>

namespace softmetal::differential {

[[nodiscard]] u64 integer_value(Random& random);
/// An address that 48 bits can express, sign-extended.
[[nodiscard]] u64 canonical_value(Random& random);

/// Fills with one shape: uniform bits, 32- or 64-bit floating point, small integers, element masks, short
/// text.
void vector_value(Random& random, std::span<u8> out);

/// A double-extended number: 10 bytes, the rest of `out` is cleared.
void x87_value(Random& random, ExtendedState::Bytes16& out);
/// What an MMX instruction leaves there: any mantissa, all exponent bits set.
void mmx_value(Random& random, ExtendedState::Bytes16& out);

/// MXCSR: mostly with all exceptions masked; rounding, DAZ, FTZ and sticky flags at random.
[[nodiscard]] u32 mxcsr_value(Random& random);

/// Control and status word (consistent: ES says whether an unmasked exception is pending), tags, stack,
/// pointers.
void x87_state(Random& random, ExtendedState& state, bool mmx);

[[nodiscard]] ExtendedState extended_state(Random& random, bool mmx);

}  // namespace softmetal::differential
