// The register ports.
#include "devices/vga/vga_chip.hpp"

#include <algorithm>

namespace softmetal::devices {

using namespace vga;

namespace {

constexpr u8 undecoded = 0xff;

// Which bits of a register exist.
constexpr std::array<u8, seq::count> sequencer_bits = {0x03, 0x3d, 0x0f, 0x3f, 0x0e};
constexpr std::array<u8, gfx::count> graphics_bits = {0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff};
constexpr u8 attribute_bits(unsigned index) {
    constexpr std::array<u8, attr::count - attr::mode> others = {0xef, 0xff, 0x3f, 0x0f, 0x0f};
    return index < attr::mode ? 0x3f : others[index - attr::mode];
}

}  // namespace

/// CRTC and status answer at one of two places.
bool VgaChip::answers(u16 port) const {
    if (port >= port::attribute && port < port::crtc_colour - 4) return true;
    const bool colour = state_.miscellaneous & misc::colour;
    return colour == (port >= port::crtc_colour - 4);
}

u8 VgaChip::read_port(u16 port, bus::Nanoseconds now) {
    if (!answers(port)) return undecoded;
    switch (port) {
        case port::attribute: return state_.attribute_index;
        case port::attribute_data: {
            const unsigned index = state_.attribute_index & attr::index_mask;
            return index < attr::count ? state_.attribute[index] : u8{0};
        }
        case port::miscellaneous: return status0::switch_sense;
        case port::sequencer: return state_.sequencer_index;
        case port::sequencer + 1:
            return state_.sequencer_index < seq::count ? state_.sequencer[state_.sequencer_index] : u8{0};
        case port::dac_mask: return state_.dac_mask;
        case port::dac_read_index: return state_.dac_reading ? 3 : 0;
        case port::dac_write_index: return state_.dac_write_index;
        case port::dac_data: return read_dac();
        case port::feature_read: return state_.feature;
        case port::miscellaneous_read: return state_.miscellaneous;
        case port::graphics: return state_.graphics_index;
        case port::graphics + 1:
            return state_.graphics_index < gfx::count ? state_.graphics[state_.graphics_index] : u8{0};
        case port::crtc_mono:
        case port::crtc_colour: return state_.crtc_index;
        case port::crtc_mono + 1:
        case port::crtc_colour + 1:
            return state_.crtc_index < crtc::count ? state_.crtc[state_.crtc_index] : u8{0};
        case port::status_mono:
        case port::status_colour: return input_status_1(now);
        default: return undecoded;
    }
}

void VgaChip::write_port(u16 port, u8 value) {
    if (!answers(port)) return;
    switch (port) {
        case port::attribute: return write_attribute(value);
        case port::miscellaneous: state_.miscellaneous = value; return;
        case port::sequencer: state_.sequencer_index = value & 7; return;
        case port::sequencer + 1:
            if (const unsigned i = state_.sequencer_index; i < seq::count)
                state_.sequencer[i] = value & sequencer_bits[i];
            return;
        case port::dac_mask: state_.dac_mask = value; return;
        case port::dac_read_index:
            state_.dac_read_index = value;
            state_.dac_component = 0;
            state_.dac_reading = true;
            return;
        case port::dac_write_index:
            state_.dac_write_index = value;
            state_.dac_component = 0;
            state_.dac_reading = false;
            return;
        case port::dac_data: return write_dac(value);
        case port::graphics: state_.graphics_index = value & 0x0f; return;
        case port::graphics + 1:
            if (const unsigned i = state_.graphics_index; i < gfx::count)
                state_.graphics[i] = value & graphics_bits[i];
            return;
        case port::crtc_mono:
        case port::crtc_colour: state_.crtc_index = value & 0x3f; return;
        case port::crtc_mono + 1:
        case port::crtc_colour + 1: return write_crtc(value);
        case port::status_mono:
        case port::status_colour: state_.feature = value & 3; return;
        default: return;
    }
}

u8 VgaChip::input_status_1(bus::Nanoseconds now) {
    state_.attribute_data_next = false;
    return beam_status(state_, now);
}

void VgaChip::write_attribute(u8 value) {
    const bool data = state_.attribute_data_next;
    state_.attribute_data_next = !data;
    if (!data) {
        state_.attribute_index = value & (attr::index_mask | attr::palette_source);
        return;
    }
    const unsigned index = state_.attribute_index & attr::index_mask;
    if (index < attr::count) state_.attribute[index] = value & attribute_bits(index);
}

void VgaChip::write_crtc(u8 value) {
    const unsigned index = state_.crtc_index;
    if (index >= crtc::count) return;
    u8& reg = state_.crtc[index];
    if (index > crtc::overflow || !(state_.crtc[crtc::retrace_end] & crtc::protect)) {
        reg = value;
    } else if (index == crtc::overflow) {
        constexpr u8 open = crtc::overflow_line_compare;
        reg = static_cast<u8>((reg & ~open) | (value & open));
    }
}

// The DAC has six bits a colour, which it returns as they were written; eight through the display interface.

u8 VgaChip::read_dac() {
    const u8 value = state_.dac[state_.dac_read_index * 3u + state_.dac_component];
    if (++state_.dac_component == 3) {
        state_.dac_component = 0;
        state_.dac_read_index++;
    }
    return value;
}

void VgaChip::write_dac(u8 value) {
    const bool wide = state_.dispi[dispi::enable] & dispi::dac_8_bits;
    state_.dac[state_.dac_write_index * 3u + state_.dac_component] = wide ? value : value & 0x3f;
    if (++state_.dac_component == 3) {
        state_.dac_component = 0;
        state_.dac_write_index++;
    }
}

}  // namespace softmetal::devices
