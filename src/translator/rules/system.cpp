// Privileged instructions that kernels execute too often to interpret.
#include "translator/rules/rules.hpp"
#include "x86/flags.hpp"

#include <Zydis/Zydis.h>

namespace softmetal::translator {
namespace {

/// RFLAGS as bytes, so that an immediate of one byte reaches a flag.
jit::Mem rflags_byte(unsigned n) { return block_field(SOFTMETAL_STATE(rflags) + n, 1); }
constexpr u8 interrupt_in_byte1 = x86::flags::interrupt >> 8;
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

}  // namespace

bool translate_system(BlockEmitter& e) {
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
