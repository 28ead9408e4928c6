// System calls, their returns and IRET with the guest's vectors in place. Compiled without vector
// instructions; nothing here allocates or throws: whatever would raise an exception is left to the
// interpreter.
#include "cpu/far_transfer.hpp"
#include "cpu/segmentation.hpp"
#include "translator/fast_calls.hpp"

namespace softmetal::translator {
namespace {

namespace attribute = x86::segment_attribute;
namespace flags = x86::flags;
using x86::Segment;
using x86::SegmentRegister;

/// A level that is not `cpl` may not keep more privileged data segments, nor the RPL of a null selector:
/// dropping one is the interpreter's.
bool would_drop_segments(const CpuState& s, unsigned cpl) {
    if (cpl == 0) return false;
    for (const Segment name : {Segment::es, Segment::fs, Segment::gs, Segment::ds}) {
        const SegmentRegister& segment = s.seg(name);
        if (segment.usable() ? segment.dpl() < cpl : segment.selector != 0) return true;
    }
    return false;
}

enum class Width : u32 { code32 = attribute::default_big, code64 = attribute::long_mode };

/// Code that runs at `cpl`, not conforming.
bool is_code_of(const SegmentRegister& cs, unsigned cpl, Width width) {
    constexpr u32 kind = attribute::code | attribute::expand_down_or_conforming;
    constexpr u32 widths = attribute::long_mode | attribute::default_big;
    return (cs.attributes & kind) == attribute::code && cs.dpl() == cpl &&
           (cs.attributes & widths) == static_cast<u32>(width);
}

/// A stack at `cpl`, its pointer 32 bits wide outside of 64-bit mode.
bool is_stack_of(const SegmentRegister& ss, unsigned cpl) {
    constexpr u32 kind = attribute::code | attribute::writable_or_readable | attribute::default_big;
    return (ss.attributes & kind) == (attribute::writable_or_readable | attribute::default_big) &&
           ss.dpl() == cpl && x86::selector::rpl(ss.selector) == cpl;
}

/// The flags that IRET takes from the frame at CPL 0, but those that are the interpreter's business.
void take_flags(CpuState& s, u64 image) {
    constexpr u64 taken = flags::status | flags::df | flags::rf | flags::ac | flags::id | flags::interrupt |
                          flags::iopl | flags::vif | flags::vip | flags::nt | flags::tf;
    s.rflags = (s.rflags & ~taken) | (image & taken) | flags::always_one;
    // RF matters to instruction breakpoints only, and there are none.
    if (!(s.dr7 & 0xff)) s.rflags &= ~flags::rf;
}

}  // namespace

bool FastCalls::system_call(u64 next) {
    if (!(vcpu_.state.efer & x86::efer::sce)) return false;
    vcpu_.state.rip = next;
    softmetal::system_call(vcpu_);
    return true;
}

bool FastCalls::system_return() {
    CpuState& s = vcpu_.state;
    if (!(s.efer & x86::efer::sce) || s.cpl() != 0 || !is_canonical(s.gpr[x86::rcx]) ||
        s.gpr[x86::r11] & flags::tf)
        return false;
    softmetal::system_return(vcpu_, 8);
    return true;
}

bool FastCalls::may_use_sysenter() const {
    const CpuState& s = vcpu_.state;
    return !(s.long_mode_active() && vcpu_.model.is_amd()) && s.sysenter_cs & 0xfffc;
}

bool FastCalls::sysenter(u64 next) {
    if (!may_use_sysenter()) return false;
    vcpu_.state.rip = next;
    softmetal::sysenter(vcpu_);
    return true;
}

bool FastCalls::sysexit() {
    if (!may_use_sysenter() || vcpu_.state.cpl() != 0) return false;
    softmetal::sysexit(vcpu_, 4);
    return true;
}

bool FastCalls::swap_gs(u64 next) {
    CpuState& s = vcpu_.state;
    if (s.cpl() != 0) return false;
    std::swap(s.seg(Segment::gs).base, s.kernel_gs_base);
    s.rip = next;
    return true;
}

bool FastCalls::interrupt_return() {
    CpuState& s = vcpu_.state;
    if (s.cpl() != 0 || s.rflags & flags::nt) return false;
    struct {
        u64 rip, cs, flags, rsp, ss;
    } frame;
    const u8* top = host({s.gpr[x86::rsp]}, sizeof frame, Access::read, vcpu_.mmu.data_privilege());
    if (!top) return false;
    __builtin_memcpy(&frame, top, sizeof frame);
    const auto cs_selector = static_cast<u16>(frame.cs), ss_selector = static_cast<u16>(frame.ss);
    const unsigned cpl = x86::selector::rpl(cs_selector);
    const auto cs = segment_of(cs_selector);
    const bool long_code = cs && is_code_of(*cs, cpl, Width::code64);
    if (long_code) {
        if (!is_canonical(frame.rip)) return false;
    } else if (!cs || !is_code_of(*cs, cpl, Width::code32) || frame.rip > cs->limit) {
        return false;
    }
    // An interrupt to an inner level leaves a null SS, and an interrupt on top of that returns to one.
    SegmentRegister ss = null_segment(ss_selector, cpl);
    if (!x86::selector::is_null(ss_selector)) {
        const auto found = segment_of(ss_selector);
        if (!found || !is_stack_of(*found, cpl)) return false;
        ss = *found;
    } else if (!long_code || cpl == 3 || x86::selector::rpl(ss_selector) != cpl) {
        return false;
    }
    if (frame.flags & (flags::tf | flags::nt) || would_drop_segments(s, cpl)) return false;
    s.nmi_blocked = false;
    s.seg(Segment::cs) = *cs;
    s.seg(Segment::ss) = ss;
    s.gpr[x86::rsp] = long_code ? frame.rsp : frame.rsp & 0xffff'ffff;
    s.rip = frame.rip;
    take_flags(s, frame.flags);
    return true;
}

/// IRETD in flat 32-bit code; to 16-bit, V86 or interrupted tasks the interpreter returns.
bool FastCalls::interrupt_return32() {
    CpuState& s = vcpu_.state;
    if (s.cpl() != 0 || s.rflags & flags::nt || s.long_mode_active()) return false;
    struct {
        u32 eip, cs, flags, esp, ss;
    } frame;
    constexpr unsigned inner_size = 12;
    const u64 pointer = s.gpr[x86::rsp] & 0xffff'ffff;
    const Privilege p = vcpu_.mmu.data_privilege();
    const u8* top = host({pointer}, inner_size, Access::read, p);
    if (!top) return false;
    __builtin_memcpy(&frame, top, inner_size);
    if (frame.flags & (flags::vm | flags::tf | flags::nt)) return false;
    const auto cs_selector = static_cast<u16>(frame.cs);
    const unsigned cpl = x86::selector::rpl(cs_selector);
    const auto cs = segment_of(cs_selector);
    if (!cs || !is_code_of(*cs, cpl, Width::code32) || frame.eip > cs->limit) return false;
    if (cpl == 0) {
        s.gpr[x86::rsp] = (pointer + inner_size) & 0xffff'ffff;
    } else {
        top = host({pointer}, sizeof frame, Access::read, p);
        if (!top || would_drop_segments(s, cpl)) return false;
        __builtin_memcpy(&frame.esp, top + inner_size, sizeof frame - inner_size);
        const auto ss = segment_of(static_cast<u16>(frame.ss));
        if (!ss || !is_stack_of(*ss, cpl)) return false;
        s.seg(Segment::ss) = *ss;
        s.gpr[x86::rsp] = frame.esp;
    }
    s.nmi_blocked = false;
    s.seg(Segment::cs) = *cs;
    s.rip = frame.eip;
    take_flags(s, frame.flags);
    return true;
}

}  // namespace softmetal::translator
