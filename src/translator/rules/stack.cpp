// PUSH, POP, PUSHFQ, LEAVE in 64-bit code (SDM vol. 2). RSP changes only after the memory access has
// succeeded.
#include "translator/rules/rules.hpp"
#include "x86/flags.hpp"

#include <Zydis/Zydis.h>

namespace softmetal::translator {
namespace {

constexpr unsigned slot = 8;

void stack_slot_for_push(BlockEmitter& e) {
    e.a.lea(address_register, jit::ptr(guest_rsp, -static_cast<i32>(slot)));
    e.release_flags(e.current().live_before());
    e.host_address(slot, Access::write);
}

bool push(BlockEmitter& e, const Instruction& i) {
    const Operand& source = i.operands[0];
    switch (source.kind) {
        case OperandKind::gpr:
            stack_slot_for_push(e);
            e.a.mov(jit::qword_ptr(address_register), e.read_register(source.index, temporary));
            break;
        case OperandKind::immediate:
            stack_slot_for_push(e);
            e.a.mov(jit::qword_ptr(address_register), static_cast<i32>(i.immediate));  // sign-extended
            break;
        case OperandKind::memory:
            e.linear_address(i);
            e.release_flags(e.current().live_before());
            e.host_address(slot, Access::read);
            e.a.mov(address_register, jit::qword_ptr(address_register));
            e.a.mov(block_field(SOFTMETAL_AREA(scratch)), address_register);
            stack_slot_for_push(e);
            e.a.mov(temporary, block_field(SOFTMETAL_AREA(scratch)));
            e.a.mov(jit::qword_ptr(address_register), temporary);
            break;
        default: return false;  // segment registers
    }
    e.a.lea(guest_rsp, jit::ptr(guest_rsp, -static_cast<i32>(slot)));
    return true;
}

/// The image has VM and RF clear, which they are in translated code.
void push_flags(BlockEmitter& e) {
    e.release_flags(x86::flags::status);
    e.a.lea(address_register, jit::ptr(guest_rsp, -static_cast<i32>(slot)));
    e.host_address(slot, Access::write);
    const auto saved = [](unsigned byte) { return block_field(SOFTMETAL_AREA(saved_flags) + byte, 1); };
    e.a.movzx(temporary.r32(), saved(0));  // OF as 0 or 1
    e.a.shl(temporary.r32(), 11);
    e.a.mov(temporary.r8(), saved(1));  // as in the low byte of RFLAGS
    e.a.or_(temporary, block_field(SOFTMETAL_STATE(rflags)));
    e.a.mov(jit::qword_ptr(address_register), temporary);
    e.a.lea(guest_rsp, jit::ptr(guest_rsp, -static_cast<i32>(slot)));
}

bool pop(BlockEmitter& e, const Instruction& i) {
    const Operand& target = i.operands[0];
    if (target.kind != OperandKind::gpr) return false;
    e.a.mov(address_register, guest_rsp);
    e.release_flags(e.current().live_before());
    e.host_address(slot, Access::read);
    if (target.index == x86::rsp) {  // what was popped, not what popping makes of it
        e.a.mov(guest_rsp, jit::qword_ptr(address_register));
        return true;
    }
    if (is_spilled(target.index)) {
        e.a.mov(address_register, jit::qword_ptr(address_register));
        e.a.mov(guest_gpr(target.index), address_register);
    } else {
        e.a.mov(jit::gpq(host_number(target.index)), jit::qword_ptr(address_register));
    }
    e.a.lea(guest_rsp, jit::ptr(guest_rsp, slot));
    return true;
}

void leave(BlockEmitter& e) {
    e.a.mov(address_register, jit::rbp);
    e.release_flags(e.current().live_before());
    e.host_address(slot, Access::read);
    e.a.lea(guest_rsp, jit::ptr(jit::rbp, slot));
    e.a.mov(jit::rbp, jit::qword_ptr(address_register));
}

}  // namespace

bool translate_stack(BlockEmitter& e) {
    const Instruction& i = e.current().instruction;
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_PUSH: return i.operand_size == slot && push(e, i);
        case ZYDIS_MNEMONIC_POP: return i.operand_size == slot && pop(e, i);
        case ZYDIS_MNEMONIC_PUSHFQ: push_flags(e); return true;
        case ZYDIS_MNEMONIC_LEAVE:
            if (i.operand_size != slot) return false;
            leave(e);
            return true;
        default: return false;
    }
}

}  // namespace softmetal::translator
