// IN, OUT, CLI and STI: what IOPL governs (SDM vol. 1, ch. 19.5; vol. 2, CLI, STI; vol. 3, ch. 20.3).
#include "cpu/system_registers.hpp"
#include "interpreter/operands.hpp"
#include "interpreter/semantics.hpp"

#include <Zydis/Zydis.h>

namespace softmetal::interpreter {
namespace {

namespace flags = x86::flags;

/// The port: DX or an immediate byte.
[[nodiscard]] u16 port_operand(const CpuState& state, const Instruction& i, unsigned number) {
    return i.operands[number].kind == OperandKind::immediate ? static_cast<u16>(i.immediate & 0xff)
                                                             : read_word<u16>(state, x86::rdx);
}

void in(Vcpu& vcpu, const Instruction& i, void*) {
    const u16 port = port_operand(vcpu.state, i, 1);
    const unsigned width = i.operands[0].size;
    check_port_permission(vcpu, port, width);
    vcpu.counters.port_accesses++;
    write_gpr(vcpu.state, x86::rax, width, vcpu.ports.read(port, width));
}

void out(Vcpu& vcpu, const Instruction& i, void*) {
    const u16 port = port_operand(vcpu.state, i, 0);
    const unsigned width = i.operands[1].size;
    check_port_permission(vcpu, port, width);
    vcpu.counters.port_accesses++;
    vcpu.ports.write(port, width, read_gpr(vcpu.state, x86::rax, width));
}

/// Which flag CLI and STI change here: IF, or VIF for a task whose interrupt flag is virtual. Raises #GP.
[[nodiscard]] u64 interrupt_flag_in_reach(const CpuState& state) {
    if (state.real_mode()) return flags::interrupt;
    const u64 iopl = (state.rflags & flags::iopl) >> flags::iopl_shift;
    if (state.v86_mode()) {
        if (iopl == 3) return flags::interrupt;
        if (state.cr4 & x86::cr4::vme) return flags::vif;
        raise_gp();
    }
    const unsigned cpl = state.cpl();
    if (cpl <= iopl) return flags::interrupt;
    if (cpl == 3 && state.cr4 & x86::cr4::pvi) return flags::vif;
    raise_gp();
}

void cli(Vcpu& vcpu, const Instruction&, void*) { vcpu.state.rflags &= ~interrupt_flag_in_reach(vcpu.state); }

void sti(Vcpu& vcpu, const Instruction&, void*) {
    CpuState& state = vcpu.state;
    const u64 flag = interrupt_flag_in_reach(state);
    if (flag == flags::vif && state.rflags & flags::vip) raise_gp();
    if (flag == flags::interrupt && !(state.rflags & flags::interrupt)) state.shadow = InterruptShadow::sti;
    state.rflags |= flag;
}

}  // namespace

Semantics iopl_sensitive_semantics(const Instruction& i) {
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_IN: return in;
        case ZYDIS_MNEMONIC_OUT: return out;
        case ZYDIS_MNEMONIC_CLI: return cli;
        case ZYDIS_MNEMONIC_STI: return sti;
        default: return nullptr;
    }
}

}  // namespace softmetal::interpreter
