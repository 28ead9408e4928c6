// PUSH, POP, PUSHA, POPA, PUSHF, LEAVE (SDM vol. 2). RSP changes only after the memory access has
// succeeded.
#include "translator/rules/rules.hpp"
#include "x86/flags.hpp"

#include <Zydis/Zydis.h>

namespace softmetal::translator {
namespace {

bool push(BlockEmitter& e, const Instruction& i) {
    const Operand& source = i.operands[0];
    const unsigned slot = i.operand_size;
    switch (source.kind) {
        case OperandKind::gpr:
            e.find_pushed(slot);
            e.store_slot(e.read_register(source.index, temporary), slot);
            break;
        case OperandKind::immediate:
            e.find_pushed(slot);
            e.a.mov(jit::ptr(address_register, 0, slot), static_cast<i32>(i.immediate));  // sign-extended
            break;
        case OperandKind::memory:
            e.linear_address(i);
            e.release_flags(e.current().live_before());
            e.host_address(slot, Access::read);
            e.load_slot(address_register, slot);
            e.a.mov(block_field(SOFTMETAL_AREA(scratch)), address_register);
            e.find_pushed(slot);
            e.a.mov(temporary, block_field(SOFTMETAL_AREA(scratch)));
            e.store_slot(temporary, slot);
            break;
        case OperandKind::segment:
            e.find_pushed(slot);
            e.a.movzx(temporary.r32(), segment_selector(source.index));
            e.store_slot(temporary, slot);
            break;
        default: return false;
    }
    e.move_stack_pointer(guest_rsp, -static_cast<i32>(slot));
    return true;
}

/// The image has VM and RF clear, which they are in translated code (V86 mode, where they depend on IOPL,
/// aside).
void push_flags(BlockEmitter& e, const Instruction& i) {
    const unsigned slot = i.operand_size;
    e.release_flags(x86::flags::status);
    e.find_pushed(slot);
    const auto saved = [](unsigned byte) { return block_field(SOFTMETAL_AREA(saved_flags) + byte, 1); };
    e.a.movzx(temporary.r32(), saved(0));  // OF as 0 or 1
    e.a.shl(temporary.r32(), 11);
    e.a.mov(temporary.r8(), saved(1));  // as in the low byte of RFLAGS
    e.a.or_(temporary, block_field(SOFTMETAL_STATE(rflags)));
    e.store_slot(temporary, slot);
    e.move_stack_pointer(guest_rsp, -static_cast<i32>(slot));
}

/// All eight in one piece: register `n` lies at the n-th slot below the top (SDM vol. 2, PUSHA).
constexpr i32 all_registers_place(unsigned n, unsigned slot) { return static_cast<i32>((7 - n) * slot); }

void push_all(BlockEmitter& e, const Instruction& i) {
    const unsigned slot = i.operand_size;
    e.find_pushed(8 * slot);
    for (unsigned n = 0; n < 8; n++)
        e.a.mov(jit::ptr(address_register, all_registers_place(n, slot), slot),
                low_part(jit::gpq(host_number(n)), slot));
    e.move_stack_pointer(guest_rsp, -static_cast<i32>(8 * slot));
}

void pop_all(BlockEmitter& e, const Instruction& i) {
    const unsigned slot = i.operand_size;
    e.find_on_stack(guest_rsp, 8 * slot);
    for (unsigned n = 0; n < 8; n++)
        if (n != x86::rsp)
            e.a.mov(low_part(jit::gpq(host_number(n)), slot),
                    jit::ptr(address_register, all_registers_place(n, slot), slot));
    e.move_stack_pointer(guest_rsp, static_cast<i32>(8 * slot));
}

bool pop(BlockEmitter& e, const Instruction& i) {
    const Operand& target = i.operands[0];
    const unsigned slot = i.operand_size;
    if (target.kind != OperandKind::gpr) return false;
    if (target.index == x86::rsp && e.mode.segmented) return false;  // parts of it
    e.find_on_stack(guest_rsp, slot);
    if (target.index == x86::rsp) {  // what was popped, not what popping makes of it
        e.load_slot(guest_rsp, slot);
        return true;
    }
    if (is_spilled(target.index)) {
        e.load_slot(address_register, slot);
        e.a.mov(guest_gpr(target.index), address_register);
    } else {
        e.load_slot(jit::gpq(host_number(target.index)), slot);
    }
    e.move_stack_pointer(guest_rsp, static_cast<i32>(slot));
    return true;
}

void leave(BlockEmitter& e, const Instruction& i) {
    const unsigned slot = i.operand_size;
    e.find_on_stack(jit::rbp, slot);
    e.move_stack_pointer(jit::rbp, static_cast<i32>(slot));
    e.load_slot(jit::rbp, slot);
}

}  // namespace

bool translate_stack(BlockEmitter& e) {
    const Instruction& i = e.current().instruction;
    if (!e.has_slots_of(i.operand_size)) return false;
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_PUSH: return push(e, i);
        case ZYDIS_MNEMONIC_POP: return pop(e, i);
        case ZYDIS_MNEMONIC_PUSHA:
        case ZYDIS_MNEMONIC_PUSHAD: push_all(e, i); return true;
        case ZYDIS_MNEMONIC_POPA:
        case ZYDIS_MNEMONIC_POPAD: pop_all(e, i); return true;
        case ZYDIS_MNEMONIC_PUSHF:
        case ZYDIS_MNEMONIC_PUSHFD:
        case ZYDIS_MNEMONIC_PUSHFQ:
            if (e.mode.segmented && e.mode.privilege == Privilege::user) return false;  // it may be V86 mode
            push_flags(e, i);
            return true;
        case ZYDIS_MNEMONIC_LEAVE: leave(e, i); return true;
        default: return false;
    }
}

}  // namespace softmetal::translator
