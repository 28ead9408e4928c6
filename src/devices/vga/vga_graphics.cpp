// Graphics: planes, CGA's pairs of bits, bytes, and the display interface's rows of pixels.
#include "devices/vga/vga_picture.hpp"

#include <algorithm>
#include <cstring>

namespace softmetal::devices {

using namespace vga;

namespace {

constexpr u32 from_555(u32 p) {
    const u32 r = p >> 10 & 31, g = p >> 5 & 31, b = p & 31;
    return (r << 3 | r >> 2) << 16 | (g << 3 | g >> 2) << 8 | (b << 3 | b >> 2);
}
constexpr u32 from_565(u32 p) {
    const u32 r = p >> 11 & 31, g = p >> 5 & 63, b = p & 31;
    return (r << 3 | r >> 2) << 16 | (g << 2 | g >> 4) << 8 | (b << 3 | b >> 2);
}

}  // namespace

/// Eight pixels, a bit of each plane each.
void VgaPicture::planar_cell(u32 word, std::span<u32> out) const {
    for (unsigned i = 0; i < 8; ++i) {
        const u32 column = word >> (7 - i) & 0x0101'0101;
        out[i] = colours_[(column | column >> 7 | column >> 14 | column >> 21) & 0x0f];
    }
}

/// Four pixels of two bits from plane 0, four from plane 1; planes 2 and 3 have two more bits for them.
void VgaPicture::interleaved_cell(u32 word, std::span<u32> out) const {
    for (unsigned i = 0; i < 8; ++i) {
        const u32 pair = word >> (i / 4 * 8 + 6 - i % 4 * 2);
        out[i] = colours_[(pair & 3) | (pair >> 16 & 3) << 2];
    }
}

void VgaPicture::graphics_line(const Row& row, std::span<u32> out) const {
    const auto& c = state_.crtc;
    const unsigned slowed =  // the counter moves with every second or fourth character clock
        c[crtc::underline] & crtc::underline_count_by_4 ? 2
        : c[crtc::mode] & crtc::mode_count_by_2         ? 1
                                                        : 0;
    const u32 dot_width = doubled_ ? 2 : 1;
    const u32 end = width_ + row.panning;
    std::array<u32, 8> cell;
    u32 x = 0;
    for (u32 clock = 0; x < end; ++clock) {
        const u32 data = word(memory_offset(row.address + (clock >> slowed), row.scan));
        if (kind_ == Kind::planar)
            planar_cell(data, cell);
        else if (kind_ == Kind::interleaved)
            interleaved_cell(data, cell);
        else
            for (unsigned i = 0; i < 8; ++i) cell[i] = dac_[data >> (i / 2 * 8) & 0xff];
        for (const u32 pixel : cell)
            for (u32 i = 0; i < dot_width && x < end; ++i) out[x++] = pixel;
    }
}

std::span<const u32> VgaPicture::linear_line(u32 y, std::span<u32> scratch) const {
    const auto& d = state_.dispi;
    const u32 depth = d[dispi::depth];
    const u32 bytes = (depth + 7) / 8;
    const u64 at = ((u64{y} + d[dispi::y_offset]) * d[dispi::virtual_width] + d[dispi::x_offset]) * bytes;
    const std::span<u32> out = scratch.first(width_);
    if (at + u64{width_} * bytes > memory_.size()) {
        std::ranges::fill(out, 0);
        return out;
    }
    const u8* from = &memory_[at];
    if (depth == 32) return {reinterpret_cast<const u32*>(from), width_};
    for (u32& pixel : out) {
        if (depth == 8)
            pixel = dac_[*from];
        else if (depth == 24)
            pixel = from[0] | u32{from[1]} << 8 | u32{from[2]} << 16;
        else
            pixel = (depth == 15 ? from_555 : from_565)(from[0] | u32{from[1]} << 8);
        from += bytes;
    }
    return out;
}

void VgaPicture::dispi_planar_line(u32 y, std::span<u32> out) const {
    const auto& d = state_.dispi;
    const u32 pixel = (y + d[dispi::y_offset]) * d[dispi::virtual_width] + (d[dispi::x_offset] & ~7u);
    std::array<u32, 8> cell;
    for (u32 x = 0; x < width_; x += 8) {
        planar_cell(word((pixel + x) / 8), cell);
        std::ranges::copy(cell, out.begin() + x);
    }
}

}  // namespace softmetal::devices
