// Brings a surface up to date with a screen, and says what has changed.
#pragma once

#include "bus/backends/screen.hpp"

#include <span>
#include <vector>

namespace softmetal::display {

struct Rectangle {
    u32 x = 0, y = 0, width = 0, height = 0;
    bool operator==(const Rectangle&) const = default;
};

class Surface {
 public:
    /// `pixels` has room for the largest picture.
    explicit Surface(std::span<u32> pixels) : pixels_(pixels) {}

    /// The rectangles that differ from the last picture; all of it where that had another size.
    [[nodiscard]] std::vector<Rectangle> update(const bus::Picture& picture);
    [[nodiscard]] u32 width() const { return width_; }
    [[nodiscard]] u32 height() const { return height_; }

 private:
    std::span<u32> pixels_;
    u32 width_ = 0, height_ = 0;
    std::vector<u32> scratch_ = std::vector<u32>(bus::Screen::scratch_pixels);
};

}  // namespace softmetal::display
