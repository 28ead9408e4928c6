#include "display/surface.hpp"

#include <algorithm>
#include <cstring>

namespace softmetal::display {
namespace {

constexpr u32 tile = 32;  // how finely a line is looked at

bool differ(std::span<const u32> a, std::span<const u32> b) {
    return std::memcmp(a.data(), b.data(), a.size_bytes()) != 0;
}

/// The part of two lines that holds every difference; empty where there is none.
struct Part {
    u32 first = 0, end = 0;
};
Part difference(std::span<const u32> a, std::span<const u32> b) {
    if (!differ(a, b)) return {};
    const auto width = static_cast<u32>(a.size());
    const auto tile_differs = [&](u32 at) {
        const u32 count = std::min(tile, width - at);
        return differ(a.subspan(at, count), b.subspan(at, count));
    };
    Part part{0, width};
    while (part.first < width && !tile_differs(part.first)) part.first += tile;
    u32 last = (width - 1) / tile * tile;
    while (last > part.first && !tile_differs(last)) last -= tile;
    part.first = std::min(part.first, last);  // the memory may have changed back meanwhile
    part.end = std::min(width, last + tile);
    return part;
}

}  // namespace

/// Lines that changed together become one rectangle, as wide as the widest.
std::vector<Rectangle> Surface::update(const bus::Picture& picture) {
    const bool resized = picture.width() != width_ || picture.height() != height_;
    width_ = picture.width();
    height_ = picture.height();
    std::vector<Rectangle> changes;
    bool open = false;  // the line before has changed
    for (u32 y = 0; y < height_; ++y) {
        const std::span<const u32> now = picture.line(y, scratch_);
        const std::span<u32> before = pixels_.subspan(std::size_t{y} * width_, width_);
        const Part part = resized ? Part{0, width_} : difference(now, before);
        if (part.first == part.end) {
            open = false;
            continue;
        }
        std::ranges::copy(now.subspan(part.first, part.end - part.first), before.begin() + part.first);
        if (!open) {
            changes.push_back({part.first, y, part.end - part.first, 1});
        } else {
            Rectangle& r = changes.back();
            const u32 end = std::max(r.x + r.width, part.end);
            r.x = std::min(r.x, part.first);
            r.width = end - r.x;
            r.height++;
        }
        open = true;
    }
    return changes;
}

}  // namespace softmetal::display
