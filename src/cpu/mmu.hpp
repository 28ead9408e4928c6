// The guest's paging: walks its tables, keeps the TLB.
#pragma once

#include "base/counters.hpp"
#include "cpu/cpu_model.hpp"
#include "cpu/debugger_port.hpp"
#include "cpu/guest_exception.hpp"
#include "cpu/second_level_tlb.hpp"
#include "cpu/state.hpp"
#include "cpu/tlb.hpp"
#include "memory/guest_memory.hpp"

#include <expected>
#include <optional>

namespace softmetal {

/// Bits 63..47 all equal (SDM vol. 1, ch. 3.3.7.1).
[[nodiscard]] constexpr bool is_canonical(u64 address) { return sign_extend(address, 48) == address; }

/// Told when linear-to-physical translations went away, so that caches keyed by linear address can follow.
class TlbFlushObserver {
 public:
    virtual ~TlbFlushObserver() = default;
    /// `address_space` names what the addresses that are not global mean from now on: the same number again
    /// means the same translations again.
    virtual void tlb_flushed(bool global_too, u64 address_space) = 0;
    /// In the current address space. `may_hold_code` is false where the page is known not to be executable.
    virtual void tlb_page_invalidated(GuestLinear page, bool may_hold_code) = 0;
};

/// Told that a page of RAM gets write access in the TLB, before anything writes to it. Called with guest
/// vector state in the registers: compiled without vector instructions.
class PageWriteObserver {
 public:
    virtual ~PageWriteObserver() = default;
    virtual void page_becomes_writable(u8* host_page) = 0;
};

/// Setting A and D bits may write to a page that holds translated code. `refused`: an error then too, of no
/// meaning for the guest. For callers that may not call observers, since guest vector state is in the
/// registers.
enum class CodeWrites : u8 { announced, refused };

class Mmu {
 public:
    /// Of the vCPU with that index.
    Mmu(unsigned vcpu, CpuState& state, Tlb& tlb, GuestMemory& memory, Counters& counters);

    struct Translation {
        GuestPhysical physical;  // of the very byte asked for
        bool global = false;
    };
    /// Walks the tables (or the identity without paging), checks rights, sets A and D by compare-exchange.
    /// The error is a complete #PF (or #GP for an address that is not canonical). Any size of access within
    /// one page.
    [[nodiscard]] std::expected<Translation, GuestException> translate(
        GuestLinear a, Access access, Privilege p, CodeWrites code_writes = CodeWrites::announced);

    /// Where `a` lies, without checks of rights, without setting A and D, without the TLB. None where it is
    /// not mapped. For debuggers.
    [[nodiscard]] std::optional<GuestPhysical> peek(GuestLinear a) const;

    /// Serves a TLB miss: translates, and enters the page into the TLB where that is allowed. `host` is the
    /// address of the byte in RAM; null where the access must not go straight to RAM: device memory, or a
    /// write to a code page, or a page that a debugger watches.
    struct Fill {
        GuestPhysical physical;
        u8* host = nullptr;
        /// Of a write that must not go straight to RAM because of translated code in the page alone: the
        /// byte.
        u8* code_page = nullptr;
    };
    [[nodiscard]] std::expected<Fill, GuestException> fill(GuestLinear a, Access access, Privilege p,
                                                           CodeWrites code_writes = CodeWrites::announced);

    /// The rights of an ordinary data access now (CPL, SMAP, AC); of an implicit one (descriptor tables,
    /// TSS).
    [[nodiscard]] Privilege data_privilege() const;
    [[nodiscard]] Privilege system_privilege() const;
    /// user or supervisor.
    [[nodiscard]] Privilege fetch_privilege() const {
        return state_.cpl() == 3 ? Privilege::user : Privilege::supervisor;
    }

