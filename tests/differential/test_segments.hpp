// The segments that cases may use: the host's flat ones, and a local descriptor table that host and guest
// share, whose segments have bases, limits and rights of all kinds.
#pragma once

#include "random.hpp"
#include "x86/descriptors.hpp"

#include <array>

namespace softmetal::differential::segments {

/// Linux's flat user segments (asm/segment.h).
inline constexpr u16 user_code64 = 0x33, user_code32 = 0x23, user_data = 0x2b;
inline constexpr u64 code64_descriptor = 0x00af'fb00'0000'ffff;
inline constexpr u64 code32_descriptor = 0x00cf'fb00'0000'ffff, data_descriptor = 0x00cf'f300'0000'ffff;

/// 16-bit offsets from here reach the data pages, in front of and behind them; and the stack's.
inline constexpr u32 code16_base = 0x1001'0000;  // of layout::code
inline constexpr u32 data_base = 0x1002'c000, stack_base = 0x1004'c000;
inline constexpr u32 data_offset = 0x4000;  // of layout::data, and of layout::stack

/// Contents of a user segment, by the bits of its descriptor.
struct LocalSegment {
    bool code = false, expand_down = false;  // code: conforming
    bool writable_or_readable = true;
    bool present = true;
    bool big = true;
    bool pages = false;  // what the descriptor's limit counts
    u32 base = data_base;
    u32 limit = 0;

    [[nodiscard]] constexpr u32 limit_in_bytes() const { return pages ? limit << 12 | 0xfff : limit; }
};

inline constexpr u32 last_byte = data_offset + 0x1f7f;  // within the second page
inline constexpr auto local = std::to_array<LocalSegment>({
    {.limit = last_byte},
    {.writable_or_readable = false, .limit = last_byte},
    {.expand_down = true, .limit = data_offset + 0x80},
    {.code = true, .limit = last_byte},
    {.code = true, .writable_or_readable = false, .limit = last_byte},
    {.present = false, .limit = last_byte},
    {.base = stack_base, .limit = last_byte},
    {.big = false, .base = stack_base, .limit = last_byte},
    {.expand_down = true, .base = stack_base, .limit = data_offset + 0x80},
    {.code = true, .big = false, .base = code16_base, .limit = 0x1fff},
    // For far transfers; and for LAR and LSL.
    {.code = true, .base = code16_base, .limit = 0x1fff},
    {.code = true, .writable_or_readable = false, .base = code16_base, .limit = 0x8ff},
    {.code = true, .writable_or_readable = false, .big = false, .base = code16_base, .limit = 0xbff},
    {.code = true, .pages = true, .base = 0, .limit = 0xfffff},
    {.code = true, .present = false, .base = code16_base, .limit = 0x1fff},
    {.code = true, .expand_down = true, .present = false, .base = code16_base, .limit = 0x1fff},
    {.expand_down = true, .writable_or_readable = false, .pages = true, .limit = 0x10},
});

[[nodiscard]] constexpr u16 local_selector(unsigned index) { return static_cast<u16>(index << 3 | 7); }
/// The one that most cases with 16-bit addresses use.
inline constexpr u16 data16 = local_selector(0);

/// Those that lie about the stack: 32-bit, 16-bit and one that expands downwards.
inline constexpr u16 stack32 = local_selector(6), stack16 = local_selector(7), stack_down = local_selector(8);

/// The code segment of 16-bit cases.
inline constexpr u16 code16 = local_selector(9);
[[nodiscard]] constexpr u64 code_base(unsigned code_size) { return code_size == 2 ? code16_base : 0; }
[[nodiscard]] constexpr u16 code_selector(unsigned code_size) {
    return code_size == 8 ? user_code64 : code_size == 4 ? user_code32 : code16;
}

/// The local segment that a selector names; null for the others.
[[nodiscard]] constexpr const LocalSegment* local_segment(u16 selector) {
    const unsigned index = x86::selector::offset(selector) / 8;
    return x86::selector::in_ldt(selector) && index < local.size() ? &local[index] : nullptr;
}
/// The base of a segment, 0 where there is none.
[[nodiscard]] constexpr u32 base_of(u16 selector) {
    const LocalSegment* s = local_segment(selector);
    return s ? s->base : 0;
}
/// What of the stack pointer counts: 16 bits in a small stack segment.
[[nodiscard]] constexpr u64 stack_mask(u16 selector) { return selector == stack16 ? 0xffff : 0xffff'ffff; }

/// The descriptor as the guest's table has it; the host's kernel makes the same one.
[[nodiscard]] u64 descriptor(const LocalSegment& segment);

/// What a segment register holds once loaded with one that can be.
[[nodiscard]] x86::SegmentRegister loaded(u16 selector);

/// One that DS, ES, FS and GS can be loaded with.
[[nodiscard]] u16 usable_selector(Random& random);
/// One that SS can be loaded with.
[[nodiscard]] u16 stack_selector(Random& random);
/// One that may as well raise an exception.
[[nodiscard]] u16 any_selector(Random& random);
/// One for a far transfer of so many bits of offset, mostly to a segment whose base that reaches; `code64`
/// says whether it may lead to 64-bit mode.
[[nodiscard]] u16 code_target_selector(Random& random, unsigned offset_width, bool code64);
/// One to ask LAR, LSL, VERR and VERW about.
[[nodiscard]] u16 inspected_selector(Random& random);

}  // namespace softmetal::differential::segments
