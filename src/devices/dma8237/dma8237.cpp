#include "devices/dma8237/dma8237.hpp"

#include "devices/state_reader.hpp"

#include <algorithm>

namespace softmetal::devices {

namespace {

using Direction = Dma8237Chip::Direction;

/// Offsets from port 0x81 of the channels' page registers; the cascade's is the refresh page.
constexpr std::array<u8, Dma8237::channel_count> page_of_channel = {6, 2, 0, 1, 14, 10, 8, 9};

}  // namespace

Dma8237::Dma8237(bus::DmaView& memory)
    : memory_(memory),
      first_(*this, &Dma8237::read_first, &Dma8237::write_first),
      second_(*this, &Dma8237::read_second, &Dma8237::write_second),
      pages_port_(*this, &Dma8237::read_page, &Dma8237::write_page) {
    for (unsigned i = 0; i < channel_count; i++) {
        ends_[i].owner = this;
        ends_[i].number = i;
    }
}

u8 Dma8237::read_first(u64 offset) {
    if (offset >= first_ports) return BytePorts::undecoded;
    const std::lock_guard lock(mutex_);
    return chips_[0].read(static_cast<unsigned>(offset));
}

void Dma8237::write_first(u64 offset, u8 value) {
    if (offset >= first_ports) return;
    const std::lock_guard lock(mutex_);
    chips_[0].write(static_cast<unsigned>(offset), value);
}

u8 Dma8237::read_second(u64 offset) {
    if (offset >= second_ports || offset % 2) return BytePorts::undecoded;
    const std::lock_guard lock(mutex_);
    return chips_[1].read(static_cast<unsigned>(offset / 2));
}

void Dma8237::write_second(u64 offset, u8 value) {
    if (offset >= second_ports || offset % 2) return;
    const std::lock_guard lock(mutex_);
    chips_[1].write(static_cast<unsigned>(offset / 2), value);
}

u8 Dma8237::read_page(u64 offset) {
    if (offset >= page_ports) return BytePorts::undecoded;
    const std::lock_guard lock(mutex_);
    return pages_[offset];
}

void Dma8237::write_page(u64 offset, u8 value) {
    if (offset >= page_ports) return;
    const std::lock_guard lock(mutex_);
    pages_[offset] = value;
}

/// Words move on channels 5 to 7: the address counts words there, and the page's bit 0 is left out.
template <class Bytes, class Move>
bus::IsaDmaChannel::Moved Dma8237::End::run(Bytes bytes, Direction wanted, Move move) {
    const std::lock_guard lock(owner->mutex_);
    Dma8237Chip& chip = owner->chips_[number / dma8237::channels];
    const unsigned channel = number % dma8237::channels;
    const unsigned unit = number > cascade_channel ? 2 : 1;
    const u64 page = owner->pages_[page_of_channel[number]];
    Moved moved;
    while (bytes.size() - moved.bytes >= unit && !moved.terminal_count) {
        const Direction direction = chip.direction(channel);
        if (direction != wanted && direction != Direction::verify) break;
        const Dma8237Chip::Place place = chip.next(channel);
        const u64 upper = unit == 2 ? (page & 0xfe) << 16 : page << 16;
        const u64 at = upper | u64{place.address} * unit;
        // Backwards one by one: nobody but floppy formats of old does it.
        const u64 most = place.downwards ? 1 : place.count;
        const auto count = static_cast<u32>(std::min<u64>(most, (bytes.size() - moved.bytes) / unit));
        if (direction == wanted) move(GuestPhysical{at}, bytes.subspan(moved.bytes, u64{count} * unit));
        moved.bytes += u64{count} * unit;
        moved.terminal_count = chip.advance(channel, count);
    }
    return moved;
}

// Where there is no memory the cycle goes nowhere: a write is lost, a read sees all ones.

bus::IsaDmaChannel::Moved Dma8237::End::to_memory(std::span<const std::byte> data) {
    return run(data, Direction::to_memory, [this](GuestPhysical at, std::span<const std::byte> piece) {
        static_cast<void>(owner->memory_.write(at, piece));
    });
}

bus::IsaDmaChannel::Moved Dma8237::End::from_memory(std::span<std::byte> into) {
    std::ranges::fill(into, std::byte{0xff});
    return run(into, Direction::from_memory, [this](GuestPhysical at, std::span<std::byte> piece) {
        static_cast<void>(owner->memory_.read(at, piece));
    });
}

void Dma8237::reset() {
    const std::lock_guard lock(mutex_);
    for (Dma8237Chip& chip : chips_) chip.reset();
    pages_.fill(0);
}

bus::SavedState Dma8237::save() const {
    const std::lock_guard lock(mutex_);
    return {"dma8237", 1, {{"first", chips_[0].save()}, {"second", chips_[1].save()}, {"pages", pages_}}};
}

Result<std::unique_ptr<Dma8237>> Dma8237::restore(bus::DmaView& memory, const bus::SavedState& saved) {
    StateReader in(saved, "dma8237", 1);
    auto restored = std::make_unique<Dma8237>(memory);
    const nlohmann::json* const parts[] = {&in.part("first"), &in.part("second")};
    in.numbers<u8>("pages", restored->pages_);
    if (auto read = in.finish(); !read) return std::unexpected(read.error());
    for (unsigned i = 0; i < 2; i++) {
        StateReader chip(*parts[i], "an 8237");
        restored->chips_[i].restore(chip);
        if (auto read = chip.finish(); !read) return std::unexpected(read.error());
    }
    return restored;
}

}  // namespace softmetal::devices