    /// Everything, global pages too. Also after `state` was replaced as a whole.
    void flush_all();
    /// The current address space, without its global pages.
    void flush_non_global();
    /// Rights are judged anew (CR0.WP, SMEP, SMAP changed), translations stay.
    void rights_changed();
    /// INVLPG: every translation of the page (4 KiB or larger) that contains `a`.
    void invalidate_page(GuestLinear a);
    /// INVPCID types 0, 1 and 3 (SDM vol. 2).
    void invalidate_page(GuestLinear a, u16 pcid);
    void flush_pcid(u16 pcid);
    void flush_non_global_all_pcids();
    /// Physical page `a` became a code page: no TLB may keep it writable. On the vCPU's thread, or while it
    /// is stopped; the page is marked first, so that no later fill makes it writable again.
    void revoke_write(GuestPhysical a);
    /// Pages that this debugger has a breakpoint or watchpoint in are not entered into the TLB.
    void keep_out_for(const DebuggerPort& debugger) { debugger_ = &debugger; }
    /// What is left of every physical address the processor sends out: all, but for bit 20 where the A20 gate
    /// is closed (SDM vol. 3, ch. 8.7.13.4).
    void set_address_mask(u64 mask);
    void observe_flushes(TlbFlushObserver* observer) { observer_ = observer; }
    /// From here on every page that is about to be written is reported once, until the next call.
    void observe_writes(PageWriteObserver* observer);

    /// MOV to CR3 has loaded state.cr3: the right flush, PCID and no-flush bit considered. PAE: PDPTEs
    /// reloaded (may raise #GP).
    void cr3_loaded(bool keep_translations);
    /// Loads the PAE page-directory-pointer registers from where CR3 points. Raises #GP(0) where a reserved
    /// bit is set; they are unchanged then (SDM vol. 3, ch. 4.4.1).
    void load_pdptes();

 private:
    static constexpr unsigned table_count = 3 * privilege_count;
    /// Which entries of one first-level table are in use, by kind.
    struct Occupancy {
        std::array<u64, tlb_entries / 64> local{}, global{};
    };

    [[nodiscard]] std::expected<PageMapping, GuestException> lookup(GuestLinear a, Access access, Privilege p,
                                                                    CodeWrites code_writes);
    [[nodiscard]] bool allowed(PageMapping mapping, Access access, Privilege p) const;
    [[nodiscard]] TlbTable& table(unsigned number);
    void insert(unsigned table_number, GuestLinear a, u8* host_page, bool global);
    template <class Predicate>
    void clear_entries(std::array<u64, tlb_entries / 64> Occupancy::*kind, unsigned first, unsigned last,
                       Predicate predicate);
    void clear_first_level(bool global_too);
    [[nodiscard]] u16 current_pcid() const {
        return state_.cr4 & x86::cr4::pcide ? static_cast<u16>(state_.cr3 & x86::cr3::pcid) : u16{0};
    }

    /// Regions, hashed, of which pieces of a large page may be in a TLB: INVLPG must find all the pieces.
    template <unsigned shift>
    class LargePageRegions {
     public:
        static constexpr u64 hash_mask = 4095;
        [[nodiscard]] static constexpr u64 hash(u64 address) { return address >> shift & hash_mask; }
        void add(GuestLinear a) { seen_[hash(a.value) / 64] |= bit(hash(a.value) % 64); }
        void remove(GuestLinear a) { seen_[hash(a.value) / 64] &= ~bit(hash(a.value) % 64); }
        [[nodiscard]] bool contains(GuestLinear a) const {
            return seen_[hash(a.value) / 64] & bit(hash(a.value) % 64);
        }
        void clear() { seen_ = {}; }

     private:
        std::array<u64, (hash_mask + 1) / 64> seen_{};
    };

    const unsigned vcpu_;
    CpuState& state_;
    Tlb& tlb_;
    GuestMemory& memory_;
    Counters& counters_;
    TlbFlushObserver* observer_ = nullptr;
    PageWriteObserver* write_observer_ = nullptr;
    const DebuggerPort* debugger_ = nullptr;
    u64 loaded_cr3_ = 0;
    u64 address_mask_ = ~u64{0};
    static constexpr unsigned large_region_shift = 22;  // pages of 2 and 4 MiB
    LargePageRegions<large_region_shift> large_pages_;
    LargePageRegions<30> giant_pages_;
    std::array<Occupancy, table_count> occupancy_{};
    SecondLevelTlb second_level_;
};

}  // namespace softmetal
