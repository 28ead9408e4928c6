// PUSH, POP, PUSHF, LEAVE of whole slots (SDM vol. 2). RSP changes only after the memory access has
// succeeded.
#include "translator/rules/rules.hpp"
#include "x86/flags.hpp"

#include <Zydis/Zydis.h>

namespace softmetal::translator {
namespace {

bool push(BlockEmitter& e, const Instruction& i) {
    const Operand& source = i.operands[0];
    switch (source.kind) {
        case OperandKind::gpr:
            e.find_pushed_slot();
            e.store_slot(e.read_register(source.index, temporary));
            break;
        case OperandKind::immediate:
            e.find_pushed_slot();
            e.a.mov(jit::ptr(address_register, 0, e.slot()), static_cast<i32>(i.immediate));  // sign-extended
            break;
        case OperandKind::memory:
            e.linear_address(i);
            e.release_flags(e.current().live_before());
            e.host_address(e.slot(), Access::read);
            e.load_slot(address_register);
            e.a.mov(block_field(SOFTMETAL_AREA(scratch)), address_register);
            e.find_pushed_slot();
            e.a.mov(temporary, block_field(SOFTMETAL_AREA(scratch)));
            e.store_slot(temporary);
            break;
        case OperandKind::segment:
            e.find_pushed_slot();
            e.a.movzx(temporary.r32(), segment_selector(source.index));
            e.store_slot(temporary);
            break;
        default: return false;
    }
    e.move_stack_pointer(guest_rsp, -static_cast<i32>(e.slot()));
    return true;
}

/// The image has VM and RF clear, which they are in translated code.
void push_flags(BlockEmitter& e) {
    e.release_flags(x86::flags::status);
    e.find_pushed_slot();
    const auto saved = [](unsigned byte) { return block_field(SOFTMETAL_AREA(saved_flags) + byte, 1); };
    e.a.movzx(temporary.r32(), saved(0));  // OF as 0 or 1
    e.a.shl(temporary.r32(), 11);
    e.a.mov(temporary.r8(), saved(1));  // as in the low byte of RFLAGS
    e.a.or_(temporary, block_field(SOFTMETAL_STATE(rflags)));
    e.store_slot(temporary);
    e.move_stack_pointer(guest_rsp, -static_cast<i32>(e.slot()));
}

bool pop(BlockEmitter& e, const Instruction& i) {
    const Operand& target = i.operands[0];
    if (target.kind != OperandKind::gpr) return false;
    e.find_stack_slot(guest_rsp);
    if (target.index == x86::rsp) {  // what was popped, not what popping makes of it
        e.load_slot(guest_rsp);
        return true;
    }
    if (is_spilled(target.index)) {
        e.load_slot(address_register);
        e.a.mov(guest_gpr(target.index), address_register);
    } else {
        e.load_slot(jit::gpq(host_number(target.index)));
    }
    e.move_stack_pointer(guest_rsp, static_cast<i32>(e.slot()));
    return true;
}

void leave(BlockEmitter& e) {
    e.find_stack_slot(jit::rbp);
    e.move_stack_pointer(jit::rbp, static_cast<i32>(e.slot()));
    e.load_slot(jit::rbp);
}

}  // namespace

bool translate_stack(BlockEmitter& e) {
    const Instruction& i = e.current().instruction;
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_PUSH: return i.operand_size == e.slot() && push(e, i);
        case ZYDIS_MNEMONIC_POP: return i.operand_size == e.slot() && pop(e, i);
        case ZYDIS_MNEMONIC_PUSHFD:
        case ZYDIS_MNEMONIC_PUSHFQ: push_flags(e); return true;
        case ZYDIS_MNEMONIC_LEAVE:
            if (i.operand_size != e.slot()) return false;
            leave(e);
            return true;
        default: return false;
    }
}

}  // namespace softmetal::translator
