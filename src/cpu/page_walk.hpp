// Walks of the guest's paging structures (SDM vol. 3, ch. 4.3 to 4.8).
#pragma once

#include "cpu/second_level_tlb.hpp"
#include "cpu/state.hpp"
#include "memory/guest_memory.hpp"

namespace softmetal {

/// What a walk found: a page, or why there is none.
struct PageWalk {
    bool found = false;
    u32 error = 0;  // page_fault_error::present and ::reserved, where nothing was found
    PageMapping mapping{};
    unsigned size_shift = page_shift;  // log2 of the page's size
};

/// The entries a walk used, so that their accessed and dirty bits can be set once the access is known to be
/// allowed.
class UsedEntries {
 public:
    void add(GuestPhysical where, u8* host, u64 value, bool wide) {
        if (host) entries_[count_++] = {where, host, value, wide};
    }
    enum class Marked : u8 { yes, entry_changed, in_code_page };
    /// Sets A in all, D in the last (the leaf) for a write. entry_changed: since it was read; walk again.
    /// in_code_page: nothing was done, since a page that holds code would be written to; only where
    /// `announce` is false.
    [[nodiscard]] Marked set_accessed(GuestMemory& memory, unsigned vcpu, bool dirty, bool announce);

 private:
    struct Entry {
        GuestPhysical where;
        u8* host;
        u64 value;
        bool wide;  // 8 bytes, else 4
    };
    std::array<Entry, 4> entries_;
    unsigned count_ = 0;
};

/// Walks for `a`, which is canonical. Paging is on. `address_mask` is what the A20 gate leaves of a physical
/// address, of a paging structure's as of the page's.
[[nodiscard]] PageWalk walk_page_tables(const CpuState& state, const GuestMemory& memory, GuestLinear a,
                                        u64 address_mask, UsedEntries& used);

}  // namespace softmetal
