// The part of a vCPU's block that belongs to translated code: scratch space and the jump cache, addressed
// through the segment base like everything else there. Plain data; src/translator gives it meaning.
#pragma once

#include "base/address.hpp"
#include "cpu/tlb.hpp"
#include "x86/registers.hpp"

#include <array>

namespace softmetal {

/// Guest RIP -> translation, direct-mapped; one cache per privilege, because a translation is good for one
/// only. User code's RIPs are XORed with TranslatedCodeArea::jump_tag. Outside of 64-bit mode they have
/// `legacy_bit` set, which no canonical address below 2^63 has, and say what segmentation the code expects.
struct JumpCache {
    static constexpr unsigned entry_count = 65536;  // a power of two
    struct Entry {
        u64 rip = 0;
        u64 code = 0;
    };
    static constexpr unsigned legacy_bit = 47, segmentation_shift = 32;

    std::array<Entry, entry_count> entries{};

    /// Function entries are multiples of 16: without higher bits they would share few places.
    static constexpr unsigned hash_shift = 9;
    [[nodiscard]] static constexpr unsigned index(u64 rip) {
        return static_cast<unsigned>(rip ^ rip >> hash_shift) & (entry_count - 1);
    }
    /// What no RIP that is looked for at this place can be, whatever its upper bits are: its place is
    /// another.
    [[nodiscard]] static constexpr Entry empty(unsigned index) { return {.rip = index == 0}; }
    void forget(unsigned index) { entries[index] = empty(index); }
    void clear() {
        entries.fill({});
        forget(0);
    }
    JumpCache() { forget(0); }
};

struct TranslatedCodeArea {
    u64 saved_flags =
        0;              // guest status flags while the host's serve other purposes (LAHF layout, OF in bit 0)
    u64 host_rsp = 0;   // the monitor's stack while translated code runs
    u64 exit_code = 0;  // why it came back
    u64 exit_value = 0;
    u64 scratch = 0;       // of one instruction, across its own TLB misses
    u64 fault_linear = 0;  // the address a slow path was asked about
    u64 jump_tag = 0;      // of the current address space, in bits 62..48
    /// Outside of 64-bit mode: the offsets below which each segment may be read and written.
    struct Reach {
        u64 read_end = 0, write_end = 0;
    };
    std::array<Reach, x86::segment_count> reach{};
    std::array<JumpCache, privilege_count> jump_cache{};
};

}  // namespace softmetal
