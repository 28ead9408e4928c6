// IRET in every mode (SDM vol. 2, IRET).
#include "cpu/code_segment.hpp"
#include "cpu/far_transfer.hpp"
#include "cpu/stack_frame.hpp"
#include "cpu/task_switch.hpp"

#include <cstring>

namespace softmetal {

namespace {

namespace flags = x86::flags;
using x86::Segment;
using x86::SegmentRegister;

/// The flags IRET takes from the frame, at the privilege it is executed with.
u64 returned_flags(const CpuState& state, u64 value, unsigned operand_size) {
    const unsigned cpl = state.cpl();
    const unsigned iopl = static_cast<unsigned>(state.rflags >> flags::iopl_shift & 3);
    u64 taken = flags::status | flags::tf | flags::df | flags::nt;
    if (operand_size > 2) taken |= flags::rf | flags::ac | flags::id;
    if (cpl <= iopl) taken |= flags::interrupt;
    if (cpl == 0) {
        taken |= flags::iopl;
        if (operand_size > 2) taken |= flags::vif | flags::vip;
    }
    return (state.rflags & ~taken) | (value & taken) | flags::always_one;
}

void return_in_real_mode(Vcpu& vcpu, unsigned operand_size) {
    CpuState& state = vcpu.state;
    const bool v86 = state.v86_mode();
    if (v86 && (state.rflags & flags::iopl) != flags::iopl) raise_gp();
    FrameReader frame(vcpu, Stack::current(vcpu));
    const u64 rip = frame.pop(operand_size);
    const u16 selector = static_cast<u16>(frame.pop(operand_size));
    const u64 value = frame.pop(operand_size);
    if (rip > state.seg(Segment::cs).limit) raise_gp();
    u64 taken = flags::status | flags::tf | flags::interrupt | flags::df | flags::nt;
    if (!v86) taken |= flags::iopl;
    if (operand_size > 2) taken |= flags::rf | flags::ac | flags::id;
    state.rflags = (state.rflags & ~taken) | (value & taken) | flags::always_one;
    state.gpr[x86::rsp] = frame.pointer();
    load_real_mode_segment(state, Segment::cs, selector);
    state.rip = rip;
}

void return_to_v86(Vcpu& vcpu, FrameReader& frame, u64 rip, u16 cs, u64 value) {
    CpuState& state = vcpu.state;
    const u64 esp = frame.pop(4);
    constexpr std::array order{Segment::ss, Segment::es, Segment::ds, Segment::fs, Segment::gs};
    std::array<u16, order.size()> selectors{};
    for (u16& s : selectors) s = static_cast<u16>(frame.pop(4));
    if (rip > 0xffff) raise_gp();
    constexpr u64 taken = flags::implemented;
    state.rflags = (value & taken) | flags::always_one;
    load_real_mode_segment(state, Segment::cs, cs);
    for (unsigned i = 0; i < order.size(); i++) load_real_mode_segment(state, order[i], selectors[i]);
    state.rip = rip;
    state.gpr[x86::rsp] = esp;
}

/// All is checked: CS, SS (none: unchanged), flags, RIP and rSP become the interrupted program's.
void resume(CpuState& state, const CodeTarget& target, const SegmentRegister* ss, u64 rsp, u64 new_flags) {
    const bool outer = x86::selector::rpl(target.cs.selector) > state.cpl();
    state.rflags = new_flags;
    state.seg(Segment::cs) = target.cs;
    state.rip = target.rip;
    if (ss) {
        state.seg(Segment::ss) = *ss;
        set_returned_stack_pointer(state, rsp);
    }
    if (outer) drop_inner_segments(state);
}

/// IRETQ in 64-bit mode: the path a 64-bit system takes out of every interrupt.
void return_long(Vcpu& vcpu) {
    CpuState& state = vcpu.state;
    const GuestLinear top{state.gpr[x86::rsp]};
    std::array<u64, 5> frame;  // RIP, CS, RFLAGS, RSP, SS
    if (!is_canonical(top.value) || !is_canonical(top.value + sizeof frame - 1))
        raise(x86::Vector::stack_fault, 0);
    if (alignment_checked(state) && top.value & 7) raise(x86::Vector::alignment_check, 0);
    const Privilege p = vcpu.mmu.data_privilege();
    if (const u8* host = vcpu.linear.in_place(top, sizeof frame, Access::read, p))
        std::memcpy(frame.data(), host, sizeof frame);
    else
        vcpu.linear.read_bytes(top, std::as_writable_bytes(std::span(frame)), p);

    const CodeTarget target = return_target(vcpu, static_cast<u16>(frame[1]), frame[0]);
    const SegmentRegister ss = return_stack_segment(vcpu, static_cast<u16>(frame[4]), target.cs);
    resume(state, target, &ss, frame[3], returned_flags(state, frame[2], 8));
}

}  // namespace

void interrupt_return(Vcpu& vcpu, unsigned operand_size) {
    CpuState& state = vcpu.state;
    // Even where IRET itself faults (SDM vol. 3, ch. 6.7.1).
    state.nmi_blocked = false;
    if (state.real_mode() || state.v86_mode()) return return_in_real_mode(vcpu, operand_size);
    if (state.rflags & flags::nt) {
        if (state.long_mode_active()) raise_gp();
        return return_from_task(vcpu);
    }
    if (operand_size == 8) return return_long(vcpu);

    FrameReader frame(vcpu, Stack::current(vcpu));
    const u64 rip = frame.pop(operand_size);
    const u16 selector = static_cast<u16>(frame.pop(operand_size));
    const u64 value = frame.pop(operand_size);
    if (operand_size == 4 && value & flags::vm && state.cpl() == 0 && !state.long_mode_active())
        return return_to_v86(vcpu, frame, rip, selector, value);

    u64 rsp = 0;
    u16 stack_selector = 0;
    const auto pop_stack = [&] {
        rsp = frame.pop(operand_size);
        stack_selector = static_cast<u16>(frame.pop(operand_size));
    };
    const bool same_level = x86::selector::rpl(selector) == state.cpl() && !state.code64();
    // AMD's processors pop the stack of another level before they check CS (APM vol. 3, IRET).
    const bool stack_first = state.code64() || (vcpu.model.is_amd() && !same_level);
    if (stack_first) pop_stack();
    const CodeTarget target = return_target(vcpu, selector, rip);
    const u64 new_flags = returned_flags(state, value, operand_size);
    if (same_level) {
        state.gpr[x86::rsp] = frame.pointer();
        return resume(state, target, nullptr, 0, new_flags);
    }
    if (!stack_first) pop_stack();
    const SegmentRegister ss = return_stack_segment(vcpu, stack_selector, target.cs);
    resume(state, target, &ss, rsp, new_flags);
}

}  // namespace softmetal
