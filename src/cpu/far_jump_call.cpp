// Far JMP and CALL (SDM vol. 2; vol. 3, ch. 5.8): directly, through call gates, to tasks.
#include "cpu/code_segment.hpp"
#include "cpu/far_transfer.hpp"
#include "cpu/inner_stack.hpp"
#include "cpu/stack_frame.hpp"
#include "cpu/task_switch.hpp"

namespace softmetal {

namespace {

namespace type = x86::system_type;
using x86::Segment;
using x86::Vector;

void enter(CpuState& state, const CodeTarget& target) {
    state.seg(Segment::cs) = target.cs;
    state.rip = target.rip;
}

/// A direct transfer stays at its privilege level.
CodeTarget direct_target(Vcpu& vcpu, u16 selector, Descriptor& code, u64 offset) {
    const unsigned cpl = vcpu.state.cpl();
    const bool allowed = code.is_conforming_code() ? code.dpl() <= cpl
                                                   : x86::selector::rpl(selector) <= cpl && code.dpl() == cpl;
    if (!allowed) raise_gp(selector_error(selector));
    return code_target(vcpu, selector, code, offset, cpl);
}

/// A call gate, checked, with the code segment it leads to.
struct Gate {
    u16 selector = 0;
    u64 offset = 0;
    unsigned slot = 4;        // bytes of a pushed value
    unsigned parameters = 0;  // slots copied to an inner stack
    Descriptor code;
};

void check_gate_access(const Vcpu& vcpu, const Descriptor& gate, u16 selector) {
    if (gate.dpl() < vcpu.state.cpl() || gate.dpl() < x86::selector::rpl(selector))
        raise_gp(selector_error(selector));
    if (!gate.present()) raise(Vector::segment_not_present, selector_error(selector));
}

Gate open_call_gate(Vcpu& vcpu, Descriptor gate, u16 selector) {
    const bool long_mode = vcpu.state.long_mode_active();
    if (long_mode) {
        gate = read_descriptor(vcpu, selector, Vector::general_protection, true);
        if (bits(gate.high, 44, 40) != 0) raise_gp(selector_error(selector));
    }
    check_gate_access(vcpu, gate, selector);
    Gate g{.selector = gate.gate_selector(), .code = {}};
    if (long_mode) {
        g.slot = 8;
        g.offset = gate.gate_offset();
    } else if (gate.type() == type::call_gate) {
        g.offset = gate.gate_offset() & 0xffffffff;
        g.parameters = static_cast<unsigned>(bits(gate.low, 36, 32));
    } else {
        g.slot = 2;
        g.offset = gate.low & 0xffff;
        g.parameters = static_cast<unsigned>(bits(gate.low, 36, 32));
    }
    if (x86::selector::is_null(g.selector)) raise_gp();
    g.code = read_descriptor(vcpu, g.selector, Vector::general_protection);
    const bool fits = g.code.is_code() && g.code.dpl() <= vcpu.state.cpl() &&
                      (!long_mode || (g.code.is_long_code() && !g.code.default_big()));
    if (!fits) raise_gp(selector_error(g.selector));
    return g;
}

void call_same_level(Vcpu& vcpu, const CodeTarget& target, unsigned slot) {
    CpuState& state = vcpu.state;
    Stack stack = Stack::current(vcpu);
    // AMD's processors push in the mode of the target (APM vol. 3, CALL (Far): CS is read first).
    const bool pushes_in_target_mode = state.long_mode_active() && vcpu.model.is_amd();
    if (slot == 8)
        stack.width = 8;
    else if (pushes_in_target_mode)
        stack.width = target.cs.attributes & x86::segment_attribute::long_mode ? 8 : stack.segment_width();
    FrameWriter frame(vcpu, stack);
    frame.push(state.seg(Segment::cs).selector, slot);
    frame.push(state.rip, slot);
    frame.commit();
    state.gpr[x86::rsp] = frame.pointer();
    enter(state, target);
}

void call_inner_level(Vcpu& vcpu, Gate& gate) {
    CpuState& state = vcpu.state;
    const unsigned level = gate.code.dpl();
    Stack stack;
    if (gate.slot == 8) {
        const unsigned offset = 4 + 8 * level;
        if (!state.tr.usable() || offset + 7 > state.tr.limit)
            raise(Vector::invalid_tss, selector_error(state.tr.selector));
        stack = {.segment = null_stack_segment(level),
                 .pointer = vcpu.linear.read<u64>({state.tr.base + offset}, vcpu.mmu.system_privilege()),
                 .privilege = vcpu.mmu.system_privilege()};
    } else {
        const TssStack inner = inner_stack(vcpu, level);
        stack = Stack::inner(vcpu, inner_stack_segment(vcpu, inner.selector, level), inner.pointer, level);
        stack.fault_code = selector_error(inner.selector);
    }
    const CodeTarget target = code_target(vcpu, gate.selector, gate.code, gate.offset, level);

    std::array<u64, 31> parameters{};
    FrameReader old_stack(vcpu, Stack::current(vcpu));
    for (unsigned i = 0; i < gate.parameters; i++) parameters[i] = old_stack.pop(gate.slot);
    FrameWriter frame(vcpu, stack);
    frame.push(state.seg(Segment::ss).selector, gate.slot);
    frame.push(state.gpr[x86::rsp], gate.slot);
    for (unsigned i = gate.parameters; i-- > 0;) frame.push(parameters[i], gate.slot);
    frame.push(state.seg(Segment::cs).selector, gate.slot);
    frame.push(state.rip, gate.slot);
    frame.commit();

    state.seg(Segment::ss) = stack.segment;
    state.gpr[x86::rsp] = frame.pointer();
    enter(state, target);
}

/// A system descriptor where a code segment was expected: gates and tasks.
void transfer_through(Vcpu& vcpu, u16 selector, const Descriptor& d, bool call) {
    const bool long_mode = vcpu.state.long_mode_active();
    const TaskSwitch kind = call ? TaskSwitch::call : TaskSwitch::jump;
    switch (d.type()) {
        case type::call_gate16:
            if (long_mode) break;
            [[fallthrough]];
        case type::call_gate: {
            Gate gate = open_call_gate(vcpu, d, selector);
            const unsigned cpl = vcpu.state.cpl();
            if (gate.code.is_conforming_code() || gate.code.dpl() == cpl) {
                const CodeTarget target = code_target(vcpu, gate.selector, gate.code, gate.offset, cpl);
                return call ? call_same_level(vcpu, target, gate.slot) : enter(vcpu.state, target);
            }
            if (!call) raise_gp(selector_error(gate.selector));
            return call_inner_level(vcpu, gate);
        }
        case type::task_gate:
            if (long_mode) break;
            check_gate_access(vcpu, d, selector);
            return switch_task(vcpu, d.gate_selector(), kind);
        case type::tss_available:
        case type::tss16_available:
            if (long_mode) break;
            if (d.dpl() < vcpu.state.cpl() || d.dpl() < x86::selector::rpl(selector)) break;
            return switch_task(vcpu, selector, kind);
        default: break;
    }
    raise_gp(selector_error(selector));
}

bool real_or_v86(const CpuState& state) { return state.real_mode() || state.v86_mode(); }

}  // namespace

void far_jump(Vcpu& vcpu, u16 selector, u64 offset, unsigned operand_size) {
    CpuState& state = vcpu.state;
    offset &= low_bits(operand_size * 8);
    if (real_or_v86(state)) {
        if (offset > state.seg(Segment::cs).limit) raise_gp();
        load_real_mode_segment(state, Segment::cs, selector);
        state.rip = offset;
        return;
    }
    if (x86::selector::is_null(selector)) raise_gp();
    Descriptor d = read_descriptor(vcpu, selector, Vector::general_protection);
    if (d.is_system()) return transfer_through(vcpu, selector, d, false);
    enter(state, direct_target(vcpu, selector, d, offset));
}

void far_call(Vcpu& vcpu, u16 selector, u64 offset, unsigned operand_size) {
    CpuState& state = vcpu.state;
    offset &= low_bits(operand_size * 8);
    if (real_or_v86(state)) {
        if (offset > state.seg(Segment::cs).limit) raise_gp();
        FrameWriter frame(vcpu, Stack::current(vcpu));
        frame.push(state.seg(Segment::cs).selector, operand_size);
        frame.push(state.rip, operand_size);
        frame.commit();
        state.gpr[x86::rsp] = frame.pointer();
        load_real_mode_segment(state, Segment::cs, selector);
        state.rip = offset;
        return;
    }
    if (x86::selector::is_null(selector)) raise_gp();
    Descriptor d = read_descriptor(vcpu, selector, Vector::general_protection);
    if (d.is_system()) return transfer_through(vcpu, selector, d, true);
    call_same_level(vcpu, direct_target(vcpu, selector, d, offset), operand_size);
}

}  // namespace softmetal
