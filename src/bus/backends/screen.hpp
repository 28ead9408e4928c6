// What a display adapter shows, for whoever wants to look: a window, a viewer over the network, a screenshot.
#pragma once

#include "base/integers.hpp"

#include <memory>
#include <span>

namespace softmetal::bus {

/// The registers as they were at one moment, over the memory as it is while it is read.
class Picture {
 public:
    virtual ~Picture() = default;
    /// From 1 to Screen's maxima.
    [[nodiscard]] virtual u32 width() const = 0;
    [[nodiscard]] virtual u32 height() const = 0;
    /// One line's `width` pixels, 0xRRGGBB; what is above those 24 bits means nothing. They lie in `scratch`
    /// or in the adapter's memory. `y` is below height().
    [[nodiscard]] virtual std::span<const u32> line(u32 y, std::span<u32> scratch) const = 0;
};

class Screen {
 public:
    static constexpr u32 maximum_width = 2560, maximum_height = 1600;
    /// What line() needs: a line and what a scrolled picture begins to the left of it.
    static constexpr u32 scratch_pixels = maximum_width + 64;

    virtual ~Screen() = default;
    /// Any thread; the screen outlives the picture.
    [[nodiscard]] virtual std::unique_ptr<Picture> picture() = 0;
};

}  // namespace softmetal::bus
