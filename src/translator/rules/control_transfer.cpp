// Near jumps, calls and returns (SDM vol. 2, Jcc, JMP, CALL, RET, LOOP).
#include "translator/rules/rules.hpp"

#include <Zydis/Zydis.h>
#include <limits>
#include <optional>

namespace softmetal::translator {
namespace {

std::optional<asmjit::x86::CondCode> condition_of(ZydisMnemonic mnemonic) {
    using asmjit::x86::CondCode;
    switch (mnemonic) {
        case ZYDIS_MNEMONIC_JO: return CondCode::kO;
        case ZYDIS_MNEMONIC_JNO: return CondCode::kNO;
        case ZYDIS_MNEMONIC_JB: return CondCode::kB;
        case ZYDIS_MNEMONIC_JNB: return CondCode::kAE;
        case ZYDIS_MNEMONIC_JZ: return CondCode::kE;
        case ZYDIS_MNEMONIC_JNZ: return CondCode::kNE;
        case ZYDIS_MNEMONIC_JBE: return CondCode::kBE;
        case ZYDIS_MNEMONIC_JNBE: return CondCode::kA;
        case ZYDIS_MNEMONIC_JS: return CondCode::kS;
        case ZYDIS_MNEMONIC_JNS: return CondCode::kNS;
        case ZYDIS_MNEMONIC_JP: return CondCode::kP;
        case ZYDIS_MNEMONIC_JNP: return CondCode::kNP;
        case ZYDIS_MNEMONIC_JL: return CondCode::kL;
        case ZYDIS_MNEMONIC_JNL: return CondCode::kGE;
        case ZYDIS_MNEMONIC_JLE: return CondCode::kLE;
        case ZYDIS_MNEMONIC_JNLE: return CondCode::kG;
        default: return std::nullopt;
    }
}

/// The first operand's value in R10: a register or memory.
void load_target(BlockEmitter& e, const Instruction& i) {
    if (i.operands[0].kind == OperandKind::memory) {
        e.linear_address(i);
        e.release_flags(e.current().live_before());
        e.host_address(e.slot(), Access::read);
        e.load_slot(address_register);
    } else {
        const jit::Gp value = e.read_register(i.operands[0].index, address_register);
        if (e.mode.code32)
            e.a.mov(address_register.r32(), value.r32());
        else if (value != address_register)
            e.a.mov(address_register, value);
    }
}

void push_return_address(BlockEmitter& e) {
    const u64 next = e.current().next_rip();
    e.find_pushed_slot();
    if (e.mode.code32) {
        e.load_guest_address(temporary, next);
        e.a.mov(jit::dword_ptr(address_register), temporary.r32());
    } else if (next == static_cast<u64>(static_cast<i64>(static_cast<i32>(next)))) {
        e.a.mov(jit::qword_ptr(address_register), static_cast<i32>(next));
        e.keep_here();
    } else {
        e.load_guest_address(temporary, next);
        e.a.mov(jit::qword_ptr(address_register), temporary);
    }
    e.move_stack_pointer(guest_rsp, -static_cast<i32>(e.slot()));
}

bool call(BlockEmitter& e, const GuestInstruction& g) {
    const Instruction& i = g.instruction;
    switch (i.operands[0].kind) {
        case OperandKind::relative:
            push_return_address(e);
            e.jump_to(g.target_rip());
            return true;
        case OperandKind::memory:
            load_target(e, i);
            e.a.mov(block_field(SOFTMETAL_AREA(scratch)), address_register);
            push_return_address(e);
            e.a.mov(address_register, block_field(SOFTMETAL_AREA(scratch)));
            e.jump_indirect();
            return true;
        case OperandKind::gpr:
            if (i.operands[0].index == x86::rsp) return false;  // it would read the pushed-down value
            push_return_address(e);
            load_target(e, i);
            e.jump_indirect();
            return true;
        default: return false;
    }
}

bool jump(BlockEmitter& e, const GuestInstruction& g) {
    const Instruction& i = g.instruction;
    switch (i.operands[0].kind) {
        case OperandKind::relative: e.jump_to(g.target_rip()); return true;
        case OperandKind::memory:
        case OperandKind::gpr:
            load_target(e, i);
            e.jump_indirect();
            return true;
        default: return false;
    }
}

void near_return(BlockEmitter& e, const Instruction& i) {
    e.find_stack_slot(guest_rsp);
    e.load_slot(address_register);
    const bool releases = i.operands[0].kind == OperandKind::immediate;
    e.move_stack_pointer(guest_rsp, static_cast<i32>(e.slot() + (releases ? i.immediate & 0xffff : 0)));
    e.jump_indirect();
}

bool is_far(const Instruction& i) {
    if (i.operands[0].kind == OperandKind::far_pointer) return true;
    return i.operands[0].kind == OperandKind::memory && i.memory.size != i.operand_size;
}

bool is_control_transfer(const Instruction& i) {
    switch (i.category) {
        case ZYDIS_CATEGORY_COND_BR:
        case ZYDIS_CATEGORY_UNCOND_BR:
        case ZYDIS_CATEGORY_CALL:
        case ZYDIS_CATEGORY_RET: return true;
        default: return false;
    }
}

/// Of LOOP and JRCXZ.
jit::Gp counter(const Instruction& i) {
    if (i.address_size == 8) return jit::rcx;
    return jit::ecx;
}

bool translate_near(BlockEmitter& e) {
    const GuestInstruction& g = e.current();
    const Instruction& i = g.instruction;
    if (i.operand_size != e.slot()) return false;  // an operand-size prefix cuts the target
    if (!e.reaches(i)) return false;
    if (const auto condition = condition_of(i.mnemonic)) {
        e.require_flags();
        e.branch_to(
            g.target_rip(), [&](const asmjit::Label& taken) { e.a.long_().j(*condition, taken); }, true);
        return true;
    }
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_CALL: return !is_far(i) && call(e, g);
        case ZYDIS_MNEMONIC_JMP: return !is_far(i) && jump(e, g);
        case ZYDIS_MNEMONIC_RET:
            if (i.bytes[i.layout.opcode] == 0xca || i.bytes[i.layout.opcode] == 0xcb) return false;
            near_return(e, i);
            return true;
        case ZYDIS_MNEMONIC_JRCXZ:
        case ZYDIS_MNEMONIC_JECXZ:
            e.branch_to(g.target_rip(), [&](const asmjit::Label& taken) {
                const asmjit::Label zero = e.a.newLabel(), other = e.a.newLabel();
                e.a.jecxz(counter(i), zero);
                e.a.short_().jmp(other);
                e.a.bind(zero);
                e.a.long_().jmp(taken);
                e.a.bind(other);
            });
            return true;
        case ZYDIS_MNEMONIC_LOOP:
            if (i.address_size == 2) return false;
            e.a.lea(counter(i), jit::ptr(jit::rcx, -1));
            e.branch_to(g.target_rip(), [&](const asmjit::Label& taken) {
                const asmjit::Label done = e.a.newLabel();
                e.a.jecxz(counter(i), done);
                e.a.long_().jmp(taken);
                e.a.bind(done);
            });
            return true;
        default: return false;
    }
}

}  // namespace

bool translate_control_transfer(BlockEmitter& e) {
    if (!is_control_transfer(e.current().instruction)) return false;
    if (!translate_near(e)) {
        e.interpret();
        e.jump_to(e.current().next_rip());  // where it was not taken (LOOPE)
    }
    return true;
}

}  // namespace softmetal::translator
