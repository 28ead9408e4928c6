// The legacy memory window: how an address becomes planes and an offset, and the graphics controller's data
// path between the processor and memory.
#include "devices/vga/vga_chip.hpp"

#include <array>
#include <bit>
#include <cstring>

namespace softmetal::devices {

using namespace vga;

namespace {

constexpr u8 undecoded = 0xff;
constexpr u32 all_planes = 0x0f;

/// Eight bits of each plane whose bit is set.
constexpr u32 spread(u8 planes) {
    u32 word = 0;
    for (unsigned p = 0; p < 4; ++p)
        if (planes >> p & 1) word |= 0xffu << (8 * p);
    return word;
}

constexpr u32 to_all_planes(u8 value) { return value * 0x0101'0101u; }

}  // namespace

/// The offset in the part of the window that is decoded.
std::optional<u32> VgaChip::in_window(u32 address) const {
    if (!(state_.miscellaneous & misc::memory_enabled)) return std::nullopt;
    struct Part {
        u32 first, size;
    };
    constexpr std::array<Part, 4> parts = {
        {{0, 0x20000}, {0, 0x10000}, {0x10000, 0x8000}, {0x18000, 0x8000}}};
    const Part part = parts[state_.graphics[gfx::miscellaneous] >> 2 & 3];
    if (address - part.first >= part.size) return std::nullopt;
    return address - part.first;
}

/// With 8 and more bits a pixel the display interface leaves the planes aside.
bool VgaChip::linear_window() const { return state_.dispi_enabled() && state_.dispi[dispi::depth] >= 8; }

bool VgaChip::chain4() const {
    return state_.sequencer[seq::memory_mode] & seq::memory_chain4 && !state_.dispi_enabled();
}

/// The address bits that choose a plane do not go to memory; higher ones take their place.
u32 VgaChip::plane_offset(u32 address, bool odd_even) const {
    if (state_.dispi_enabled()) return address + state_.dispi[dispi::bank] * dispi::bank_bytes;
    if (chain4()) return (address & 0xfffc) | (address >> 16 & 3);
    if (odd_even) return (address & 0xfffe) | (address >> 16 & 1);
    return address & 0xffff;
}

u32 VgaChip::load(u32 offset) const {
    u32 word = 0;
    if (const u64 at = u64{offset} * 4; at < memory_.size()) std::memcpy(&word, &memory_[at], 4);
    return word;
}

void VgaChip::store(u32 offset, u32 value, u8 planes) {
    const u64 at = u64{offset} * 4;
    if (at >= memory_.size()) return;
    const u32 mask = spread(planes);
    const u32 word = (load(offset) & ~mask) | (value & mask);
    std::memcpy(&memory_[at], &word, 4);
}

u8 VgaChip::read_window(u32 address) {
    const auto offset = in_window(address);
    if (!offset) return undecoded;
    if (linear_window()) {
        const u64 at = u64{*offset} + state_.dispi[dispi::bank] * u64{dispi::bank_bytes};
        return at < memory_.size() ? memory_[at] : undecoded;
    }
    const u8 mode = state_.graphics[gfx::mode];
    const bool odd_even = mode & gfx::mode_odd_even && !state_.dispi_enabled();
    state_.latches = load(plane_offset(*offset, odd_even));
    if (mode & gfx::mode_read_compare) {
        const u32 differs = (state_.latches ^ spread(state_.graphics[gfx::colour_compare])) &
                            spread(state_.graphics[gfx::colour_care]);
        return static_cast<u8>(~(differs | differs >> 8 | differs >> 16 | differs >> 24));
    }
    unsigned plane = state_.graphics[gfx::read_map];
    if (chain4())
        plane = *offset & 3;
    else if (odd_even)
        plane = (plane & 2) | (*offset & 1);
    return static_cast<u8>(state_.latches >> (8 * plane));
}

void VgaChip::write_window(u32 address, u8 value) {
    const auto offset = in_window(address);
    if (!offset) return;
    if (linear_window()) {
        const u64 at = u64{*offset} + state_.dispi[dispi::bank] * u64{dispi::bank_bytes};
        if (at < memory_.size()) memory_[at] = value;
        return;
    }
    const bool odd_even =
        !(state_.sequencer[seq::memory_mode] & seq::memory_sequential) && !state_.dispi_enabled();
    u8 planes = state_.sequencer[seq::map_mask];
    if (chain4())
        planes &= static_cast<u8>(1u << (*offset & 3));
    else if (odd_even)
        planes &= *offset & 1 ? 0b1010 : 0b0101;
    store(plane_offset(*offset, odd_even), written(value), planes);
}

/// What the graphics controller makes of a byte from the processor, and of the latches.
u32 VgaChip::written(u8 value) const {
    const auto& g = state_.graphics;
    const u8 rotated = std::rotr(value, g[gfx::rotate] & 7);
    u32 bit_mask = to_all_planes(g[gfx::bit_mask]);
    u32 data = 0;
    switch (g[gfx::mode] & 3) {
        case 0: {
            const u32 enabled = spread(g[gfx::enable_set_reset]);
            data = (to_all_planes(rotated) & ~enabled) | (spread(g[gfx::set_reset]) & enabled);
            break;
        }
        case 1: return state_.latches;
        case 2: data = spread(value & all_planes); break;
        default:
            data = spread(g[gfx::set_reset]);
            bit_mask &= to_all_planes(rotated);
            break;
    }
    switch (g[gfx::rotate] >> 3 & 3) {
        case 0: break;
        case 1: data &= state_.latches; break;
        case 2: data |= state_.latches; break;
        default: data ^= state_.latches; break;
    }
    return (data & bit_mask) | (state_.latches & ~bit_mask);
}

}  // namespace softmetal::devices
