// The Bochs display interface: a mode is three numbers and a switch.
#include "bus/backends/screen.hpp"
#include "devices/vga/vga_chip.hpp"

#include <algorithm>

namespace softmetal::devices {

using namespace vga;

namespace {

constexpr u16 deepest = 32;

/// Of one line; with 4 bits a pixel memory is in planes, four bytes for eight pixels.
u32 line_bytes(u32 width, u32 depth) { return depth == 4 ? width / 2 : width * ((depth + 7) / 8); }

}  // namespace

u16 VgaChip::read_dispi(unsigned index) const {
    if (index >= dispi::count) return 0;
    if (index == dispi::memory_64k) return static_cast<u16>(memory_.size() / dispi::bank_bytes);
    if (state_.dispi[dispi::enable] & dispi::get_capabilities) {
        if (index == dispi::width) return bus::Screen::maximum_width;
        if (index == dispi::height) return bus::Screen::maximum_height;
        if (index == dispi::depth) return deepest;
    }
    return state_.dispi[index];
}

void VgaChip::write_dispi(unsigned index, u16 value) {
    auto& d = state_.dispi;
    const bool fixed = state_.dispi_enabled();  // a mode's numbers are set while it is off
    switch (index) {
        case dispi::id:
            if (value >= dispi::oldest_id && value <= dispi::newest_id) d[index] = value;
            return;
        case dispi::width:
            if (!fixed && value > 0 && value <= bus::Screen::maximum_width) d[index] = value & ~u16{7};
            return;
        case dispi::height:
            if (!fixed && value > 0 && value <= bus::Screen::maximum_height) d[index] = value;
            return;
        case dispi::depth:
            if (value == 0) value = 8;
            if (!fixed &&
                (value == 4 || value == 8 || value == 15 || value == 16 || value == 24 || value == 32))
                d[index] = value;
            return;
        case dispi::enable: return enable_dispi(value & dispi::enable_mask);
        case dispi::bank:
            if (u64{value} * dispi::bank_bytes < memory_.size()) d[index] = value;
            return;
        case dispi::virtual_width:
            if (fixed) fit_virtual_screen(value);
            return;
        case dispi::x_offset:
        case dispi::y_offset: d[index] = value; return;
        default: return;
    }
}

void VgaChip::enable_dispi(u16 value) {
    auto& d = state_.dispi;
    const bool was_enabled = state_.dispi_enabled();
    const u32 line = line_bytes(d[dispi::width], d[dispi::depth]);
    // A mode that memory does not hold, or that is no mode, stays off.
    if (line == 0 || u64{line} * d[dispi::height] > memory_.size() || d[dispi::height] == 0)
        value &= static_cast<u16>(~dispi::enabled);
    const bool depth_of_dac_changes = (d[dispi::enable] ^ value) & dispi::dac_8_bits;
    d[dispi::enable] = value;
    if (depth_of_dac_changes)  // the colours stay what they were
        for (u8& colour : state_.dac)
            colour =
                static_cast<u8>(value & dispi::dac_8_bits ? colour << 2 | (colour & 0x3f) >> 4 : colour >> 2);
    d[dispi::bank] = 0;
    if (!(value & dispi::enabled) || was_enabled) return;
    d[dispi::x_offset] = d[dispi::y_offset] = 0;
    fit_virtual_screen(d[dispi::width]);
    if (!(value & dispi::keep_memory)) std::ranges::fill(memory_, u8{0});
}

/// A line is at least as long as the screen is wide, and as many of them as memory holds.
void VgaChip::fit_virtual_screen(u16 width) {
    auto& d = state_.dispi;
    width = std::max(width, d[dispi::width]) & static_cast<u16>(~7u);
    const u64 lines = memory_.size() / line_bytes(width, d[dispi::depth]);
    if (lines < d[dispi::height]) return;
    d[dispi::virtual_width] = width;
    d[dispi::virtual_height] = static_cast<u16>(std::min<u64>(lines, 0xffff));
}

}  // namespace softmetal::devices
