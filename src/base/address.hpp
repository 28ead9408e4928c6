// Guest addresses as types of their own, so that a linear address cannot be taken for a physical one.
#pragma once

#include "base/integers.hpp"

#include <compare>

namespace softmetal {

inline constexpr u64 page_size = 4096;
inline constexpr u64 page_mask = ~(page_size - 1);
inline constexpr unsigned page_shift = 12;

/// After segmentation, before paging (SDM vol. 3, ch. 3.1).
struct GuestLinear {
    u64 value = 0;
    auto operator<=>(const GuestLinear&) const = default;
    [[nodiscard]] constexpr u64 page() const { return value & page_mask; }
    [[nodiscard]] constexpr u64 offset() const { return value & ~page_mask; }
};
constexpr GuestLinear operator+(GuestLinear a, u64 n) { return {a.value + n}; }

/// After paging: an address on the guest's memory bus.
struct GuestPhysical {
    u64 value = 0;
    auto operator<=>(const GuestPhysical&) const = default;
    [[nodiscard]] constexpr u64 page() const { return value & page_mask; }
    [[nodiscard]] constexpr u64 offset() const { return value & ~page_mask; }
};
constexpr GuestPhysical operator+(GuestPhysical a, u64 n) { return {a.value + n}; }

}  // namespace softmetal
