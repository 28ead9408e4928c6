// Jumps, calls, returns, loops, software interrupts, system calls (SDM vol. 1, ch. 5.1.7 and 6).
#include "cpu/event_delivery.hpp"
#include "cpu/far_transfer.hpp"
#include "interpreter/conditions.hpp"
#include "interpreter/operands.hpp"
#include "interpreter/semantics.hpp"

#include <Zydis/Zydis.h>

namespace softmetal::interpreter {
namespace {

/// The branch target in the operand size: 16-bit branches lose the upper half of the instruction pointer.
[[nodiscard]] u64 relative_target(const CpuState& state, const Instruction& i) {
    const u64 target = state.rip + i.immediate;
    return i.operand_size == 8 ? target : target & low_bits(i.operand_size * 8u);
}

void branch_to(CpuState& state, const Instruction& i, u64 target) {
    if (i.mode == 8) {
        if (!is_canonical(target)) [[unlikely]]
            raise_gp();
    } else {
        check_branch_target(state, target);
    }
    state.rip = target;
}

void jump_relative(Vcpu& vcpu, const Instruction& i, void*) {
    branch_to(vcpu.state, i, relative_target(vcpu.state, i));
}

template <unsigned cc>
void jump_if(Vcpu& vcpu, const Instruction& i, void*) {
    if (holds<cc>(vcpu.state.rflags)) branch_to(vcpu.state, i, relative_target(vcpu.state, i));
}

template <Word T, class Source>
void jump_indirect(Vcpu& vcpu, const Instruction& i, void*) {
    branch_to(vcpu.state, i, Source::template read<T>(vcpu, i, 0));
}

/// Checks the target before it pushes.
template <Word T>
void call(Vcpu& vcpu, const Instruction& i, u64 target) {
    check_branch_target(vcpu.state, target);
    push_word<T>(vcpu, i, static_cast<T>(vcpu.state.rip));
    vcpu.state.rip = target;
}

template <Word T>
void call_relative(Vcpu& vcpu, const Instruction& i, void*) {
    call<T>(vcpu, i, relative_target(vcpu.state, i));
}

template <Word T, class Source>
void call_indirect(Vcpu& vcpu, const Instruction& i, void*) {
    call<T>(vcpu, i, Source::template read<T>(vcpu, i, 0));
}

template <Word T>
void ret(Vcpu& vcpu, const Instruction& i, void*) {
    branch_to(vcpu.state, i, top_word<T>(vcpu, i));
    release_stack(vcpu.state, i, sizeof(T) + (i.immediate & 0xffff));
}

// --- LOOP, JrCXZ: the count has the address size

enum class LoopKind { always, while_zero, while_not_zero };

/// REP prefixes with LOOPcc are reserved (SDM vol. 2 and APM vol. 3, REP); on AMD's processors they decide as
/// they do for strings.
LoopKind kind_by_prefix(const Vcpu& vcpu, const Instruction& i, LoopKind kind) {
    if (kind == LoopKind::always || !vcpu.model.is_amd()) return kind;
    for (unsigned n = i.layout.opcode; n-- > 0;) {
        if (i.bytes[n] == 0xf2) return LoopKind::while_not_zero;
        if (i.bytes[n] == 0xf3) return LoopKind::while_zero;
    }
    return kind;
}

template <LoopKind form>
void loop(Vcpu& vcpu, const Instruction& i, void*) {
    CpuState& state = vcpu.state;
    const LoopKind kind = kind_by_prefix(vcpu, i, form);
    const u64 count = (state.gpr[x86::rcx] - 1) & low_bits(i.address_size * 8u);
    const bool zf = state.rflags & x86::flags::zf;
    const bool again = count != 0 && (kind == LoopKind::always || (kind == LoopKind::while_zero) == zf);
    if (again) branch_to(state, i, relative_target(state, i));
    write_gpr(state, x86::rcx, i.address_size, count);
}

void jump_if_count_zero(Vcpu& vcpu, const Instruction& i, void*) {
    if ((vcpu.state.gpr[x86::rcx] & low_bits(i.address_size * 8u)) == 0)
        branch_to(vcpu.state, i, relative_target(vcpu.state, i));
}

// --- far forms

struct FarPointer {
    u16 selector;
    u64 offset;
};

FarPointer far_operand(Vcpu& vcpu, const Instruction& i) {
    if (i.operands[0].kind == OperandKind::far_pointer)
        return {static_cast<u16>(i.immediate2), i.immediate & low_bits(i.operand_size * 8u)};
    const unsigned size = far_offset_size(vcpu, i.operand_size);
    const GuestLinear a = linear_address_of_parts(vcpu, i.memory.segment, effective_offset(vcpu.state, i),
                                                  size, size + 2, Access::read);
    const Privilege p = vcpu.mmu.data_privilege();
    const u64 offset = with_word(size, [&]<Word T>() -> u64 { return vcpu.linear.read<T>(a, p); });
    return {vcpu.linear.read<u16>(a + size, p), offset};
}

void jump_far(Vcpu& vcpu, const Instruction& i, void*) {
    const FarPointer to = far_operand(vcpu, i);
    far_jump(vcpu, to.selector, to.offset, i.operand_size);
}
void call_far(Vcpu& vcpu, const Instruction& i, void*) {
    const FarPointer to = far_operand(vcpu, i);
    far_call(vcpu, to.selector, to.offset, i.operand_size);
}
void return_far(Vcpu& vcpu, const Instruction& i, void*) {
    far_return(vcpu, i.operand_size, static_cast<u16>(i.immediate));
}
void iret(Vcpu& vcpu, const Instruction& i, void*) { interrupt_return(vcpu, i.operand_size); }

/// Zydis gives near and far forms one mnemonic; the opcode tells (CALL 9A, FF /3; JMP EA, FF /5; RET CA, CB).
[[nodiscard]] bool is_far(const Instruction& i) {
    const u8 opcode = i.bytes[i.layout.opcode];
    if (opcode == 0xff) {
        const unsigned digit = i.bytes[i.layout.modrm] >> 3 & 7;
        return digit == 3 || digit == 5;
    }
    return opcode == 0x9a || opcode == 0xea || opcode == 0xca || opcode == 0xcb;
}

// --- software interrupts, system calls

void int_n(Vcpu& vcpu, const Instruction& i, void*) {
    deliver_software_interrupt(vcpu, static_cast<u8>(i.immediate), SoftwareInterrupt::int_n);
}
void int3(Vcpu& vcpu, const Instruction&, void*) {
    deliver_software_interrupt(vcpu, static_cast<u8>(x86::Vector::breakpoint), SoftwareInterrupt::int3);
}
void into(Vcpu& vcpu, const Instruction&, void*) {
    if (vcpu.state.rflags & x86::flags::of)
        deliver_software_interrupt(vcpu, static_cast<u8>(x86::Vector::overflow), SoftwareInterrupt::into);
}
void int1(Vcpu& vcpu, const Instruction&, void*) {
    deliver_software_interrupt(vcpu, static_cast<u8>(x86::Vector::debug), SoftwareInterrupt::int1);
}
void undefined(Vcpu&, const Instruction&, void*) { raise_ud(); }

void syscall(Vcpu& vcpu, const Instruction&, void*) { system_call(vcpu); }
/// A TF that SYSRET loads traps at once, other than POPF's and IRET's, which let one instruction pass.
void sysret(Vcpu& vcpu, const Instruction& i, void*) {
    system_return(vcpu, i.layout.rex & 8 ? 8 : 4);
    if (vcpu.state.rflags & x86::flags::tf)
        throw GuestException{.vector = x86::Vector::debug, .trap = true, .dr6 = x86::dr6::single_step};
}
void sysenter_instruction(Vcpu& vcpu, const Instruction&, void*) { sysenter(vcpu); }
void sysexit_instruction(Vcpu& vcpu, const Instruction& i, void*) { sysexit(vcpu, i.layout.rex & 8 ? 8 : 4); }

// --- forms

Semantics jump_semantics(const Instruction& i) {
    if (is_far(i)) return jump_far;
    if (i.operands[0].kind == OperandKind::relative) return jump_relative;
    return with_word(i.operand_size, [&]<Word T>() -> Semantics {
        return i.has_memory ? jump_indirect<T, MemoryLocation> : jump_indirect<T, RegisterOperand>;
    });
}

Semantics call_semantics(const Instruction& i) {
    if (is_far(i)) return call_far;
    return with_word(i.operand_size, [&]<Word T>() -> Semantics {
        if (i.operands[0].kind == OperandKind::relative) return call_relative<T>;
        return i.has_memory ? call_indirect<T, MemoryLocation> : call_indirect<T, RegisterOperand>;
    });
}

}  // namespace

Semantics control_transfer_semantics(const Instruction& i) {
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_JMP: return jump_semantics(i);
        case ZYDIS_MNEMONIC_CALL: return call_semantics(i);
        case ZYDIS_MNEMONIC_RET:
            if (is_far(i)) return return_far;
            return with_word(i.operand_size, []<Word T>() -> Semantics { return ret<T>; });
        case ZYDIS_MNEMONIC_IRET:
        case ZYDIS_MNEMONIC_IRETD:
        case ZYDIS_MNEMONIC_IRETQ: return iret;
        case ZYDIS_MNEMONIC_LOOP: return loop<LoopKind::always>;
        case ZYDIS_MNEMONIC_LOOPE: return loop<LoopKind::while_zero>;
        case ZYDIS_MNEMONIC_LOOPNE: return loop<LoopKind::while_not_zero>;
        case ZYDIS_MNEMONIC_JCXZ:
        case ZYDIS_MNEMONIC_JECXZ:
        case ZYDIS_MNEMONIC_JRCXZ: return jump_if_count_zero;
        case ZYDIS_MNEMONIC_INT: return int_n;
        case ZYDIS_MNEMONIC_INT3: return int3;
        case ZYDIS_MNEMONIC_INTO: return into;
        case ZYDIS_MNEMONIC_INT1: return int1;
        case ZYDIS_MNEMONIC_UD0:
        case ZYDIS_MNEMONIC_UD1:
        case ZYDIS_MNEMONIC_UD2: return undefined;
        case ZYDIS_MNEMONIC_SYSCALL: return syscall;
        case ZYDIS_MNEMONIC_SYSRET: return sysret;
        case ZYDIS_MNEMONIC_SYSENTER: return sysenter_instruction;
        case ZYDIS_MNEMONIC_SYSEXIT: return sysexit_instruction;
        default: break;
    }
    if (i.category == ZYDIS_CATEGORY_COND_BR)
        return with_condition(condition_code(i), []<unsigned cc>() -> Semantics { return jump_if<cc>; });
    return nullptr;
}

}  // namespace softmetal::interpreter
