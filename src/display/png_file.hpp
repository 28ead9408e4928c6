// Pictures as PNG files.
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"

#include <span>
#include <string>

namespace softmetal::display {

/// `pixels` are 0xRRGGBB, `width` by `height` of them.
[[nodiscard]] Result<> write_png(const std::string& path, u32 width, u32 height, std::span<const u32> pixels);

}  // namespace softmetal::display
