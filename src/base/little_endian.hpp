// Numbers as messages between processes have them: lowest byte first.
#pragma once

#include "base/integers.hpp"

#include <array>
#include <concepts>
#include <span>

namespace softmetal {

template <std::unsigned_integral T>
[[nodiscard]] constexpr std::array<u8, sizeof(T)> to_little_endian(T value) {
    std::array<u8, sizeof(T)> bytes{};
    for (unsigned i = 0; i < sizeof(T); ++i) bytes[i] = static_cast<u8>(u64{value} >> (8 * i));
    return bytes;
}

template <std::unsigned_integral T>
[[nodiscard]] constexpr T from_little_endian(std::span<const u8, sizeof(T)> bytes) {
    u64 value = 0;
    for (unsigned i = 0; i < sizeof(T); ++i) value |= u64{bytes[i]} << (8 * i);
    return static_cast<T>(value);
}

}  // namespace softmetal
