// Segment selectors, segment registers and descriptor-table registers (SDM vol. 3, ch. 3.4 and 3.5).
#pragma once

#include "base/bits.hpp"

namespace softmetal::x86 {

/// Attribute word of a segment register: descriptor bits 55..40, so type, S, DPL, P, AVL, L, D/B, G with the
/// limit nibble's place left zero; `unusable` marks a null or never loaded register.
namespace segment_attribute {
inline constexpr u32 type = 0xf;
inline constexpr u32 accessed = 1u << 0;
inline constexpr u32 writable_or_readable = 1u << 1;  // data: writable; code: readable
inline constexpr u32 expand_down_or_conforming = 1u << 2;
inline constexpr u32 code = 1u << 3;
inline constexpr u32 not_system = 1u << 4;  // S
inline constexpr unsigned dpl_shift = 5;
inline constexpr u32 dpl = 3u << dpl_shift;
inline constexpr u32 present = 1u << 7;
inline constexpr u32 available = 1u << 12;
inline constexpr u32 long_mode = 1u << 13;    // L
inline constexpr u32 default_big = 1u << 14;  // D/B
inline constexpr u32 granularity = 1u << 15;
inline constexpr u32 unusable = 1u << 16;
}  // namespace segment_attribute

/// System descriptor types (SDM vol. 3, table 3-2).
namespace system_type {
inline constexpr u32 tss16_available = 1, ldt = 2, tss16_busy = 3, call_gate16 = 4, task_gate = 5,
                     interrupt_gate16 = 6, trap_gate16 = 7, tss_available = 9, tss_busy = 11, call_gate = 12,
                     interrupt_gate = 14, trap_gate = 15;
}  // namespace system_type

/// A segment register with its hidden part.
struct SegmentRegister {
    u16 selector = 0;
    u16 reserved = 0;
    u32 attributes = segment_attribute::unusable;
    u64 base = 0;
    u32 limit = 0;  // in bytes, granularity applied
    u32 reserved2 = 0;

    [[nodiscard]] constexpr unsigned dpl() const { return bits(attributes, 6, 5); }
    [[nodiscard]] constexpr bool usable() const { return !(attributes & segment_attribute::unusable); }
};

/// GDTR or IDTR.
struct DescriptorTableRegister {
    u64 base = 0;
    u16 limit = 0;
};

namespace selector {
[[nodiscard]] constexpr bool is_null(u16 s) { return (s & ~3) == 0; }
[[nodiscard]] constexpr unsigned rpl(u16 s) { return s & 3; }
[[nodiscard]] constexpr bool in_ldt(u16 s) { return s & 4; }
[[nodiscard]] constexpr unsigned offset(u16 s) { return s & ~7u; }
}  // namespace selector

}  // namespace softmetal::x86
