// System instructions, privileged or not, that are executed too often to be interpreted.
#include "translator/rules/rules.hpp"
#include "x86/flags.hpp"

#include <Zydis/Zydis.h>

namespace softmetal::translator {
namespace {

/// RFLAGS as bytes, so that an immediate of one byte reaches a flag.
jit::Mem rflags_byte(unsigned n) { return block_field(SOFTMETAL_STATE(rflags) + n, 1); }
constexpr u8 interrupt_in_byte1 = x86::flags::interrupt >> 8;
constexpr u8 direction_in_byte1 = x86::flags::df >> 8;
constexpr u8 alignment_in_byte2 = x86::flags::ac >> 16;

void clear_interrupt_flag(BlockEmitter& e) {
    e.release_flags(e.current().live_before());
    e.a.and_(rflags_byte(1), static_cast<u8>(~interrupt_in_byte1));
}

/// STI holds interrupts off for one more instruction (SDM vol. 2, STI): the next poll is at a block entry,
/// and another instruction of this block comes before it, or the interpreter sees to it.
bool set_interrupt_flag(BlockEmitter& e) {
    if (e.current().last) return false;
    e.release_flags(e.current().live_before());
    e.a.or_(rflags_byte(1), interrupt_in_byte1);
    e.raise_interrupt_attention();
    return true;
}

/// STAC and CLAC change which pages the code behind them may touch: the block ends, and goes on in the other
/// mode.
void set_access_override(BlockEmitter& e, bool on) {
    e.release_flags(e.current().live_before());
    if (on)
        e.a.or_(rflags_byte(2), alignment_in_byte2);
    else
        e.a.and_(rflags_byte(2), static_cast<u8>(~alignment_in_byte2));
    Mode next = e.mode;
    next.privilege = on ? Privilege::supervisor_any : Privilege::supervisor;
    e.jump_to(e.current().next_rip(), next);
}

void set_direction_flag(BlockEmitter& e, bool on) {
    e.release_flags(e.current().live_before());
    if (on)
        e.a.or_(rflags_byte(1), direction_in_byte1);
    else
        e.a.and_(rflags_byte(1), static_cast<u8>(~direction_in_byte1));
}

/// MOV from a segment register: a register takes the selector zero-extended, memory takes two bytes of it.
bool read_selector(BlockEmitter& e, const Instruction& i) {
    const Operand& target = i.operands[0];
    const jit::Mem selector = segment_selector(i.operands[1].index);
    if (target.kind == OperandKind::memory) {
        e.linear_address(i);
        e.release_flags(e.current().live_before());
        e.host_address(2, Access::write);
        e.a.movzx(temporary.r32(), selector);
        e.a.mov(jit::word_ptr(address_register), temporary.r16());
        return true;
    }
    if (target.kind != OperandKind::gpr) return false;
    e.a.movzx(temporary.r32(), selector);
    if (target.size == 2)
        e.write_register_word(target.index, temporary);
    else
        e.write_register(target.index, temporary);
    return true;
}

void read_base(BlockEmitter& e, const Instruction& i, x86::Segment segment) {
    e.a.mov(temporary, segment_base(segment));
    if (i.operands[0].size == 4) e.a.mov(temporary.r32(), temporary.r32());
    e.write_register(i.operands[0].index, temporary);
}

/// An address that is not canonical raises #GP, which is the interpreter's.
void write_base(BlockEmitter& e, const Instruction& i, x86::Segment segment) {
    e.release_flags(x86::flags::status);
    e.a.mov(address_register, e.read_register(i.operands[0].index, address_register));
    if (i.operands[0].size == 4) {
        e.a.mov(address_register.r32(), address_register.r32());
    } else {
        const asmjit::Label faults = e.a.newLabel();
        e.a.mov(temporary, address_register);
        e.a.shl(temporary, 16);
        e.a.sar(temporary, 16);
        e.a.cmp(temporary, address_register);
        e.a.jne(faults);
        e.interpret_where(faults);
    }
    e.a.mov(segment_base(segment), address_register);
}

bool translate_for_all(BlockEmitter& e) {
    const Instruction& i = e.current().instruction;
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_CLD: set_direction_flag(e, false); return true;
        case ZYDIS_MNEMONIC_STD: set_direction_flag(e, true); return true;
        case ZYDIS_MNEMONIC_MOV: return i.operands[1].kind == OperandKind::segment && read_selector(e, i);
        default: break;
    }
    if (!e.mode.fsgsbase || e.mode.legacy) return false;  // they exist in 64-bit mode only
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_RDFSBASE: read_base(e, i, x86::Segment::fs); return true;
        case ZYDIS_MNEMONIC_RDGSBASE: read_base(e, i, x86::Segment::gs); return true;
        case ZYDIS_MNEMONIC_WRFSBASE: write_base(e, i, x86::Segment::fs); return true;
        case ZYDIS_MNEMONIC_WRGSBASE: write_base(e, i, x86::Segment::gs); return true;
        default: return false;
    }
}

}  // namespace

bool translate_system(BlockEmitter& e) {
    if (translate_for_all(e)) return true;
    if (e.mode.privilege == Privilege::user) return false;
    switch (e.current().instruction.mnemonic) {
        case ZYDIS_MNEMONIC_CLI: clear_interrupt_flag(e); return true;
        case ZYDIS_MNEMONIC_STI: return set_interrupt_flag(e);
        case ZYDIS_MNEMONIC_STAC:
        case ZYDIS_MNEMONIC_CLAC:
            if (!e.mode.smap) return false;
            set_access_override(e, e.current().instruction.mnemonic == ZYDIS_MNEMONIC_STAC);
            return true;
        default: return false;
    }
}

}  // namespace softmetal::translator
