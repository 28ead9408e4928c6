// Geometry, colours, and the addresses a scan line is read from. vga_text.cpp and vga_graphics.cpp draw.
#include "devices/vga/vga_picture.hpp"

#include "devices/vga/vga_chip.hpp"

#include <algorithm>
#include <cstring>

namespace softmetal::devices {

using namespace vga;

namespace {

constexpr u32 smallest = 64;  // what is smaller is no picture yet
constexpr u32 blank_width = 720, blank_height = 400;
constexpr u64 frames_of_cursor = 8, frames_of_blink = 16;  // each, shown and hidden

}  // namespace

VgaPicture::VgaPicture(const VgaState& state, std::span<const u8> memory, bus::Nanoseconds now)
    : state_(state), memory_(memory) {
    const u64 frame = now / frame_time(state);
    cursor_phase_ = frame / frames_of_cursor % 2 == 0;
    blink_phase_ = frame / frames_of_blink % 2 == 0;
    choose_kind();
    measure();
    load_colours();
}

void VgaPicture::choose_kind() {
    const u8 mode = state_.graphics[gfx::mode];
    if (state_.sequencer[seq::clocking] & seq::clocking_screen_off)
        kind_ = Kind::blank;
    else if (state_.dispi_enabled())
        kind_ = state_.dispi[dispi::depth] == 4 ? Kind::dispi_planar : Kind::dispi_linear;
    else if (!(state_.attribute_index & attr::palette_source))
        kind_ = Kind::blank;
    else if (!(state_.graphics[gfx::miscellaneous] & gfx::misc_graphics))
        kind_ = Kind::text;
    else if (mode & gfx::mode_256)
        kind_ = Kind::bytes;
    else
        kind_ = mode & gfx::mode_interleaved ? Kind::interleaved : Kind::planar;
}

void VgaPicture::measure() {
    if (state_.dispi_enabled()) {
        width_ = state_.dispi[dispi::width];
        height_ = state_.dispi[dispi::height];
        return;
    }
    const u8 clocking = state_.sequencer[seq::clocking];
    const unsigned overflow = state_.crtc[crtc::overflow];
    cell_dots_ = kind_ == Kind::text && !(clocking & seq::clocking_8_dots) ? 9 : 8;
    doubled_ = clocking & seq::clocking_halved;
    width_ = (state_.crtc[crtc::horizontal_end] + 1u) * cell_dots_ * (doubled_ ? 2 : 1);
    height_ = (state_.crtc[crtc::vertical_end] | (overflow >> 1 & 1) << 8 | (overflow >> 6 & 1) << 9) + 1;
    width_ = std::min(width_, bus::Screen::maximum_width);
    height_ = std::min(height_, bus::Screen::maximum_height);
    if (width_ >= smallest && height_ >= smallest) return;
    kind_ = Kind::blank;
    width_ = blank_width;
    height_ = blank_height;
}

u32 VgaPicture::dac_colour(unsigned index) const {
    const auto* c = &state_.dac[index * 3u];
    if (state_.dispi[dispi::enable] & dispi::dac_8_bits) return u32{c[0]} << 16 | u32{c[1]} << 8 | c[2];
    const auto wide = [](u8 six) { return static_cast<u32>(six << 2 | six >> 4); };
    return wide(c[0]) << 16 | wide(c[1]) << 8 | wide(c[2]);
}

void VgaPicture::load_colours() {
    for (unsigned i = 0; i < dac_.size(); ++i) dac_[i] = dac_colour(i & state_.dac_mask);
    const auto& a = state_.attribute;
    for (unsigned i = 0; i < colours_.size(); ++i) {
        unsigned index = a[i & a[attr::plane_enable]];
        if (a[attr::mode] & attr::mode_palette_54)
            index = (index & 0x0f) | (a[attr::colour_select] & 3u) << 4;
        index |= (a[attr::colour_select] & 0x0cu) << 4;
        colours_[i] = dac_[index];
    }
}

std::span<const u32> VgaPicture::line(u32 y, std::span<u32> scratch) const {
    const std::span<u32> out = scratch.first(bus::Screen::scratch_pixels);
    switch (kind_) {
        case Kind::dispi_linear: return linear_line(y, out);
        case Kind::dispi_planar: dispi_planar_line(y, out); return out.first(width_);
        case Kind::blank: std::fill_n(out.begin(), width_, 0); return out.first(width_);
        default: break;
    }
    const Row r = row(y);
    if (kind_ == Kind::text)
        text_line(r, out);
    else
        graphics_line(r, out);
    return out.subspan(r.panning, width_);
}

/// In dots, as they are in `out`. With nine dots a character 8 is none, 0 is one and so on.
u32 VgaPicture::panning() const {
    const u32 value = state_.attribute[attr::panning];
    u32 dots = value & 7;
    if (kind_ == Kind::bytes) return value & 6;  // a pixel is two dots here
    if (cell_dots_ == 9) dots = value >= 8 ? 0 : value + 1;
    return doubled_ ? dots * 2 : dots;
}

VgaPicture::Row VgaPicture::row(u32 y) const {
    const auto& c = state_.crtc;
    const u32 split =
        c[crtc::line_compare] | (c[crtc::overflow] >> 4 & 1u) << 8 | (c[crtc::maximum_scan] >> 6 & 1u) << 9;
    Row r;
    u32 scans = y;
    if (y > split) {
        scans = y - split - 1;
        r.panning = state_.attribute[attr::mode] & attr::mode_panning_compat ? 0 : panning();
    } else {
        r.address = (u32{c[crtc::start_high]} << 8 | c[crtc::start_low]) + (c[crtc::preset_row] >> 5 & 3);
        r.panning = panning();
    }
    if (c[crtc::maximum_scan] & crtc::scan_doubled) scans /= 2;
    if (y <= split) scans += c[crtc::preset_row] & 0x1f;
    const u32 character_lines = (c[crtc::maximum_scan] & 0x1fu) + 1;
    r.address += scans / character_lines * c[crtc::offset] * 2;
    r.scan = scans % character_lines;
    return r;
}

/// From the CRTC's counter to an address in the planes.
u32 VgaPicture::memory_offset(u32 counter, u32 scan) const {
    const auto& c = state_.crtc;
    const u8 mode = c[crtc::mode];
    u32 offset = counter;
    if (c[crtc::underline] & crtc::underline_doubleword)
        offset = counter << 2 | (counter >> 14 & 3);
    else if (!(mode & crtc::mode_byte))
        offset = counter << 1 | (counter >> (mode & crtc::mode_address_wrap ? 15 : 13) & 1);
    if (!(mode & crtc::mode_not_cga)) offset = (offset & ~0x2000u) | (scan & 1) << 13;
    if (!(mode & crtc::mode_not_hercules)) offset = (offset & ~0x4000u) | (scan >> 1 & 1) << 14;
    return offset & (plane_size - 1);
}

u32 VgaPicture::word(u32 plane_offset) const {
    u32 value = 0;
    if (const u64 at = u64{plane_offset} * 4; at < memory_.size()) std::memcpy(&value, &memory_[at], 4);
    return value;
}

}  // namespace softmetal::devices
