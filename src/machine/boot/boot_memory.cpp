#include "machine/boot/boot_memory.hpp"

#include "base/bits.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>

namespace softmetal::machine {
namespace {

constexpr u64 four_gib = u64{1} << 32;

}  // namespace

BootMemory::BootMemory(GuestMemory& memory) : memory_(memory), map_(memory_map(memory.ram_bytes())) {}

bool BootMemory::is_ram(u64 address, u64 size) const {
    return std::ranges::any_of(map_, [&](const MemoryRange& r) {
        return r.type == MemoryType::ram && address >= r.first && size <= r.size &&
               address - r.first <= r.size - size;
    });
}

std::map<u64, u64>::const_iterator BootMemory::overlap(u64 address, u64 size) const {
    // Claims do not overlap each other, so only the last one that begins before the range's end can reach in.
    const auto after = claims_.lower_bound(address + size);
    if (after == claims_.begin()) return claims_.end();
    const auto last = std::prev(after);
    return last->second > address ? last : claims_.end();
}

Result<> BootMemory::load(u64 address, std::span<const std::byte> bytes, u64 size, std::string_view what) {
    if (size < bytes.size())
        return fail(fmt::format("{} has {:#x} bytes, but says it has {:#x}", what, bytes.size(), size));
    if (size == 0) return {};
    if (!is_ram(address, size))
        return fail(fmt::format("{} needs {:#x} bytes of memory at {:#x}, where this machine has none", what,
                                size, address));
    if (overlap(address, size) != claims_.end())
        return fail(fmt::format("{} overlaps another part of it at {:#x}", what, address));
    claims_.emplace(address, address + size);
    kernel_end_ = std::max(kernel_end_, address + size);
    return fill({address}, bytes);
}

Result<GuestPhysical> BootMemory::find(u64 size, u64 alignment, u64 lowest, std::string_view what) {
    lowest = std::max(lowest, page_size);
    for (const MemoryRange& range : map_) {
        const u64 end = std::min(range.first + range.size, four_gib);
        if (range.type != MemoryType::ram || end <= lowest) continue;
        u64 address = align_up(std::max(range.first, lowest), alignment);
        while (address < end && size <= end - address) {
            const auto claim = overlap(address, size);
            if (claim == claims_.end()) {
                claims_.emplace(address, address + size);
                return GuestPhysical{address};
            }
            address = align_up(claim->second, alignment);
        }
    }
    return fail(fmt::format("{} of {} KiB does not fit into guest memory beside the kernel", what,
                            (size + 1023) >> 10));
}

Result<> BootMemory::fill(GuestPhysical address, std::span<const std::byte> bytes) {
    if (memory_.write(address, bytes)) return {};
    return fail(fmt::format("there is no guest memory at {:#x}", address.value));
}

Result<GuestPhysical> BootMemory::place(std::span<const std::byte> bytes, u64 alignment, u64 lowest,
                                        std::string_view what) {
    auto address = find(bytes.size(), alignment, lowest, what);
    if (!address) return address;
    if (auto r = fill(*address, bytes); !r) return std::unexpected(r.error());
    return address;
}

}  // namespace softmetal::machine
