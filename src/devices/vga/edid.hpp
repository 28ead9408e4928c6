// What a monitor would say of itself (VESA Enhanced EDID Standard, release A.2): the base block, version 1.4.
#pragma once

#include "base/integers.hpp"

#include <array>

namespace softmetal::devices::vga {

inline constexpr std::size_t edid_size = 128;

/// Of a monitor that takes any mode and likes 1024 by 768 best.
[[nodiscard]] std::array<u8, edid_size> edid();

}  // namespace softmetal::devices::vga
