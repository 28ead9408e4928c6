// Loading segment registers, with all checks (SDM vol. 3, ch. 3.4.2, 5.2 to 5.6; vol. 2, MOV, LLDT, LTR).
#pragma once

#include "cpu/vcpu.hpp"

#include <optional>

namespace softmetal {

/// A descriptor as read from the GDT or LDT.
struct Descriptor {
    u64 low = 0;
    u64 high = 0;  // the second half of 16-byte system descriptors in long mode
    [[nodiscard]] u64 base() const;
    [[nodiscard]] u32 limit() const;  // in bytes
    [[nodiscard]] u32 attributes() const;
    [[nodiscard]] x86::SegmentRegister as_segment(u16 selector) const;

    [[nodiscard]] unsigned dpl() const { return static_cast<unsigned>(bits(low, 46, 45)); }
    [[nodiscard]] bool present() const { return low & bit(47); }
    [[nodiscard]] bool is_system() const { return !(low & bit(44)); }
    /// x86::system_type of a system descriptor.
    [[nodiscard]] u32 type() const { return static_cast<u32>(bits(low, 43, 40)); }
    [[nodiscard]] bool is_code() const { return (low & (bit(44) | bit(43))) == (bit(44) | bit(43)); }
    [[nodiscard]] bool is_conforming_code() const { return is_code() && low & bit(42); }
    [[nodiscard]] bool is_readable() const { return !is_system() && (!is_code() || low & bit(41)); }
    [[nodiscard]] bool is_writable_data() const { return !is_system() && !is_code() && low & bit(41); }
    [[nodiscard]] bool is_long_code() const { return is_code() && low & bit(53); }
    [[nodiscard]] bool default_big() const { return low & bit(54); }
    // Gates
    [[nodiscard]] u16 gate_selector() const { return static_cast<u16>(low >> 16); }
    [[nodiscard]] u64 gate_offset() const {
        return (low & 0xffff) | bits(low, 63, 48) << 16 | (high & 0xffffffff) << 32;
    }
};

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
/// keeps a limit that protected mode had loaded.
void load_real_mode_segment(CpuState& state, x86::Segment segment, u16 selector);

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
