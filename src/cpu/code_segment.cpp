#include "cpu/code_segment.hpp"

namespace softmetal {

namespace attribute = x86::segment_attribute;
using x86::Segment;
using x86::SegmentRegister;
using x86::Vector;

CodeTarget code_target(Vcpu& vcpu, u16 selector, Descriptor& code, u64 rip, unsigned cpl) {
    const u32 error = selector_error(selector);
    if (!code.is_code()) raise_gp(error);
    const bool long_mode = vcpu.state.long_mode_active();
    if (long_mode && code.is_long_code() && code.default_big()) raise_gp(error);
    if (!code.present()) raise(Vector::segment_not_present, error);
    if (long_mode && code.is_long_code()) {
        if (!is_canonical(rip)) raise_gp();
    } else if (rip > code.limit()) {
        raise_gp();
    }
    mark_accessed(vcpu, selector, code);
    return {code.as_segment(static_cast<u16>((selector & ~3u) | cpl)), rip};
}

CodeTarget return_target(Vcpu& vcpu, u16 selector, u64 rip) {
    if (x86::selector::is_null(selector)) raise_gp();
    Descriptor code = read_descriptor(vcpu, selector, Vector::general_protection);
    const unsigned rpl = x86::selector::rpl(selector);
    const bool level_fits = code.is_conforming_code() ? code.dpl() <= rpl : code.dpl() == rpl;
    if (rpl < vcpu.state.cpl() || !level_fits) raise_gp(selector_error(selector));
    return code_target(vcpu, selector, code, rip, rpl);
}

SegmentRegister return_stack_segment(Vcpu& vcpu, u16 selector, const SegmentRegister& cs) {
    const unsigned level = x86::selector::rpl(cs.selector);
    if (x86::selector::is_null(selector)) {
        const bool to_64bit = vcpu.state.long_mode_active() && cs.attributes & attribute::long_mode;
        if (!to_64bit || level == 3 || x86::selector::rpl(selector) != level) raise_gp();
        return null_segment(selector, level);
    }
    Descriptor d = read_descriptor(vcpu, selector, Vector::general_protection);
    const u32 error = selector_error(selector);
    if (x86::selector::rpl(selector) != level || d.dpl() != level || !d.is_writable_data()) raise_gp(error);
    if (!d.present()) raise(Vector::stack_fault, error);
    mark_accessed(vcpu, selector, d);
    return d.as_segment(selector);
}

void set_returned_stack_pointer(CpuState& state, u64 value) {
    u64& rsp = state.gpr[x86::rsp];
    switch (state.stack_size()) {
        case 8: rsp = value; break;
        case 4: rsp = value & 0xffffffff; break;
        default: rsp = (rsp & ~u64{0xffff}) | (value & 0xffff); break;
    }
}

void drop_inner_segments(CpuState& state) {
    for (const Segment name : {Segment::es, Segment::fs, Segment::gs, Segment::ds}) {
        SegmentRegister& s = state.seg(name);
        constexpr u32 conforming_code = attribute::code | attribute::expand_down_or_conforming;
        const bool conforming = (s.attributes & conforming_code) == conforming_code;
        if (s.usable() && (conforming || s.dpl() >= state.cpl())) continue;
        // Selector and validity go, and the RPL of one that was null; the base stays, which 64-bit mode still
        // uses for FS and GS.
        s.selector = 0;
        s.attributes |= attribute::unusable;
    }
}

}  // namespace softmetal
