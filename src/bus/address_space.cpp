#include "bus/address_space.hpp"

#include "base/bits.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <mutex>
#include <shared_mutex>
#include <vector>

namespace softmetal::bus {

struct AddressSpace::Map {
    struct Entry {
        AddressRange range;
        IoHandler* handler;
    };
    std::vector<Entry> entries;  // sorted by range.first, no overlaps
    std::shared_mutex mutex;     // never held while a handler runs

    Entry find(u64 address) {
        std::shared_lock lock(mutex);
        auto after =
            std::ranges::upper_bound(entries, address, {}, [](const Entry& e) { return e.range.first; });
        if (after == entries.begin()) return {};
        const Entry& candidate = *std::prev(after);
        return candidate.range.contains(address) ? candidate : Entry{};
    }
};

AddressSpace::AddressSpace() : map_(std::make_unique<Map>()) {}
AddressSpace::~AddressSpace() = default;

Result<> AddressSpace::attach(AddressRange range, IoHandler& handler) {
    if (range.size == 0 || range.first + range.size - 1 < range.first)
        return fail(fmt::format("I/O range {:#x}+{:#x} is empty or wraps", range.first, range.size));
    std::unique_lock lock(map_->mutex);
    for (const Map::Entry& e : map_->entries)
        if (e.range.first <= range.first + range.size - 1 && range.first <= e.range.first + e.range.size - 1)
            return fail(fmt::format("I/O range {:#x}+{:#x} overlaps {:#x}+{:#x}", range.first, range.size,
                                    e.range.first, e.range.size));
    auto place = std::ranges::upper_bound(map_->entries, range.first, {},
                                          [](const Map::Entry& e) { return e.range.first; });
    map_->entries.insert(place, {range, &handler});
    return {};
}

void AddressSpace::detach(IoHandler& handler, u64 first) {
    std::unique_lock lock(map_->mutex);
    std::erase_if(map_->entries,
                  [&](const Map::Entry& e) { return e.handler == &handler && e.range.first == first; });
}

u64 AddressSpace::read(u64 address, unsigned width) {
    const Map::Entry entry = map_->find(address);
    const u64 all_ones = low_bits(width * 8);
    return entry.handler ? entry.handler->read_io(address - entry.range.first, width) & all_ones : all_ones;
}

void AddressSpace::write(u64 address, unsigned width, u64 value) {
    const Map::Entry entry = map_->find(address);
    if (entry.handler)
        entry.handler->write_io(address - entry.range.first, width, value & low_bits(width * 8));
}

}  // namespace softmetal::bus
