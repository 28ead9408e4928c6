// What one experiment starts from and what it ends in; the same on the host and in the guest.
//
// Both sides run the one instruction at the same linear address, with INT3 in every other byte of the code
// page, and stop in an exception handler: #BP says that the instruction completed, anything else is what it
// raised.
#pragma once

#include "base/address.hpp"
#include "cpu/state.hpp"

#include <array>

namespace softmetal::differential {

/// The linear addresses both sides use. Everything else from `hole` to `hole_end` is unmapped, on both.
namespace layout {
inline constexpr u64 hole = 0x1000'0000, hole_end = 0x1020'0000;
inline constexpr u64 code = 0x1001'0000;
inline constexpr u64 data = 0x1003'0000;       // two writable pages ...
inline constexpr u64 read_only = 0x1003'2000;  // ... one that is not ...
inline constexpr u64 writable_again = 0x1003'3000;
inline constexpr u64 stack = 0x1005'0000;  // two writable pages
inline constexpr u64 instruction = code + 0x800;
}  // namespace layout

/// Segment registers: as a case starts, the code's for its code size, and whatever test_segments.hpp has.
struct Selectors {
    u16 cs = 0, ds = 0, es = 0, fs = 0, gs = 0, ss = 0;
};

struct Page {
    u64 linear;
    bool writable;
};
inline constexpr std::array<Page, 7> pages = {{{layout::code, true},
                                               {layout::data, true},
                                               {layout::data + page_size, true},
                                               {layout::read_only, false},
                                               {layout::writable_again, true},
                                               {layout::stack, true},
                                               {layout::stack + page_size, true}}};

struct Memory {
    std::array<std::array<u8, page_size>, pages.size()> bytes;

    /// The byte at a linear address; null where nothing is mapped.
    [[nodiscard]] u8* at(u64 linear) {
        for (std::size_t i = 0; i < pages.size(); i++)
            if (linear - pages[i].linear < page_size) return &bytes[i][linear - pages[i].linear];
        return nullptr;
    }
    [[nodiscard]] const u8* at(u64 linear) const { return const_cast<Memory*>(this)->at(linear); }
    /// Stores what lies in mapped pages.
    void store(u64 linear, const void* from, u64 size) {
        for (u64 i = 0; i < size; i++)
            if (u8* p = at(linear + i)) *p = static_cast<const u8*>(from)[i];
    }
};

struct Registers {
    std::array<u64, x86::gpr_count> gpr{};
    u64 rip = 0;
    u64 rflags = x86::flags::always_one | x86::flags::interrupt;
    ExtendedState extended{};
};

struct TestCase {
    std::array<u8, 16> bytes{};
    u8 length = 0;
    u8 code_size = 8;              // 8: 64-bit mode, 4: 32-bit code, 2: 16-bit code
    bool local_segments = false;   // DS, ES, FS and GS, or the bases of the last two, are not the host's own
    bool goes_to_64bit = false;    // 32-bit and 16-bit code with a way into 64-bit mode
    u64 fs_base = 0, gs_base = 0;  // 64-bit mode
    Selectors selectors;
    Registers registers;
    Memory memory;
};

inline constexpr unsigned completed = 3;      // the INT3 behind the instruction was reached
inline constexpr unsigned shut_down = 0x100;  // triple fault; only an engine can
inline constexpr unsigned endless = 0x101;    // it did not stop

struct Outcome {
    unsigned vector = 0;
    u32 error_code = 0;
    u64 cr2 = 0;
    u64 fs_base = 0, gs_base = 0;  // of 64-bit cases with segments of their own
    Selectors selectors;
    Registers registers;
    Memory memory;
};

}  // namespace softmetal::differential
