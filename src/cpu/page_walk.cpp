#include "cpu/page_walk.hpp"

#include "cpu/mmu.hpp"
#include "x86/exceptions.hpp"
#include "x86/page_tables.hpp"

#include <atomic>

namespace softmetal {

namespace {

namespace pte = x86::pte;
namespace error = x86::page_fault_error;

constexpr u64 physical_mask = low_bits(guest_physical_address_bits) & page_mask;

// Host memory of a guest entry: always there, aligned by construction.
u64& entry64(u8* host) { return *reinterpret_cast<u64*>(host); }
u32& entry32(u8* host) { return *reinterpret_cast<u32*>(host); }

PageWalk not_found(u32 code) { return {.error = code}; }

/// Rights that every level must grant, gathered on the way down.
class Rights {
 public:
    void narrow(u64 entry) {
        grants_ &= entry;
        denies_ |= entry;
    }
    [[nodiscard]] u64 mapping_bits(u64 leaf, bool global_pages) const {
        u64 r = 0;
        if (grants_ & pte::user) r |= PageMapping::user;
        if (grants_ & pte::writable) r |= PageMapping::writable;
        if (!(denies_ & pte::no_execute)) r |= PageMapping::executable;
        if (leaf & pte::dirty) r |= PageMapping::dirty;
        if (global_pages && leaf & pte::global) r |= PageMapping::global;
        return r;
    }

 private:
    u64 grants_ = ~u64{0};
    u64 denies_ = 0;
};

/// A paging structure in no RAM reads as an undecoded bus cycle does.
constexpr u64 no_memory = ~u64{0};

/// Levels of 8-byte entries from `level` (4 = PML4) down; 4-level and PAE paging differ in where they start
/// and in the bits 62..52 of an entry, ignored by the one and reserved in the other.
PageWalk walk_wide(const CpuState& state, const GuestMemory& memory, GuestLinear a, u64 table, unsigned level,
                   u64 reserved, u64 address_mask, UsedEntries& used) {
    if (!(state.efer & x86::efer::nxe)) reserved |= pte::no_execute;
    Rights rights;
    for (;; level--) {
        const unsigned shift = page_shift + 9 * (level - 1);
        const GuestPhysical where{(table | bits(a.value, shift + 8, shift) << 3) & address_mask};
        u8* const host = memory.pointer(where);
        const u64 entry = host ? std::atomic_ref(entry64(host)).load(std::memory_order_relaxed) : no_memory;
        if (!(entry & pte::present)) return not_found(0);
        if (entry & reserved) return not_found(error::present | error::reserved);
        const bool large = entry & pte::large && level > 1;
        if (large && level == 4) return not_found(error::present | error::reserved);
        used.add(where, host, entry, true);
        rights.narrow(entry);
        if (level > 1 && !large) {
            table = entry & physical_mask;
            continue;
        }
        const u64 offset_mask = low_bits(shift);
        // Bit 12 of a large page's entry is its PAT bit; from there to the page's size all are reserved.
        if (large && entry & offset_mask & ~low_bits(13)) return not_found(error::present | error::reserved);
        const u64 physical = (entry & physical_mask & ~offset_mask) | (a.value & offset_mask & page_mask);
        return {
            .found = true,
            .mapping = {(physical & address_mask) | rights.mapping_bits(entry, state.cr4 & x86::cr4::pge)},
            .size_shift = shift};
    }
}

constexpr u64 above_physical = low_bits(52) & ~low_bits(guest_physical_address_bits);

PageWalk walk_pae(const CpuState& state, const GuestMemory& memory, GuestLinear a, u64 address_mask,
                  UsedEntries& used) {
    const u64 pdpte = state.pdpte[bits(a.value, 31, 30)];
    if (!(pdpte & pte::present)) return not_found(0);
    return walk_wide(state, memory, a, pdpte & physical_mask, 2,
                     above_physical | bits(no_memory, 62, 52) << 52, address_mask, used);
}

PageWalk walk_32bit(const CpuState& state, const GuestMemory& memory, GuestLinear a, u64 address_mask,
                    UsedEntries& used) {
    Rights rights;
    u64 table = state.cr3 & 0xfffff000;
    for (const unsigned shift : {22u, 12u}) {
        const GuestPhysical where{(table | bits(a.value, shift + 9, shift) << 2) & address_mask};
        u8* const host = memory.pointer(where);
        const u32 entry = host ? std::atomic_ref(entry32(host)).load(std::memory_order_relaxed) : ~0u;
        if (!(entry & pte::present)) return not_found(0);
        const bool large = shift == 22 && entry & pte::large && state.cr4 & x86::cr4::pse;
        // PSE-36: bits 20..13 are the physical address's bits 39..32 (SDM vol. 3, table 4-4).
        if (large && entry & bit(21)) return not_found(error::present | error::reserved);
        used.add(where, host, entry, false);
        rights.narrow(entry);
        if (shift == 22 && !large) {
            table = entry & 0xfffff000;
            continue;
        }
        const u64 physical = large ? (entry & 0xffc00000) | bits(entry, 20, 13) << 32 | (a.value & 0x3ff000)
                                   : entry & 0xfffff000;
        return {
            .found = true,
            .mapping = {(physical & address_mask) | rights.mapping_bits(entry, state.cr4 & x86::cr4::pge)},
            .size_shift = shift};
    }
    return not_found(0);
}

template <class T>
bool exchange(T& entry, u64 old_value, u64 new_value) {
    T expected = static_cast<T>(old_value);
    return std::atomic_ref(entry).compare_exchange_strong(expected, static_cast<T>(new_value));
}

}  // namespace

UsedEntries::Marked UsedEntries::set_accessed(GuestMemory& memory, unsigned vcpu, bool dirty, bool announce) {
    for (unsigned i = 0; i < count_; i++) {
        const Entry& e = entries_[i];
        const bool leaf = i + 1 == count_;
        const u64 wanted = e.value | pte::accessed | (dirty && leaf ? pte::dirty : 0);
        if (wanted == e.value) continue;
        const u8* const writable = memory.writable_pointer(e.where);
        if (!writable || writable != e.host) continue;  // firmware keeps its bits
        if (!memory.admit_writer(e.where, vcpu)) {
            if (!announce) return Marked::in_code_page;
            memory.about_to_write(e.where, e.wide ? 8 : 4);
        }
        if (!(e.wide ? exchange(entry64(e.host), e.value, wanted)
                     : exchange(entry32(e.host), e.value, wanted)))
            return Marked::entry_changed;
    }
    return Marked::yes;
}

PageWalk walk_page_tables(const CpuState& state, const GuestMemory& memory, GuestLinear a, u64 address_mask,
                          UsedEntries& used) {
    if (state.long_mode_active())
        return walk_wide(state, memory, a, state.cr3 & physical_mask, 4, above_physical, address_mask, used);
    if (state.cr4 & x86::cr4::pae) return walk_pae(state, memory, a, address_mask, used);
    return walk_32bit(state, memory, a, address_mask, used);
}

}  // namespace softmetal
