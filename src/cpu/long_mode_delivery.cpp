// Interrupts and exceptions in 64-bit mode and from compatibility mode (SDM vol. 3, ch. 6.14).
#include "cpu/gate_delivery.hpp"
#include "cpu/segmentation.hpp"

#include <cstring>

namespace softmetal {

namespace {

namespace flags = x86::flags;
namespace type = x86::system_type;
using x86::Segment;
using x86::Vector;

// 64-bit TSS (SDM vol. 3, fig. 8-11).
constexpr unsigned tss_rsp0 = 0x04, tss_ist1 = 0x24;

u64 stack_pointer_from_tss(Vcpu& vcpu, unsigned offset) {
    const CpuState& state = vcpu.state;
    if (!state.tr.usable() || offset + 7 > state.tr.limit)
        raise(Vector::invalid_tss, selector_error(state.tr.selector));
    return vcpu.linear.read<u64>({state.tr.base + offset}, vcpu.mmu.system_privilege());
}

}  // namespace

void enter_long_mode_handler(Vcpu& vcpu, const GateEvent& event) {
    CpuState& state = vcpu.state;
    const unsigned cpl = state.cpl();
    const u32 gate_code = idt_error(event.vector);
    if (event.vector * 16u + 15 > state.idtr.limit) raise_gp(gate_code);
    const GuestLinear gate_at{state.idtr.base + event.vector * 16u};
    const Privilege system = vcpu.mmu.system_privilege();
    const Descriptor gate{vcpu.linear.read<u64>(gate_at, system), vcpu.linear.read<u64>(gate_at + 8, system)};

    const bool interrupt_gate = gate.type() == type::interrupt_gate;
    if (!gate.is_system() || !(interrupt_gate || gate.type() == type::trap_gate)) raise_gp(gate_code);
    if (event.checks_gate_privilege && gate.dpl() < cpl) raise_gp(gate_code);
    if (!gate.present()) raise(Vector::segment_not_present, gate_code);

    const u16 selector = gate.gate_selector();
    if (x86::selector::is_null(selector)) raise_gp();
    Descriptor code = read_descriptor(vcpu, selector, Vector::general_protection);
    if (!code.is_code() || code.dpl() > cpl || !code.is_long_code() || code.default_big())
        raise_gp(selector_error(selector));
    if (!code.present()) raise(Vector::segment_not_present, selector_error(selector));
    if (!is_canonical(gate.gate_offset())) raise_gp();

    const unsigned new_cpl = code.is_conforming_code() ? cpl : code.dpl();
    const auto stack_index = static_cast<unsigned>(bits(gate.low, 34, 32));
    u64 rsp = state.gpr[x86::rsp];
    if (stack_index)
        rsp = stack_pointer_from_tss(vcpu, tss_ist1 + 8 * (stack_index - 1));
    else if (new_cpl != cpl)
        rsp = stack_pointer_from_tss(vcpu, tss_rsp0 + 8 * new_cpl);
    rsp &= ~u64{15};

    // Lowest address first: error code, RIP, CS, RFLAGS, RSP, SS.
    const std::array<u64, 6> frame{event.error_code.value_or(0),
                                   state.rip,
                                   state.seg(Segment::cs).selector,
                                   event.flags,
                                   state.gpr[x86::rsp],
                                   state.seg(Segment::ss).selector};
    const unsigned skipped = event.error_code ? 0 : 1;
    const auto size = static_cast<unsigned>((frame.size() - skipped) * sizeof(u64));
    const GuestLinear bottom{rsp - size};
    if (!is_canonical(bottom.value) || !is_canonical(rsp - 1)) raise(Vector::stack_fault, 0);
    const Privilege stack_privilege = new_cpl == 3 ? Privilege::user : system;
    mark_accessed(vcpu, selector, code);
    if (u8* host = vcpu.linear.in_place(bottom, size, Access::write, stack_privilege)) {
        std::memcpy(host, &frame[skipped], size);
    } else {
        // The frame is pushed: the topmost slot that cannot be written is the one that faults.
        for (u64 slot = rsp; slot != bottom.value; slot -= sizeof(u64))
            vcpu.linear.probe_write({slot - sizeof(u64)}, sizeof(u64), stack_privilege);
        vcpu.linear.write_bytes(bottom, std::as_bytes(std::span(frame)).subspan(skipped * sizeof(u64)),
                                stack_privilege);
    }

    state.gpr[x86::rsp] = bottom.value;
    state.seg(Segment::cs) = code.as_segment(static_cast<u16>((selector & ~3u) | new_cpl));
    if (new_cpl != cpl) state.seg(Segment::ss) = null_stack_segment(new_cpl);
    state.rip = gate.gate_offset();
    state.rflags &= ~(flags_cleared_by_gates | (interrupt_gate ? flags::interrupt : 0));
}

}  // namespace softmetal
