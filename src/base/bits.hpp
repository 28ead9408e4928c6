// Bit helpers shared by every layer.
#pragma once

#include "base/integers.hpp"

#include <bit>
#include <concepts>

namespace softmetal {

[[nodiscard]] constexpr u64 bit(unsigned n) { return u64{1} << n; }

/// A mask of the `count` lowest bits; `count` may be 64.
[[nodiscard]] constexpr u64 low_bits(unsigned count) { return count >= 64 ? ~u64{0} : bit(count) - 1; }

/// Bits `high`..`low` of `value`, both included, moved down to bit 0.
[[nodiscard]] constexpr u64 bits(u64 value, unsigned high, unsigned low) {
    return (value >> low) & low_bits(high - low + 1);
}

/// `value`'s lowest `width` bits as a signed number.
[[nodiscard]] constexpr u64 sign_extend(u64 value, unsigned width) {
    const unsigned shift = 64 - width;
    return static_cast<u64>(static_cast<i64>(value << shift) >> shift);
}

[[nodiscard]] constexpr u64 align_down(u64 value, u64 power_of_two) { return value & ~(power_of_two - 1); }
[[nodiscard]] constexpr u64 align_up(u64 value, u64 power_of_two) {
    return align_down(value + power_of_two - 1, power_of_two);
}

}  // namespace softmetal
