// Where the beam is, by the CRTC's totals and the dot clock.
#include "devices/vga/vga_chip.hpp"

namespace softmetal::devices {

using namespace vga;

namespace {

struct Beam {
    u64 characters = 0, visible_characters = 0;  // in a line
    u64 lines = 0, visible_lines = 0, retrace_start = 0, retrace_lines = 0;
    u64 dots_per_second = 0, dots = 0;  // in a character
};

constexpr u64 dots_28_mhz = 28'322'000, dots_25_mhz = 25'175'000;

/// Ten bits of a vertical register: eight of its own and two in the overflow register.
u64 vertical(const VgaState& s, unsigned index, unsigned bit_8, unsigned bit_9) {
    const unsigned overflow = s.crtc[crtc::overflow];
    return s.crtc[index] | (overflow >> bit_8 & 1) << 8 | (overflow >> bit_9 & 1) << 9;
}

Beam beam(const VgaState& s) {
    Beam b;
    b.characters = s.crtc[crtc::horizontal_total] + 5u;
    b.visible_characters = s.crtc[crtc::horizontal_end] + 1u;
    b.lines = vertical(s, crtc::vertical_total, 0, 5) + 2;
    b.visible_lines = vertical(s, crtc::vertical_end, 1, 6) + 1;
    b.retrace_start = vertical(s, crtc::retrace_start, 2, 7);
    const u64 low_bits = (s.crtc[crtc::retrace_end] - b.retrace_start) & 15;
    b.retrace_lines = low_bits ? low_bits : 16;
    b.dots_per_second = s.miscellaneous & misc::clock_28_mhz ? dots_28_mhz : dots_25_mhz;
    if (s.sequencer[seq::clocking] & seq::clocking_halved) b.dots_per_second /= 2;
    b.dots = s.sequencer[seq::clocking] & seq::clocking_8_dots ? 8 : 9;
    return b;
}

u64 line_time(const Beam& b) {
    return b.characters * b.dots * bus::nanoseconds_per_second / b.dots_per_second;
}

}  // namespace

bus::Nanoseconds frame_time(const VgaState& state) {
    const Beam b = beam(state);
    return line_time(b) * b.lines;
}

u8 beam_status(const VgaState& state, bus::Nanoseconds now) {
    const Beam b = beam(state);
    const u64 in_frame = now % (line_time(b) * b.lines);
    const u64 line = in_frame / line_time(b);
    const u64 character = in_frame % line_time(b) * b.characters / line_time(b);
    u8 status = 0;
    if (line >= b.visible_lines || character >= b.visible_characters) status |= status1::display_disabled;
    // A CRTC that is not set up has its retrace somewhere too: software waits for it.
    const u64 start = b.retrace_start < b.lines ? b.retrace_start : b.lines - 1;
    if (line >= start && line < start + b.retrace_lines)
        status |= status1::vertical_retrace | status1::display_disabled;
    return status;
}

}  // namespace softmetal::devices
