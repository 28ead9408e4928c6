// Loading segment registers, with all checks (SDM vol. 3, ch. 3.4.2, 5.2 to 5.6; vol. 2, MOV, LLDT, LTR).
#pragma once

#include "cpu/descriptor.hpp"
#include "cpu/vcpu.hpp"

#include <optional>

namespace softmetal {

/// Does the segment's limit allow `size` bytes at `offset`? Not asked in 64-bit mode.
[[nodiscard]] bool within_limit(const x86::SegmentRegister& segment, u64 offset, unsigned size);

/// What a null selector leaves in a segment register. Inlined: used in light functions too.
[[nodiscard, gnu::always_inline]] inline x86::SegmentRegister null_segment(u16 selector, unsigned dpl = 0) {
    using namespace x86::segment_attribute;
    return {.selector = selector, .attributes = unusable | dpl << dpl_shift};
}

/// SS as a privilege change in long mode leaves it: null, with the new CPL.
[[nodiscard]] inline x86::SegmentRegister null_stack_segment(unsigned cpl) {
    return null_segment(static_cast<u16>(cpl), cpl);
}

/// ES, CS, SS, DS, FS and GS in real and V86 mode: base = selector * 16 (SDM vol. 3, ch. 20.1.1). Real mode
/// keeps a limit that protected mode had loaded. Inlined: used in light functions too.
[[gnu::always_inline]] inline void load_real_mode_segment(CpuState& state, x86::Segment segment,
                                                          u16 selector) {
    using namespace x86::segment_attribute;
    constexpr u32 present_data = present | not_system | writable_or_readable | accessed;
    x86::SegmentRegister& s = state.seg(segment);
    if (state.v86_mode()) {
        s = {.selector = selector, .attributes = present_data | dpl, .limit = 0xffff};
    } else if (!s.usable()) {
        s = {.selector = selector, .attributes = present_data, .limit = 0xffff};
    } else if (segment == x86::Segment::cs) {
        s.attributes = present_data | (s.attributes & (default_big | granularity));
    }
    s.selector = selector;
    s.base = u64{selector} << 4;
}

/// The error code that names a selector.
[[nodiscard]] constexpr u32 selector_error(u16 selector) { return selector & ~3u; }

/// Reads selector's descriptor; raises `vector`(selector) where it lies outside its table.
[[nodiscard]] Descriptor read_descriptor(Vcpu& vcpu, u16 selector, x86::Vector vector,
                                         bool system_16_bytes = false);
/// Sets the accessed bit in memory.
void mark_accessed(Vcpu& vcpu, u16 selector, Descriptor& descriptor);

/// MOV / POP to ES, SS, DS, FS, GS, and LDS & co. In real and V86 mode: base = selector * 16. Not CS.
/// The caller sets the MOV SS shadow.
void load_segment(Vcpu& vcpu, x86::Segment segment, u16 selector);
void load_ldtr(Vcpu& vcpu, u16 selector);
void load_task_register(Vcpu& vcpu, u16 selector);

/// LAR, LSL, VERR, VERW: none where the check fails (ZF = 0).
[[nodiscard]] std::optional<u32> load_access_rights(Vcpu& vcpu, u16 selector);
[[nodiscard]] std::optional<u32> load_segment_limit(Vcpu& vcpu, u16 selector);
[[nodiscard]] bool verify_segment(Vcpu& vcpu, u16 selector, bool for_write);

}  // namespace softmetal
