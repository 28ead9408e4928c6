// A translation and what must be known about it: where it came from, how it is linked, and what each place in
// it that can leave means to the guest.
#pragma once

#include "base/integers.hpp"
#include "cpu/translated_code.hpp"
#include "translator/fast_calls.hpp"

#include <array>
#include <vector>

namespace softmetal::translator {

/// What translated code depends on besides its bytes: blocks are never shared between modes.
struct Mode {
    Privilege privilege = Privilege::supervisor;
    bool legacy = false;    // outside of 64-bit mode: instruction pointers and linear addresses of 32 bits
    bool x87 = false;       // CR0.EM and TS clear
    bool sse = false;       // and CR4.OSFXSR set
    bool avx = false;       // and OSXSAVE, XCR0.AVX set
    bool smap = false;      // CR4.SMAP: STAC and CLAC switch between supervisor and supervisor_any
    bool fsgsbase = false;  // CR4.FSGSBASE
    // How legacy code sees memory; all clear where it is 32-bit code and CS, SS, DS and ES are flat.
    bool code16 = false;     // operands and addresses have 16 bits unless a prefix says otherwise
    bool segmented = false;  // bases and limits count, not those of FS and GS alone
    bool stack16 = false;    // the stack pointer is SP
    u16 code_segment = 0;    // base and limit of CS, by their number in CodeSegments
    bool operator==(const Mode&) const = default;
    [[nodiscard]] unsigned packed() const {
        return static_cast<unsigned>(privilege) | legacy << 2 | x87 << 3 | sse << 4 | avx << 5 | smap << 6 |
               fsgsbase << 7 | code16 << 8 | segmented << 9 | stack16 << 10 |
               static_cast<unsigned>(code_segment) << 11;
    }
    [[nodiscard]] static constexpr unsigned privilege_of(unsigned packed) { return packed & 3; }
    [[nodiscard]] static constexpr bool is_legacy(unsigned packed) { return packed & 4; }
    /// Modes of one family share the jump caches: there each privilege has its own, and legacy code its own
    /// keys.
    [[nodiscard]] static constexpr unsigned family_of(unsigned packed) { return packed >> 3 & 0x1f; }
    /// What legacy code's keys say beside RIP: the segmentation it was translated for.
    [[nodiscard]] static constexpr u64 jump_key_bits(unsigned packed) {
        if (!is_legacy(packed)) return 0;
        return u64{1} << JumpCache::legacy_bit | u64{packed >> 8} << JumpCache::segmentation_shift;
    }
    /// As the decoder takes it: 2, 4 or 8 bytes.
    [[nodiscard]] unsigned code_size() const { return !legacy ? 8 : code16 ? 2 : 4; }
    /// Bytes of an instruction pointer or a linear address as a constant in the code.
    [[nodiscard]] unsigned address_bytes() const { return legacy ? 4 : 8; }
};

/// A block is found by its instruction pointer (code contains it), its page of RAM, and its mode; so address
/// spaces that share a page at one address share its translations.
struct BlockKey {
    u64 rip = 0;
    const u8* page = nullptr;  // host address of the RAM page RIP lies in
    unsigned mode = 0;
    bool operator==(const BlockKey&) const = default;
};
struct BlockKeyHash {
    std::size_t operator()(const BlockKey& k) const {
        return (k.rip * 0x9e3779b97f4a7c15) ^ (reinterpret_cast<u64>(k.page) >> 7) ^ k.mode;
    }
};

/// Where the guest's status flags are at some point of the code. `dead`: nowhere, and nobody will ask.
enum class FlagsAt : u8 { host, saved };

struct Block;

/// A place that may call the monitor: its number is what the code hands over.
struct Site {
    Block* block = nullptr;
    u16 instruction_offset = 0;  // guest RIP = block RIP + this
    u16 mnemonic = 0;            // ZydisMnemonic, for the profile of fallbacks
    u8 instruction_length = 0;
    u8 size = 0;  // bytes accessed, for TLB misses
    FastCallSite fast_call;
    Access access = Access::read;
    FlagsAt flags = FlagsAt::host;  // for host faults; slow paths and exits have them saved
    u32 resume = 0;                 // code offset: retry of the look-up, or the next instruction
    u32 found = 0;                  // of a look-up: code offset behind it, where R10 is the host address
};

/// A direct jump that can be patched to its target's translation.
struct Link {
    Block* from = nullptr;
    Block* to = nullptr;
    u64 target_rip = 0;
    unsigned target_mode = 0;
    bool flags_saved = false;       // which entry of the target it takes
    u32 jump = 0;                   // code offset of the jump's rel32
    u32 unlinked = 0;               // code offset it points at while not linked
    Link* next_incoming = nullptr;  // the target's list of who jumps to it
    bool crosses_pages = false;     // then it holds only as long as the target's page is mapped where it is
    bool in_crossing_list = false;
    Link* next_crossing = nullptr;
};

/// A place in a block's code that must be changed where the block is copied for another address; all else in
/// the code holds anywhere.
struct Relocation {
    enum class Kind : u8 {
        guest_address,    // moves with the guest's code; 8 bytes in 64-bit code, else 4
        jump_cache_slot,  // the place of the guest address at `address_at` in the jump cache
        site_number,
        link_number,
        stub,  // rel32 to code outside the block
    };
    u16 at;  // bytes from the block's first
    u16 address_at = 0;
    Kind kind;
};

struct Block {
    BlockKey key;
    Mode mode;
    u32 entry = 0;              // code offset; status flags in the host's register
    u32 entry_flags_saved = 0;  // code offset; status flags in the vCPU block
    u32 code_end = 0;
    u16 guest_bytes = 0;
    u16 page_offset = 0;  // of its first byte
    u16 instruction_count = 0;
    u16 live_flags_in = 0;
    bool valid = true;
    bool movable = false;  // a copy with its relocations done is the translation for another address
    u32 first_site = 0, site_count = 0;
    u32 first_link = 0, link_count = 0;
    u32 first_relocation = 0, relocation_count = 0;
    u64 lines = 0;                    // 64-byte lines of its page that its meaning depends on
    const u8* second_page = nullptr;  // where its one instruction goes on, if that straddles pages
    u64 second_lines = 0;
    [[nodiscard]] u64 lines_on(const u8* page) const {
        return (page == key.page ? lines : 0) | (page == second_page ? second_lines : 0);
    }
    Link* incoming = nullptr;
    Block* next_in_bucket = nullptr;
    struct FaultPoint {
        u32 code;  // offset of a host instruction that may fault by itself
        u32 site;
    };
    std::vector<FaultPoint> fault_points;
    /// For lockstep only: each instruction's offset and the flags live before it; last, the end of the block.
    struct Point {
        u16 offset;
        u16 live_flags;
    };
    std::vector<Point> points;
};

}  // namespace softmetal::translator
