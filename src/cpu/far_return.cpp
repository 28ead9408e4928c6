// Far RET (SDM vol. 2, RET), with or without a return to an outer privilege level.
#include "cpu/code_segment.hpp"
#include "cpu/far_transfer.hpp"
#include "cpu/stack_frame.hpp"

namespace softmetal {

using x86::Segment;
using x86::SegmentRegister;

void far_return(Vcpu& vcpu, unsigned operand_size, u16 release_bytes) {
    CpuState& state = vcpu.state;
    FrameReader frame(vcpu, Stack::current(vcpu));
    const u64 rip = frame.pop(operand_size);
    const u16 selector = static_cast<u16>(frame.pop(operand_size));

    if (state.real_mode() || state.v86_mode()) {
        if (rip > state.seg(Segment::cs).limit) raise_gp();
        frame.skip(release_bytes);
        state.gpr[x86::rsp] = frame.pointer();
        load_real_mode_segment(state, Segment::cs, selector);
        state.rip = rip;
        return;
    }

    frame.skip(release_bytes);
    if (x86::selector::rpl(selector) == state.cpl()) {
        const CodeTarget target = return_target(vcpu, selector, rip);
        state.gpr[x86::rsp] = frame.pointer();
        state.seg(Segment::cs) = target.cs;
        state.rip = target.rip;
        return;
    }
    u64 rsp = 0;
    u16 stack_selector = 0;
    const auto pop_stack = [&] {
        rsp = frame.pop(operand_size);
        stack_selector = static_cast<u16>(frame.pop(operand_size));
    };
    // AMD's processors do so before they check CS (APM vol. 3, RET (Far)).
    const bool stack_first = vcpu.model.is_amd();
    if (stack_first) pop_stack();
    const CodeTarget target = return_target(vcpu, selector, rip);
    if (!stack_first) pop_stack();
    const SegmentRegister ss = return_stack_segment(vcpu, stack_selector, target.cs);
    state.seg(Segment::cs) = target.cs;
    state.seg(Segment::ss) = ss;
    state.rip = target.rip;
    set_returned_stack_pointer(state, rsp + release_bytes);
    drop_inner_segments(state);
}

}  // namespace softmetal
