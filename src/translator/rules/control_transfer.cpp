// Near jumps, calls and returns (SDM vol. 2, Jcc, JMP, CALL, RET, LOOP).
#include "translator/rules/rules.hpp"

#include <Zydis/Zydis.h>
#include <algorithm>
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

/// R10 = the instruction pointer of `bytes` bytes at host address R10.
void load_return_address(BlockEmitter& e, unsigned bytes) {
    if (bytes == 2)
        e.a.movzx(address_register.r32(), jit::word_ptr(address_register));
    else
        e.load_slot(address_register, bytes);
}

/// The first operand's value in R10: a register or memory.
void load_target(BlockEmitter& e, const Instruction& i) {
    if (i.operands[0].kind == OperandKind::memory) {
        e.linear_address(i);
        e.release_flags(e.current().live_before());
        e.host_address(i.operand_size, Access::read);
        load_return_address(e, i.operand_size);
    } else {
        const jit::Gp value = e.read_register(i.operands[0].index, address_register);
        if (value != address_register) e.cut_address(value, i.operand_size);
    }
}

void push_return_address(BlockEmitter& e) {
    const u64 next = e.current().next_rip();
    const unsigned slot = e.current().instruction.operand_size;
    e.find_pushed(slot);
    if (e.mode.legacy) {
        e.load_guest_address(temporary, next);
        e.store_slot(temporary, slot);
    } else if (next == static_cast<u64>(static_cast<i64>(static_cast<i32>(next)))) {
        e.a.mov(jit::qword_ptr(address_register), static_cast<i32>(next));
        e.keep_here();
    } else {
        e.load_guest_address(temporary, next);
        e.a.mov(jit::qword_ptr(address_register), temporary);
    }
    e.move_stack_pointer(guest_rsp, -static_cast<i32>(slot));
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
            e.check_target(i.operand_size);
            e.a.mov(block_field(SOFTMETAL_AREA(scratch)), address_register);
            push_return_address(e);
            e.a.mov(address_register, block_field(SOFTMETAL_AREA(scratch)));
            e.jump_indirect();
            return true;
        case OperandKind::gpr:
            if (i.operands[0].index == x86::rsp) return false;  // it would read the pushed-down value
            if (e.mode.segmented) {
                load_target(e, i);
                e.check_target(i.operand_size);
            }
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
            e.check_target(i.operand_size);
            e.jump_indirect();
            return true;
        default: return false;
    }
}

void near_return(BlockEmitter& e, const Instruction& i) {
    const unsigned slot = i.operand_size;
    e.find_on_stack(guest_rsp, slot);
    load_return_address(e, slot);
    e.check_target(slot);
    const bool releases = i.operands[0].kind == OperandKind::immediate;
    e.move_stack_pointer(guest_rsp, static_cast<i32>(slot + (releases ? i.immediate & 0xffff : 0)));
    e.jump_indirect();
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

/// Of LOOP and JRCXZ: goes to `zero` where RCX, ECX or CX is 0, else to `other`. Keeps flags; uses R11.
void test_counter(BlockEmitter& e, const Instruction& i, const asmjit::Label& zero,
                  const asmjit::Label& other) {
    const asmjit::Label is_zero = e.a.newLabel();
    const bool word = i.address_size == 2;  // which the host has no such jump for
    if (word) {
        e.a.mov(temporary, jit::rcx);
        e.a.movzx(jit::ecx, jit::cx);
    }
    e.a.jecxz(low_part(jit::rcx, word ? 4 : i.address_size), is_zero);
    if (word) e.a.mov(jit::rcx, temporary);
    e.a.long_().jmp(other);
    e.a.bind(is_zero);
    if (word) e.a.mov(jit::rcx, temporary);
    e.a.long_().jmp(zero);
}

bool has_repeat_prefix(const Instruction& i) {
    return std::any_of(i.bytes.begin(), i.bytes.begin() + i.layout.opcode,
                       [](u8 byte) { return byte == 0xf2 || byte == 0xf3; });
}

void count_down(BlockEmitter& e, const Instruction& i) {
    if (i.address_size == 2) {
        e.a.lea(temporary.r32(), jit::ptr(jit::rcx, -1));
        e.a.mov(jit::cx, temporary.r16());
    } else {
        e.a.lea(low_part(jit::rcx, i.address_size), jit::ptr(jit::rcx, -1));
    }
}

bool translate_near(BlockEmitter& e) {
    const GuestInstruction& g = e.current();
    const Instruction& i = g.instruction;
    if (!e.has_slots_of(i.operand_size)) return false;
    if (i.operands[0].kind == OperandKind::relative && e.leaves_segment(g.target_rip())) return false;
    if (const auto condition = condition_of(i.mnemonic)) {
        e.require_flags();
        e.branch_to(
            g.target_rip(), [&](const asmjit::Label& taken) { e.a.long_().j(*condition, taken); }, true);
        return true;
    }
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_CALL: return !is_far_branch(i) && call(e, g);
        case ZYDIS_MNEMONIC_JMP: return !is_far_branch(i) && jump(e, g);
        case ZYDIS_MNEMONIC_RET:
            if (i.bytes[i.layout.opcode] == 0xca || i.bytes[i.layout.opcode] == 0xcb) return false;
            near_return(e, i);
            return true;
        case ZYDIS_MNEMONIC_JRCXZ:
        case ZYDIS_MNEMONIC_JECXZ:
        case ZYDIS_MNEMONIC_JCXZ:
            e.branch_to(g.target_rip(), [&](const asmjit::Label& taken) {
                const asmjit::Label other = e.a.newLabel();
                test_counter(e, i, taken, other);
                e.a.bind(other);
            });
            return true;
        case ZYDIS_MNEMONIC_LOOPE:
        case ZYDIS_MNEMONIC_LOOPNE:
            if (has_repeat_prefix(i)) return false;  // the vendors differ in what it does
            e.require_flags();
            count_down(e, i);
            e.branch_to(g.target_rip(), [&](const asmjit::Label& taken) {
                const asmjit::Label done = e.a.newLabel(), more = e.a.newLabel();
                test_counter(e, i, done, more);
                e.a.bind(more);
                e.a.long_().j(i.mnemonic == ZYDIS_MNEMONIC_LOOPE ? jit::CondCode::kE : jit::CondCode::kNE,
                              taken);
                e.a.bind(done);
            });
            return true;
        case ZYDIS_MNEMONIC_LOOP:
            count_down(e, i);
            e.branch_to(g.target_rip(), [&](const asmjit::Label& taken) {
                const asmjit::Label done = e.a.newLabel();
                test_counter(e, i, done, taken);
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
        e.jump_to(e.current().next_rip());  // where it was not taken
    }
    return true;
}

}  // namespace softmetal::translator
