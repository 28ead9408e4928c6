// What the memory-type range registers say about an address, by the manual's rules.
#include "machine/memory_types.hpp"

#include "machine/board_layout.hpp"

#include <gtest/gtest.h>

namespace softmetal::machine {
namespace {

constexpr unsigned uncached = 0, write_back = 6;

/// SDM vol. 3, ch. 11.11.2 and 11.11.4.1.
unsigned type_of(const CpuState& state, u64 address) {
    if (address < 0x10'0000) {
        unsigned reg, part;
        if (address < 0x8'0000) {
            reg = 0, part = static_cast<unsigned>(address / 0x1'0000);
        } else if (address < 0xc'0000) {
            const auto range = static_cast<unsigned>((address - 0x8'0000) / 0x4000);
            reg = 1 + range / 8, part = range % 8;
        } else {
            const auto range = static_cast<unsigned>((address - 0xc'0000) / 0x1000);
            reg = 3 + range / 8, part = range % 8;
        }
        return static_cast<unsigned>(state.mtrr_fixed[reg] >> (8 * part)) & 0xff;
    }
    for (unsigned i = 0; i < state.mtrr_variable.size(); i += 2) {
        const u64 base = state.mtrr_variable[i], mask = state.mtrr_variable[i + 1];
        if (mask & bit(11) && (address & mask & page_mask) == (base & mask & page_mask)) return base & 0xff;
    }
    return state.mtrr_def_type & 0xff;
}

TEST(MemoryTypes, RamIsCachedAndDevicesAreNot) {
    CpuState state;
    set_memory_types(state, 46);
    EXPECT_EQ(state.mtrr_def_type & (bit(10) | bit(11)), bit(10) | bit(11));
    for (u64 ram : {u64{0}, u64{0x9'f000}, u64{0xc'0000}, u64{0xf'f000}, u64{0x10'0000}, low_memory_end - 1,
                    high_memory_start, u64{1} << 45})
        EXPECT_EQ(type_of(state, ram), write_back) << std::hex << ram;
    for (u64 device : {video_window_start, video_window_end - 1, layout::pci_window_start,
                       layout::io_apic_base, layout::local_apic_base, high_memory_start - 1})
        EXPECT_EQ(type_of(state, device), uncached) << std::hex << device;
}

}  // namespace
}  // namespace softmetal::machine
