#include "machine/cmos_memory.hpp"

#include "machine/board_layout.hpp"
#include "machine/boot/memory_map.hpp"

#include <algorithm>

namespace softmetal::machine {
namespace {

constexpr u8 base_kib = 0x15, extended_kib = 0x17, extended_kib_again = 0x30, above_16_mib = 0x34,
             above_4_gib = 0x5b;

void put(std::span<u8> cmos, u8 index, u64 value, unsigned bytes) {
    value = std::min(value, (u64{1} << (8 * bytes)) - 1);
    for (unsigned i = 0; i < bytes; i++) cmos[index + i] = static_cast<u8>(value >> (8 * i));
}

u64 beyond(u64 size, u64 start) { return size > start ? size - start : 0; }

}  // namespace

void describe_memory_in_cmos(std::span<u8> cmos, u64 ram_bytes) {
    const u64 low = low_ram_end(ram_bytes);
    put(cmos, base_kib, layout::conventional_end >> 10, 2);
    put(cmos, extended_kib, beyond(low, layout::extended_start) >> 10, 2);
    put(cmos, extended_kib_again, beyond(low, layout::extended_start) >> 10, 2);
    put(cmos, above_16_mib, beyond(low, 16u << 20) >> 16, 2);
    put(cmos, above_4_gib, beyond(ram_bytes, low_memory_end) >> 16, 3);
}

}  // namespace softmetal::machine
