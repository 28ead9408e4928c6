#include "machine/boot/memory_map.hpp"

#include "machine/board_layout.hpp"

#include <algorithm>

namespace softmetal::machine {

u64 low_ram_end(u64 ram_bytes) { return std::min(ram_bytes, low_memory_end); }

std::vector<MemoryRange> memory_map(u64 ram_bytes) {
    using namespace layout;
    const auto range = [](u64 first, u64 end, MemoryType type) {
        return MemoryRange{first, end - first, type};
    };
    std::vector<MemoryRange> map = {
        range(0, ebda_start, MemoryType::ram),
        range(ebda_start, conventional_end, MemoryType::reserved),
        range(firmware_start, firmware_end, MemoryType::reserved),
        range(extended_start, low_ram_end(ram_bytes), MemoryType::ram),
        range(io_apic_base, io_apic_base + io_apic_size, MemoryType::reserved),
        range(hpet_base, hpet_base + page_size, MemoryType::reserved),
        range(local_apic_base, local_apic_base + page_size, MemoryType::reserved),
    };
    if (ram_bytes > low_memory_end)
        map.push_back({high_memory_start, ram_bytes - low_memory_end, MemoryType::ram});
    return map;
}

namespace {

u64 ram_kib_from(const std::vector<MemoryRange>& map, u64 first) {
    const auto range = std::ranges::find(map, first, &MemoryRange::first);
    return range != map.end() && range->type == MemoryType::ram ? range->size >> 10 : 0;
}

}  // namespace

u64 lower_memory_kib(const std::vector<MemoryRange>& map) { return ram_kib_from(map, 0); }
u64 upper_memory_kib(const std::vector<MemoryRange>& map) {
    return ram_kib_from(map, layout::extended_start);
}

}  // namespace softmetal::machine
