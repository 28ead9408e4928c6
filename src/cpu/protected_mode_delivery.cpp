// Interrupts and exceptions in real mode (SDM vol. 3, ch. 20.1.4), and in 16- and 32-bit protected mode and
// from V86 mode (ch. 6.12, 20.3).
#include "cpu/gate_delivery.hpp"
#include "cpu/inner_stack.hpp"
#include "cpu/stack_frame.hpp"
#include "cpu/task_switch.hpp"

namespace softmetal {

namespace {

namespace flags = x86::flags;
namespace type = x86::system_type;
using x86::Segment;
using x86::SegmentRegister;
using x86::Vector;

}  // namespace

void enter_real_mode_handler(Vcpu& vcpu, const GateEvent& event) {
    CpuState& state = vcpu.state;
    if (event.vector * 4u + 3 > state.idtr.limit) raise_gp(idt_error(event.vector));
    const u32 entry =
        vcpu.linear.read<u32>({state.idtr.base + event.vector * 4u}, vcpu.mmu.system_privilege());

    FrameWriter frame(vcpu, Stack::current(vcpu));
    frame.push(event.flags & 0xffff, 2);
    frame.push(state.seg(Segment::cs).selector, 2);
    frame.push(state.rip & 0xffff, 2);
    frame.commit();

    state.gpr[x86::rsp] = frame.pointer();
    load_real_mode_segment(state, Segment::cs, static_cast<u16>(entry >> 16));
    state.rip = entry & 0xffff;
    state.rflags &= ~(flags::interrupt | flags::tf | flags::ac | flags::rf);
}

void enter_protected_mode_handler(Vcpu& vcpu, const GateEvent& event) {
    CpuState& state = vcpu.state;
    const unsigned cpl = state.cpl();
    const bool from_v86 = state.v86_mode();
    const u32 gate_code = idt_error(event.vector);
    if (from_v86 && event.int_n && (state.rflags & flags::iopl) != flags::iopl) raise_gp();
    if (event.vector * 8u + 7 > state.idtr.limit) raise_gp(gate_code);
    const Descriptor gate{
        vcpu.linear.read<u64>({state.idtr.base + event.vector * 8u}, vcpu.mmu.system_privilege())};

    const u32 gate_type = gate.is_system() ? gate.type() : 0;
    const bool interrupt_gate = gate_type == type::interrupt_gate || gate_type == type::interrupt_gate16;
    const bool trap_gate = gate_type == type::trap_gate || gate_type == type::trap_gate16;
    if (!interrupt_gate && !trap_gate && gate_type != type::task_gate) raise_gp(gate_code);
    if (event.checks_gate_privilege && gate.dpl() < cpl) raise_gp(gate_code);
    if (!gate.present()) raise(Vector::segment_not_present, gate_code);
    if (gate_type == type::task_gate)
        return switch_task(vcpu, gate.gate_selector(), event.software ? TaskSwitch::call : TaskSwitch::event,
                           event.error_code);

    const bool wide = gate_type & 8;  // types 14 and 15
    const unsigned slot = wide ? 4 : 2;
    const u64 offset = wide ? gate.gate_offset() & 0xffffffff : gate.low & 0xffff;
    const u16 selector = gate.gate_selector();
    if (x86::selector::is_null(selector)) raise_gp();
    Descriptor code = read_descriptor(vcpu, selector, Vector::general_protection);
    if (!code.is_code() || code.dpl() > cpl) raise_gp(selector_error(selector));
    if (!code.present()) raise(Vector::segment_not_present, selector_error(selector));
    const unsigned new_cpl = code.is_conforming_code() ? cpl : code.dpl();
    if (from_v86 && new_cpl != 0) raise_gp(selector_error(selector));
    const SegmentRegister new_cs = code.as_segment(static_cast<u16>((selector & ~3u) | new_cpl));
    if (offset > new_cs.limit) raise_gp();

    const SegmentRegister old_ss = state.seg(Segment::ss);
    SegmentRegister new_ss = old_ss;
    Stack stack = Stack::current(vcpu);
    if (new_cpl != cpl) {
        const TssStack inner = inner_stack(vcpu, new_cpl);
        new_ss = inner_stack_segment(vcpu, inner.selector, new_cpl);
        stack = Stack::inner(vcpu, new_ss, inner.pointer, new_cpl);
        stack.fault_code = selector_error(inner.selector);
    }
    FrameWriter frame(vcpu, stack);
    if (new_cpl != cpl) {
        if (from_v86)
            for (const Segment s : {Segment::gs, Segment::fs, Segment::ds, Segment::es})
                frame.push(state.seg(s).selector, slot);
        frame.push(old_ss.selector, slot);
        frame.push(state.gpr[x86::rsp], slot);
    }
    frame.push(event.flags, slot);
    frame.push(state.seg(Segment::cs).selector, slot);
    frame.push(state.rip, slot);
    if (event.error_code) frame.push(*event.error_code, slot);
    mark_accessed(vcpu, selector, code);
    frame.commit();

    state.rflags &= ~(flags_cleared_by_gates | (interrupt_gate ? flags::interrupt : 0));
    state.seg(Segment::cs) = new_cs;
    state.seg(Segment::ss) = new_ss;
    state.gpr[x86::rsp] = frame.pointer();
    state.rip = offset;
    if (from_v86)
        for (const Segment s : {Segment::gs, Segment::fs, Segment::ds, Segment::es})
            state.seg(s) = null_segment(0);
}

}  // namespace softmetal
