#include "cpu/inner_stack.hpp"

namespace softmetal {

using x86::Vector;

TssStack inner_stack(Vcpu& vcpu, unsigned level) {
    const x86::SegmentRegister& tr = vcpu.state.tr;
    const bool wide = tr.attributes & 8;  // 32-bit TSS types are 9 and 11
    const unsigned offset = wide ? 4 + 8 * level : 2 + 4 * level;
    const unsigned size = wide ? 6 : 4;
    if (!tr.usable() || offset + size - 1 > tr.limit) raise(Vector::invalid_tss, selector_error(tr.selector));
    const Privilege p = vcpu.mmu.system_privilege();
    const GuestLinear a{tr.base + offset};
    if (wide) return {.selector = vcpu.linear.read<u16>(a + 4, p), .pointer = vcpu.linear.read<u32>(a, p)};
    return {.selector = vcpu.linear.read<u16>(a + 2, p), .pointer = vcpu.linear.read<u16>(a, p)};
}

x86::SegmentRegister inner_stack_segment(Vcpu& vcpu, u16 selector, unsigned level) {
    const u32 code = selector_error(selector);
    if (x86::selector::is_null(selector)) raise(Vector::invalid_tss, 0);
    Descriptor d = read_descriptor(vcpu, selector, Vector::invalid_tss);
    if (x86::selector::rpl(selector) != level || d.dpl() != level || !d.is_writable_data())
        raise(Vector::invalid_tss, code);
    if (!d.present()) raise(Vector::stack_fault, code);
    mark_accessed(vcpu, selector, d);
    return d.as_segment(selector);
}

}  // namespace softmetal
