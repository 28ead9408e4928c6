// The software TLB that both engines read: linear page -> host page, one table per kind of access and
// privilege.
//
// A table is direct-mapped. An access of `size` bytes at `linear` hits where (linear ^ tag) <= 4096 - size:
// the XOR leaves the page offset exactly when the pages agree, so one comparison also refuses what straddles
// two pages. The access is then at host + (linear ^ tag).
#pragma once

#include "base/address.hpp"

#include <array>

namespace softmetal {

enum class Access : u8 { read, write, execute };

/// Whose rights an access has, and which set of tables it looks in.
enum class Privilege : u8 {
    user,            // CPL 3
    supervisor,      // CPL 0-2 with SMAP in force: user pages are out of reach
    supervisor_any,  // CPL 0-2 without SMAP, or with EFLAGS.AC set: user pages too
};
inline constexpr unsigned privilege_count = 3;

struct TlbEntry {
    u64 tag;   // linear address of the page; an impossible address where empty
    u64 host;  // host address of the page's first byte
};

inline constexpr unsigned tlb_entries = 512;  // a power of two

struct TlbTable {
    std::array<TlbEntry, tlb_entries> entries;

    [[nodiscard]] static constexpr unsigned index(GuestLinear a) {
        return (a.value >> page_shift) & (tlb_entries - 1);
    }
    /// Never equal to a page that maps to entry `i`: not canonical, and with an index other than i.
    [[nodiscard]] static constexpr u64 empty_tag(unsigned i) {
        return u64{1} << 63 | u64{i ^ 1u} << page_shift;
    }

    /// Host address of an access that hits; null otherwise.
    [[nodiscard]] u8* find(GuestLinear a, unsigned size) const {
        const TlbEntry& e = entries[index(a)];
        const u64 offset = a.value ^ e.tag;
        return offset <= page_size - size ? reinterpret_cast<u8*>(e.host + offset) : nullptr;
    }
    void insert(GuestLinear a, u8* host_page) {
        entries[index(a)] = {a.page(), reinterpret_cast<u64>(host_page)};
    }
    void clear() {
        for (unsigned i = 0; i < tlb_entries; i++) entries[i] = {empty_tag(i), 0};
    }
    void clear_page(GuestLinear a) {
        const unsigned i = index(a);
        if (entries[i].tag == a.page()) entries[i] = {empty_tag(i), 0};
    }
};

struct Tlb {
    std::array<TlbTable, privilege_count> read;
    std::array<TlbTable, privilege_count>
        write;  // an entry exists only where the page's D bit is set and it is no code page
    std::array<TlbTable, privilege_count>
        execute;  // supervisor_any is not used: fetches know user and supervisor only
};

}  // namespace softmetal
