// A larger TLB behind the direct-mapped tables: what an address-space switch throws out of those comes back
// from here without walking the guest's page tables.
//
// Entries carry their address space as a context number, which a PCID (or "global") stands for at present:
// flushing an address space is giving it a new number. Four ways, one host cache line a set.
#pragma once

#include "base/address.hpp"
#include "base/bits.hpp"

#include <array>

namespace softmetal {

/// A 4 KiB page as paging maps it: physical page in bits 51..12, rights below. A larger page is entered in
/// such pieces.
struct PageMapping {
    static constexpr u64 user = bit(0), writable = bit(1), executable = bit(2), dirty = bit(3),
                         global = bit(4);
    u64 value = 0;
    [[nodiscard]] constexpr u64 physical_page() const { return value & page_mask; }
    [[nodiscard]] constexpr bool has(u64 right) const { return value & right; }
};

class SecondLevelTlb {
 public:
    SecondLevelTlb() { restart_contexts(); }

    /// A name for the current address space as it is since it was last flushed; never used again for another.
    [[nodiscard]] u64 address_space() const { return u64{era_} << 32 | current_context_; }

    [[nodiscard]] const PageMapping* find(GuestLinear a) const {
        const u64 local = key(a, current_context_), global = key(a, global_context_);
        for (const Entry& e : sets_[set_index(a)])
            if (e.key == local || e.key == global) return &e.mapping;
        return nullptr;
    }
    void insert(GuestLinear a, PageMapping mapping) {
        const u64 new_key = key(a, mapping.has(PageMapping::global) ? global_context_ : current_context_);
        Set& set = sets_[set_index(a)];
        for (Entry& e : set)
            if (e.key == new_key) {
                e.mapping = mapping;
                return;
            }
        // First in, first out: the newest is found first, and an address space's old pages leave on their
        // own.
        for (unsigned way = ways - 1; way > 0; way--) set[way] = set[way - 1];
        set[0] = {new_key, mapping};
    }

    /// MOV to CR3 made `pcid` the current address space.
    void select(u16 pcid) {
        current_pcid_ = pcid;
        if (pcid_context_[pcid] < oldest_context_) pcid_context_[pcid] = new_context();
        current_context_ = pcid_context_[pcid];
    }
    /// The page in the current address space, and where it is global.
    void drop_page(GuestLinear a) {
        drop(a, current_context_);
        drop(a, global_context_);
    }
    void flush_pcid(u16 pcid) {
        pcid_context_[pcid] = 0;
        select(current_pcid_);
    }
    void flush_non_global() {
        oldest_context_ = next_context_;
        select(current_pcid_);
    }
    void flush_all() {
        global_context_ = new_context();
        flush_non_global();
    }
    /// Every page whose number, shifted right, agrees with a's in the bits of `mask`; any address space.
    void drop_group(GuestLinear a, unsigned shift, u64 mask) {
        const u64 wanted = (a.value >> shift) & mask;
        for (Set& set : sets_)
            for (Entry& e : set)
                if (((linear_page(e) >> shift) & mask) == wanted) e = {};
    }

 private:
    static constexpr unsigned ways = 4, set_count = 1024;
    static constexpr unsigned context_bits = 28;

    struct Entry {
        u64 key = 0;  // bits 47..12 of the linear address, then the context; context 0 is never in use
        PageMapping mapping{};
    };
    using Set = std::array<Entry, ways>;

    [[nodiscard]] static constexpr u64 key(GuestLinear a, u64 context) {
        return bits(a.value, 47, page_shift) << context_bits | context;
    }
    [[nodiscard]] static constexpr u64 linear_page(const Entry& e) {
        return sign_extend(e.key >> context_bits << page_shift, 48);
    }
    [[nodiscard]] static constexpr unsigned set_index(GuestLinear a) {
        return (a.value >> page_shift) & (set_count - 1);
    }
    void drop(GuestLinear a, u64 context) {
        for (Entry& e : sets_[set_index(a)])
            if (e.key == key(a, context)) e = {};
    }
    [[nodiscard]] u32 new_context() {
        if (next_context_ >> context_bits) restart_contexts();
        return next_context_++;
    }
    /// The numbers ran out: forget every entry and count from 1 again.
    void restart_contexts() {
        era_++;
        sets_ = {};
        pcid_context_ = {};
        oldest_context_ = 1;
        global_context_ = 1;
        next_context_ = 2;
        pcid_context_[current_pcid_] = current_context_ = next_context_++;
    }

    alignas(64) std::array<Set, set_count> sets_;
    std::array<u32, 4096> pcid_context_;  // valid from oldest_context_ on
    u32 next_context_ = 0, oldest_context_ = 0, global_context_ = 0, current_context_ = 0;
    u32 era_ = 0;  // how often the numbers have started again
    u16 current_pcid_ = 0;
};

}  // namespace softmetal
