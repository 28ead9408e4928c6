// Text: characters from plane 0, attributes from plane 1, their shapes from plane 2.
#include "devices/vga/vga_picture.hpp"

#include <algorithm>

namespace softmetal::devices {

using namespace vga;

namespace {

constexpr u32 shape_bytes = 32;
constexpr u8 attribute_blinks = 0x80, attribute_second_font = 0x08;
constexpr u8 underlined = 0x01, underline_bits = 0x77;
constexpr u8 first_line_character = 0xc0, last_line_character = 0xdf;

}  // namespace

/// Where a font begins in plane 2; the one that attribute bit 3 chooses is map A.
u32 VgaPicture::font(bool second) const {
    const u8 maps = state_.sequencer[seq::character_map];
    const u32 map = second ? (maps >> 2 & 3u) | (maps >> 5 & 1u) << 2 : (maps & 3u) | (maps >> 4 & 1u) << 2;
    return (map & 3) * 0x4000 + (map >> 2) * 0x2000;
}

bool VgaPicture::cursor_at(u32 counter, u32 scan) const {
    const auto& c = state_.crtc;
    const u32 place = u32{c[crtc::cursor_high]} << 8 | c[crtc::cursor_low];
    return cursor_phase_ && !(c[crtc::cursor_start] & crtc::cursor_off) && (counter & 0xffff) == place &&
           scan >= (c[crtc::cursor_start] & 0x1fu) && scan <= (c[crtc::cursor_end] & 0x1fu);
}

void VgaPicture::text_line(const Row& row, std::span<u32> out) const {
    const u8 mode = state_.attribute[attr::mode];
    const u32 fonts[] = {font(false), font(true)};
    const bool underline_here = row.scan == (state_.crtc[crtc::underline] & 0x1fu);
    const u32 dot_width = doubled_ ? 2 : 1;
    const u32 end = width_ + row.panning;
    u32 x = 0;
    for (u32 column = 0; x < end; ++column) {
        const u32 counter = row.address + column;
        const u32 cell = word(memory_offset(counter, row.scan));
        const auto character = static_cast<u8>(cell);
        const auto attribute = static_cast<u8>(cell >> 8);
        unsigned foreground = attribute & 0x0f, background = attribute >> 4;
        const u32 shape_at =
            fonts[attribute & attribute_second_font ? 1 : 0] + character * shape_bytes + row.scan;
        u32 dots = word(shape_at) >> 16 & 0xff;
        if (mode & attr::mode_blink) {
            background &= 7;
            if (attribute & attribute_blinks && !blink_phase_) dots = 0;
        }
        if (underline_here && (attribute & underline_bits) == underlined) dots = 0xff;
        // The ninth dot is background, but for the characters that draw lines across.
        const bool joined = mode & attr::mode_line_graphics && character >= first_line_character &&
                            character <= last_line_character;
        dots = dots << 1 | (joined ? dots & 1 : 0);
        if (cursor_at(counter, row.scan)) dots = 0x1ff;
        for (u32 dot = 0; dot < cell_dots_; ++dot)
            for (u32 i = 0; i < dot_width && x < end; ++i)
                out[x++] = colours_[dots >> (8 - dot) & 1 ? foreground : background];
    }
}

}  // namespace softmetal::devices
