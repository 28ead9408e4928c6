// Compiled without vector registers (CMakeLists.txt): translated code calls fill() with the guest's in place.
#include "cpu/mmu.hpp"

#include "cpu/page_walk.hpp"
#include "x86/page_tables.hpp"

#include <cstring>

namespace softmetal {

namespace {

namespace cr0 = x86::cr0;
namespace cr4 = x86::cr4;

constexpr unsigned table_number(Access access, Privilege p) {
    return static_cast<unsigned>(access) * privilege_count + static_cast<unsigned>(p);
}

}  // namespace

Mmu::Mmu(unsigned vcpu, CpuState& state, Tlb& tlb, GuestMemory& memory, Counters& counters)
    : vcpu_(vcpu), state_(state), tlb_(tlb), memory_(memory), counters_(counters) {
    for (unsigned n = 0; n < table_count; n++) table(n).clear();
}

TlbTable& Mmu::table(unsigned number) {
    auto& kind = number < privilege_count       ? tlb_.read
                 : number < 2 * privilege_count ? tlb_.write
                                                : tlb_.execute;
    return kind[number % privilege_count];
}

// --- translation

bool Mmu::allowed(PageMapping m, Access access, Privilege p) const {
    const bool user_page = m.has(PageMapping::user);
    if (access == Access::execute) {
        if (!m.has(PageMapping::executable)) return false;
        return p == Privilege::user ? user_page : !(user_page && state_.cr4 & cr4::smep);
    }
    if (p == Privilege::user) return user_page && (access == Access::read || m.has(PageMapping::writable));
    if (p == Privilege::supervisor && user_page && state_.cr4 & cr4::smap) return false;
    return access == Access::read || m.has(PageMapping::writable) || !(state_.cr0 & cr0::wp);
}

std::expected<PageMapping, GuestException> Mmu::lookup(GuestLinear a, Access access, Privilege p,
                                                       CodeWrites code_writes) {
    namespace error = x86::page_fault_error;
    if (!state_.paging())
        return PageMapping{(a.value & 0xfffff000 & address_mask_) | PageMapping::user |
                           PageMapping::writable | PageMapping::executable | PageMapping::dirty};
    if (state_.long_mode_active()) {
        if (!is_canonical(a.value))
            return std::unexpected(GuestException{.vector = x86::Vector::general_protection});
    } else {
        a.value &= 0xffffffff;
    }
    if (const PageMapping* known = second_level_.find(a))
        if (allowed(*known, access, p) && (access != Access::write || known->has(PageMapping::dirty)))
            return *known;

    counters_.tlb_misses++;
    for (;;) {
        UsedEntries used;
        PageWalk walk = walk_page_tables(state_, memory_, a, address_mask_, used);
        if (!walk.found || !allowed(walk.mapping, access, p)) {
            u32 code = walk.found ? error::present : walk.error;
            if (access == Access::write) code |= error::write;
            if (p == Privilege::user) code |= error::user;
            // The fetch bit exists where a fetch can fault as such (SDM vol. 3, ch. 4.7).
            const bool no_execute = state_.cr4 & cr4::pae && state_.efer & x86::efer::nxe;
            if (access == Access::execute && (no_execute || state_.cr4 & cr4::smep)) code |= error::fetch;
            return std::unexpected(
                GuestException{.vector = x86::Vector::page_fault, .error_code = code, .cr2 = a.value});
        }
        using Marked = UsedEntries::Marked;
        const Marked marked =
            used.set_accessed(memory_, vcpu_, access == Access::write, code_writes == CodeWrites::announced);
        if (marked == Marked::entry_changed) continue;
        if (marked == Marked::in_code_page) return std::unexpected(GuestException{});
        if (access == Access::write) walk.mapping.value |= PageMapping::dirty;
        if (walk.size_shift > large_region_shift)
            giant_pages_.add(a);
        else if (walk.size_shift > page_shift)
            large_pages_.add(a);
        second_level_.insert(a, walk.mapping);
        return walk.mapping;
    }
}

std::expected<Mmu::Translation, GuestException> Mmu::translate(GuestLinear a, Access access, Privilege p,
                                                               CodeWrites code_writes) {
    const auto mapping = lookup(a, access, p, code_writes);
    if (!mapping) return std::unexpected(mapping.error());
    return Translation{{mapping->physical_page() | a.offset()}, mapping->has(PageMapping::global)};
}

std::optional<GuestPhysical> Mmu::peek(GuestLinear a) const {
    if (!state_.paging()) return GuestPhysical{a.value & 0xffffffff & address_mask_};
    if (!state_.long_mode_active())
        a.value &= 0xffffffff;
    else if (!is_canonical(a.value))
        return std::nullopt;
    UsedEntries used;
    const PageWalk walk = walk_page_tables(state_, memory_, a, address_mask_, used);
    if (!walk.found) return std::nullopt;
    return GuestPhysical{walk.mapping.physical_page() | a.offset()};
}

// flatten: nothing this reaches may be a copy that another file compiled with vector registers.
[[gnu::flatten]] std::expected<Mmu::Fill, GuestException> Mmu::fill(GuestLinear a, Access access, Privilege p,
                                                                    CodeWrites code_writes) {
    const auto mapping = lookup(a, access, p, code_writes);
    if (!mapping) return std::unexpected(mapping.error());
    const GuestPhysical physical{mapping->physical_page() | a.offset()};
    u8* const host = memory_.page(physical);
    if (!host || (debugger_ && debugger_->keeps_out_of_tlb(a, access))) return Fill{physical, nullptr};

    const bool global = mapping->has(PageMapping::global);
    if (access == Access::execute) {
        insert(table_number(access, p), a, host, global);
        return Fill{physical, host + a.offset()};
    }
    // Reads and writes mostly come to the same pages: enter both rights where both exist.
    insert(table_number(Access::read, p), a, host, global);
    const bool writable = mapping->has(PageMapping::dirty) && memory_.writable_page(physical) == host &&
                          (access == Access::write || allowed(*mapping, Access::write, p));
    const bool may_write = writable && memory_.admit_writer(physical, vcpu_);
    if (may_write) {
        if (write_observer_) write_observer_->page_becomes_writable(host);
        insert(table_number(Access::write, p), a, host, global);
    }
    u8* const place = host + a.offset();
    if (access == Access::read || may_write) return Fill{physical, place};
    return Fill{physical, nullptr, writable ? place : nullptr};
}

Privilege Mmu::data_privilege() const {
    if (state_.cpl() == 3) return Privilege::user;
    return state_.cr4 & cr4::smap && !(state_.rflags & x86::flags::ac) ? Privilege::supervisor
                                                                       : Privilege::supervisor_any;
}

Privilege Mmu::system_privilege() const {
    return state_.cr4 & cr4::smap ? Privilege::supervisor : Privilege::supervisor_any;
}

// --- the first level, and what is in it

void Mmu::insert(unsigned number, GuestLinear a, u8* host_page, bool global) {
    const unsigned i = TlbTable::index(a);
    const u64 mask = bit(i % 64);
    Occupancy& o = occupancy_[number];
    (global ? o.global : o.local)[i / 64] |= mask;
    (global ? o.local : o.global)[i / 64] &= ~mask;
    table(number).insert(a, host_page);
}

/// Empties the entries in use of tables first..last-1 for which the predicate holds. Costs what is in use.
template <class Predicate>
void Mmu::clear_entries(std::array<u64, tlb_entries / 64> Occupancy::*kind, unsigned first, unsigned last,
                        Predicate predicate) {
    for (unsigned n = first; n < last; n++) {
        TlbTable& t = table(n);
        auto& in_use = occupancy_[n].*kind;
        for (unsigned word = 0; word < in_use.size(); word++) {
            for (u64 left = in_use[word]; left; left &= left - 1) {
                const unsigned i = word * 64 + static_cast<unsigned>(std::countr_zero(left));
                if (!predicate(t.entries[i])) continue;
                t.entries[i] = {TlbTable::empty_tag(i), 0};
                in_use[word] &= ~bit(i % 64);
            }
        }
    }
}

void Mmu::clear_first_level(bool global_too) {
    const auto all = [](const TlbEntry&) { return true; };
    clear_entries(&Occupancy::local, 0, table_count, all);
    if (global_too) clear_entries(&Occupancy::global, 0, table_count, all);
    counters_.tlb_flushes++;
    if (observer_) observer_->tlb_flushed(global_too, second_level_.address_space());
}

// --- invalidation (SDM vol. 3, ch. 4.10.4)

void Mmu::flush_all() {
    loaded_cr3_ = state_.cr3;
    second_level_.select(current_pcid());
    second_level_.flush_all();
    large_pages_.clear();
    giant_pages_.clear();
    clear_first_level(true);
}

void Mmu::set_address_mask(u64 mask) {
    if (mask == address_mask_) return;
    address_mask_ = mask;
    flush_all();
}

void Mmu::flush_non_global() {
    second_level_.flush_pcid(current_pcid());
    clear_first_level(false);
}

void Mmu::flush_non_global_all_pcids() {
    second_level_.flush_non_global();
    clear_first_level(false);
}

void Mmu::flush_pcid(u16 pcid) {
    if (pcid == current_pcid())
        flush_non_global();
    else
        second_level_.flush_pcid(pcid);
}

void Mmu::rights_changed() { clear_first_level(true); }

void Mmu::invalidate_page(GuestLinear a) {
    if (giant_pages_.contains(a)) return flush_all();
    counters_.tlb_page_invalidations++;
    if (large_pages_.contains(a)) {
        using Regions = decltype(large_pages_);
        const auto in_region = [a](const TlbEntry& e) {
            return Regions::hash(e.tag) == Regions::hash(a.value);
        };
        clear_entries(&Occupancy::local, 0, table_count, in_region);
        clear_entries(&Occupancy::global, 0, table_count, in_region);
        second_level_.drop_group(a, large_region_shift, Regions::hash_mask);
        large_pages_.remove(a);
        // The observer knows pages only; a large one has too many to name.
        if (observer_) observer_->tlb_flushed(true, second_level_.address_space());
        return;
    }
    for (unsigned n = 0; n < table_count; n++) table(n).clear_page(a);
    const PageMapping* known = second_level_.find(a);
    const bool may_hold_code = !known || known->has(PageMapping::executable);
    second_level_.drop_page(a);
    if (observer_) observer_->tlb_page_invalidated(a, may_hold_code);
}

void Mmu::invalidate_page(GuestLinear a, u16 pcid) {
    if (pcid == current_pcid() || giant_pages_.contains(a) || large_pages_.contains(a))
        return invalidate_page(a);
    counters_.tlb_page_invalidations++;
    // The whole of it: the observer knows address spaces, not pages of others.
    second_level_.flush_pcid(pcid);
}

void Mmu::revoke_write(GuestPhysical a) {
    const u64 host = reinterpret_cast<u64>(memory_.page(a));
    const auto same_page = [host](const TlbEntry& e) { return e.host == host; };
    const unsigned first = table_number(Access::write, Privilege::user);
    clear_entries(&Occupancy::local, first, first + privilege_count, same_page);
    clear_entries(&Occupancy::global, first, first + privilege_count, same_page);
}

void Mmu::observe_writes(PageWriteObserver* observer) {
    write_observer_ = observer;
    const auto all = [](const TlbEntry&) { return true; };
    const unsigned first = table_number(Access::write, Privilege::user);
    clear_entries(&Occupancy::local, first, first + privilege_count, all);
    clear_entries(&Occupancy::global, first, first + privilege_count, all);
}

void Mmu::load_pdptes() {
    constexpr u64 reserved =
        bits(~u64{0}, 2, 1) << 1 | bits(~u64{0}, 8, 5) << 5 | ~low_bits(guest_physical_address_bits);
    std::array<u64, 4> loaded{};
    const GuestPhysical where{state_.cr3 & 0xffffffe0 & address_mask_};
    if (const u8* host = memory_.pointer(where))
        std::memcpy(loaded.data(), host, sizeof loaded);
    else
        loaded.fill(~u64{0});
    for (const u64 entry : loaded)
        if (entry & x86::pte::present && entry & reserved) raise_gp();
    state_.pdpte = loaded;
}

void Mmu::cr3_loaded(bool keep_translations) {
    if (state_.paging() && !state_.long_mode_active() && state_.cr4 & cr4::pae) load_pdptes();
    if (keep_translations && state_.cr3 == loaded_cr3_) return;
    loaded_cr3_ = state_.cr3;
    second_level_.select(current_pcid());
    if (!keep_translations) second_level_.flush_pcid(current_pcid());
    clear_first_level(false);
}

}  // namespace softmetal
