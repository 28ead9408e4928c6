#include "devices/dma8237/dma8237_chip.hpp"

#include "base/bits.hpp"
#include "devices/state_reader.hpp"

#include <algorithm>
#include <utility>

namespace softmetal::devices {

namespace reg = dma8237::reg;
namespace mode = dma8237::mode;

u8 Dma8237Chip::read(unsigned offset) {
    if (offset < reg::status) {
        const Channel& c = channels_[offset / 2];
        const u16 value = offset % 2 ? c.count : c.address;
        upper_byte_ = !upper_byte_;
        return static_cast<u8>(upper_byte_ ? value : value >> 8);
    }
    if (offset == reg::status) return std::exchange(terminal_, u8{0});
    if (offset == reg::all_masks) return mask_ | 0xf0;
    return 0;  // the temporary register: there are no memory-to-memory transfers
}

void Dma8237Chip::write(unsigned offset, u8 value) {
    if (offset < reg::status) {
        Channel& c = channels_[offset / 2];
        u16& base = offset % 2 ? c.base_count : c.base_address;
        base = static_cast<u16>(upper_byte_ ? (base & 0x00ff) | value << 8 : (base & 0xff00) | value);
        (offset % 2 ? c.count : c.address) = base;
        upper_byte_ = !upper_byte_;
        return;
    }
    const auto channel = static_cast<u8>(1u << (value & mode::channel));
    switch (offset) {
        case reg::command: command_ = value; break;
        case reg::single_mask:
            mask_ = static_cast<u8>(value & dma8237::mask::set ? mask_ | channel : mask_ & ~channel);
            break;
        case reg::mode: channels_[value & mode::channel].mode = value; break;
        case reg::clear_byte_pointer: upper_byte_ = false; break;
        case reg::master_clear: reset(); break;
        case reg::clear_mask: mask_ = 0; break;
        case reg::all_masks: mask_ = value & 0xf; break;
        default: break;  // software requests: for memory-to-memory transfers
    }
}

/// Addresses, counts and modes stay (datasheet, "Master Clear").
void Dma8237Chip::reset() {
    command_ = terminal_ = 0;
    mask_ = 0xf;
    upper_byte_ = false;
}

Dma8237Chip::Direction Dma8237Chip::direction(unsigned channel) const {
    if ((command_ & dma8237::command::disable) || mask_ & bit(channel)) return Direction::none;
    switch (channels_[channel].mode & mode::transfer) {
        case 0: return Direction::verify;
        case mode::to_memory: return Direction::to_memory;
        case mode::from_memory: return Direction::from_memory;
        default: return Direction::none;
    }
}

Dma8237Chip::Place Dma8237Chip::next(unsigned channel) const {
    const Channel& c = channels_[channel];
    const bool downwards = c.mode & mode::decrement;
    const u32 until_wrap = downwards ? c.address + 1u : 0x10000u - c.address;
    return {c.address, std::min(c.count + 1u, until_wrap), downwards};
}

bool Dma8237Chip::advance(unsigned channel, u32 count) {
    Channel& c = channels_[channel];
    const bool end = count > c.count;
    c.address = static_cast<u16>(c.mode & mode::decrement ? c.address - count : c.address + count);
    c.count = static_cast<u16>(c.count - count);
    if (!end) return false;
    terminal_ |= static_cast<u8>(1u << channel);
    if (c.mode & mode::automatic) {
        c.address = c.base_address;
        c.count = c.base_count;
    } else {
        mask_ |= static_cast<u8>(1u << channel);
    }
    return true;
}

nlohmann::json Dma8237Chip::save() const {
    std::array<u16, 4 * dma8237::channels> numbers{};
    std::array<u8, dma8237::channels> modes{};
    for (unsigned i = 0; i < dma8237::channels; i++) {
        const Channel& c = channels_[i];
        std::ranges::copy(std::array{c.base_address, c.base_count, c.address, c.count}, &numbers[4 * i]);
        modes[i] = c.mode;
    }
    return {{"channels", numbers}, {"modes", modes},        {"command", command_},
            {"mask", mask_},       {"terminal", terminal_}, {"upper_byte", upper_byte_}};
}

void Dma8237Chip::restore(StateReader& in) {
    std::array<u16, 4 * dma8237::channels> numbers{};
    std::array<u8, dma8237::channels> modes{};
    in.numbers<u16>("channels", numbers);
    in.numbers<u8>("modes", modes);
    for (unsigned i = 0; i < dma8237::channels; i++)
        channels_[i] = {numbers[4 * i], numbers[4 * i + 1], numbers[4 * i + 2], numbers[4 * i + 3], modes[i]};
    command_ = in.number<u8>("command");
    mask_ = in.number<u8>("mask", 0xf);
    terminal_ = in.number<u8>("terminal", 0xf);
    upper_byte_ = in.flag("upper_byte");
}

}  // namespace softmetal::devices
