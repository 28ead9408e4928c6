// Instructions that mean the same on the host: only their registers and their memory operand are renamed.
#include "translator/rules/rules.hpp"
#include "x86/flags.hpp"

#include <Zydis/Zydis.h>
#include <bit>
#include <optional>

namespace softmetal::translator {
namespace {

/// Categories whose members all compute on registers and one memory operand, the exceptions below aside.
bool is_computation(const Instruction& i) {
    switch (i.category) {
        case ZYDIS_CATEGORY_BINARY:
        case ZYDIS_CATEGORY_LOGICAL:
        case ZYDIS_CATEGORY_SHIFT:
        case ZYDIS_CATEGORY_ROTATE:
        case ZYDIS_CATEGORY_BITBYTE:
        case ZYDIS_CATEGORY_CMOV:
        case ZYDIS_CATEGORY_SETCC:
        case ZYDIS_CATEGORY_DATAXFER:
        case ZYDIS_CATEGORY_CONVERT:
        case ZYDIS_CATEGORY_SEMAPHORE:
        case ZYDIS_CATEGORY_LOGICAL_FP:
        case ZYDIS_CATEGORY_SSE:
        case ZYDIS_CATEGORY_AVX:
        case ZYDIS_CATEGORY_AVX2:
        case ZYDIS_CATEGORY_MMX:
        case ZYDIS_CATEGORY_VFMA:
        case ZYDIS_CATEGORY_BMI1:
        case ZYDIS_CATEGORY_BMI2:
        case ZYDIS_CATEGORY_ADOX_ADCX:
        case ZYDIS_CATEGORY_LZCNT:
        case ZYDIS_CATEGORY_AES:
        case ZYDIS_CATEGORY_PCLMULQDQ:
        case ZYDIS_CATEGORY_SHA:
        case ZYDIS_CATEGORY_BROADCAST:
        case ZYDIS_CATEGORY_X87_ALU:
        case ZYDIS_CATEGORY_FCMOV:
        case ZYDIS_CATEGORY_CONFLICT:
        case ZYDIS_CATEGORY_VAES:
        case ZYDIS_CATEGORY_VPCLMULQDQ:
        case ZYDIS_CATEGORY_GFNI: return true;
        default: break;
    }
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_CLC:
        case ZYDIS_MNEMONIC_STC:
        case ZYDIS_MNEMONIC_CMC:
        case ZYDIS_MNEMONIC_LAHF:
        case ZYDIS_MNEMONIC_SAHF:
        case ZYDIS_MNEMONIC_LFENCE:
        case ZYDIS_MNEMONIC_SFENCE:
        case ZYDIS_MNEMONIC_MFENCE: return true;
        default: return false;
    }
}

/// Members of those categories with more to them than that.
bool is_exception(const Instruction& i) {
    if (i.privileged || i.memory.vsib || i.layout.encoding == Encoding::other) return true;
    for (unsigned n = 0; n < i.operand_count; n++) switch (i.operands[n].kind) {
            case OperandKind::segment:
            case OperandKind::control:
            case OperandKind::debug:
            case OperandKind::bound: return true;
            default: break;
        }
    switch (i.mnemonic) {
        // Environment images hold FIP and FDP, which must not show the translation's addresses.
        case ZYDIS_MNEMONIC_FNSTENV:
        case ZYDIS_MNEMONIC_FLDENV:
        case ZYDIS_MNEMONIC_FNSAVE:
        case ZYDIS_MNEMONIC_FRSTOR:
        case ZYDIS_MNEMONIC_FXSAVE:
        case ZYDIS_MNEMONIC_FXSAVE64:
        case ZYDIS_MNEMONIC_FXRSTOR:
        case ZYDIS_MNEMONIC_FXRSTOR64:
        // Memory touched only where a mask says so, or at an implicit address.
        case ZYDIS_MNEMONIC_MASKMOVQ:
        case ZYDIS_MNEMONIC_MASKMOVDQU:
        case ZYDIS_MNEMONIC_VMASKMOVDQU:
        case ZYDIS_MNEMONIC_VMASKMOVPS:
        case ZYDIS_MNEMONIC_VMASKMOVPD:
        case ZYDIS_MNEMONIC_VPMASKMOVD:
        case ZYDIS_MNEMONIC_VPMASKMOVQ:
        case ZYDIS_MNEMONIC_XLAT: return true;
        // In 32-bit code they leave the upper eight registers alone (SDM vol. 2, VZEROALL).
        case ZYDIS_MNEMONIC_VZEROALL:
        case ZYDIS_MNEMONIC_VZEROUPPER: return i.mode != 8;
        default: return false;
    }
}

/// CVTSD2SI and its kin name no vector register where their operand is memory, but obey and write MXCSR.
bool converts_floats(const Instruction& i) {
    return i.category == ZYDIS_CATEGORY_CONVERT && i.isa_set != ZYDIS_ISA_SET_I86 &&
           i.isa_set != ZYDIS_ISA_SET_I386 && i.isa_set != ZYDIS_ISA_SET_LONGMODE;
}

/// Is the unit it needs switched on in this mode? If not, the interpreter raises what the architecture says.
bool unit_available(const Instruction& i, const Mode& mode) {
    // Neither real nor V86 mode knows VEX (SDM vol. 2, ch. 2.4), and elsewhere it is rare in such code.
    if (i.layout.encoding == Encoding::vex && mode.segmented) return false;
    if (i.uses_x87 && !mode.x87) return false;
    if (i.vectors_read | i.vectors_written || converts_floats(i))
        return i.layout.encoding == Encoding::vex ? mode.avx : mode.sse;
    switch (i.category) {
        case ZYDIS_CATEGORY_SSE: return mode.sse;
        case ZYDIS_CATEGORY_AVX:
        case ZYDIS_CATEGORY_AVX2: return mode.avx;
        default: return true;
    }
}

bool may_fault(const Instruction& i) {
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_DIV:
        case ZYDIS_MNEMONIC_IDIV:
        case ZYDIS_MNEMONIC_CMPXCHG16B: return true;
        default: break;
    }
    if (i.uses_x87 || i.vectors_read || i.vectors_written || converts_floats(i)) return true;
    switch (i.category) {
        case ZYDIS_CATEGORY_BINARY:
        case ZYDIS_CATEGORY_LOGICAL:
        case ZYDIS_CATEGORY_SHIFT:
        case ZYDIS_CATEGORY_ROTATE:
        case ZYDIS_CATEGORY_BITBYTE:
        case ZYDIS_CATEGORY_CMOV:
        case ZYDIS_CATEGORY_SETCC:
        case ZYDIS_CATEGORY_DATAXFER:
        case ZYDIS_CATEGORY_CONVERT: return false;
        default: return true;
    }
}

/// BT and its kin with a register bit number reach beyond their operand (SDM vol. 2, BT).
bool is_bit_string(const Instruction& i) {
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_BT:
        case ZYDIS_MNEMONIC_BTS:
        case ZYDIS_MNEMONIC_BTR:
        case ZYDIS_MNEMONIC_BTC: return i.has_memory && i.operands[1].kind == OperandKind::gpr;
        default: return false;
    }
}

/// Host registers for the spilled guest registers among the operands.
struct SpilledOperands {
    RegisterMap map = identity_map();
    u16 guests = 0;
    bool enough = true;

    SpilledOperands(const Instruction& i, bool address_in_use) {
        map[x86::rsp] = host_number(x86::rsp);
        unsigned free = address_in_use ? 1 : 2;
        for (unsigned n = 0; n < i.operand_count; n++) {
            const Operand& operand = i.operands[n];
            if (operand.kind != OperandKind::gpr || !is_spilled(operand.index)) continue;
            const u16 bit = static_cast<u16>(1u << operand.index);
            if (guests & bit) continue;
            if (free == 0) {
                enough = false;
                return;
            }
            guests |= bit;
            map[operand.index] = free == 1 ? u8{x86::r11} : u8{x86::r10};
            free--;
        }
    }
};

/// A register that can be named without REX and that the instruction does not use.
std::optional<u8> legacy_register(const Instruction& i) {
    for (u8 r : {x86::rbx, x86::rsi, x86::rdi, x86::rbp, x86::rdx, x86::rcx, x86::rax})
        if (!((i.gprs_read | i.gprs_written) >> r & 1)) return r;
    return std::nullopt;
}

void bit_string_address(BlockEmitter& e, const Instruction& i) {
    e.linear_address(i);
    e.release_flags(e.current().live_before());
    // The register is signed; its upper part moves the operand by whole operands.
    const unsigned index = i.operands[1].index;
    const jit::Gp number = e.read_register(index, temporary);
    switch (i.operand_size) {
        case 8: e.a.mov(temporary, number); break;
        case 4: e.a.movsxd(temporary, number.r32()); break;
        default: e.a.movsx(temporary, number.r16()); break;
    }
    const unsigned bits_log2 = static_cast<unsigned>(std::countr_zero(i.operand_size * 8u));
    e.a.sar(temporary, bits_log2);
    e.a.lea(e.sized(address_register), jit::ptr(address_register, temporary, bits_log2 - 3));
}

/// The host would move the operand again: leaves it the bit number within the operand, in the block's
/// scratch word.
void reduce_bit_number(BlockEmitter& e, const Instruction& i) {
    const jit::Gp number = e.read_register(i.operands[1].index, temporary);
    e.a.mov(temporary.r32(), number.r32());
    e.a.and_(temporary.r32(), i.operand_size * 8 - 1);
    e.a.mov(block_field(SOFTMETAL_AREA(scratch)), temporary);
}

}  // namespace

bool translate_computation(BlockEmitter& e) {
    const GuestInstruction& g = e.current();
    const Instruction& i = g.instruction;
    if (!is_computation(i) || is_exception(i) || !unit_available(i, e.mode)) return false;
    const bool memory = i.has_memory && i.memory.size != 0;
    if (i.has_memory && !memory) return false;
    const bool bit_string = is_bit_string(i);
    // What a segment's limit was checked for is not where the operand lies then.
    const bool checked_segment = e.mode.legacy && i.memory.segment >= x86::Segment::fs;
    if (bit_string && (i.address_size != e.mode.code_size() || checked_segment || e.mode.segmented))
        return false;
    SpilledOperands spilled(i, memory);
    if (!spilled.enough || (bit_string && spilled.map[i.operands[1].index] == x86::rsp)) return false;

    HostAddress address{.base = x86::r10};
    std::optional<u8> borrowed;
    if (bit_string) spilled.map[i.operands[1].index] = x86::r11;
    auto rewritten = rewrite(i, spilled.map, address);
    if (!rewritten && rewritten.error() == RewriteError::high_byte_needs_rex && memory) {
        borrowed = legacy_register(i);
        if (!borrowed) return false;
        address.base = *borrowed;
        rewritten = rewrite(i, spilled.map, address);
    }
    if (!rewritten) return false;

    if (memory) {
        if (bit_string)
            bit_string_address(e, i);
        else
            e.linear_address(i);
        e.release_flags(g.live_before());
        e.host_address(i.memory.size, i.memory.written ? Access::write : Access::read);
    }
    if (bit_string) reduce_bit_number(e, i);
    const bool keeps_some = i.flags_written && (g.live_after & ~i.flags_killed & x86::flags::status);
    if (i.flags_read & x86::flags::status || keeps_some) e.require_flags();
    if (bit_string) e.a.mov(temporary, block_field(SOFTMETAL_AREA(scratch)));
    for (unsigned r = 0; r < x86::gpr_count; r++)
        if (spilled.guests >> r & 1 && !bit_string) e.a.mov(jit::gpq(spilled.map[r]), guest_gpr(r));
    if (borrowed) {
        e.a.mov(block_field(SOFTMETAL_AREA(scratch)), jit::gpq(*borrowed));
        e.a.mov(jit::gpq(*borrowed), address_register);
    }
    if (may_fault(i)) e.mark_fault_point();
    e.a.embed(rewritten->bytes.data(), rewritten->length);
    if (borrowed) e.a.mov(jit::gpq(*borrowed), block_field(SOFTMETAL_AREA(scratch)));
    for (unsigned r = 0; r < x86::gpr_count; r++)
        if (spilled.guests >> r & 1 && i.gprs_written >> r & 1)
            e.a.mov(guest_gpr(r), jit::gpq(spilled.map[r]));
    if (i.flags_written & x86::flags::status) e.flags_are(FlagsAt::host);
    return true;
}

bool translate_address(BlockEmitter& e) {
    const Instruction& i = e.current().instruction;
    switch (i.category) {
        case ZYDIS_CATEGORY_NOP:
        case ZYDIS_CATEGORY_WIDENOP:
        case ZYDIS_CATEGORY_PREFETCH: return true;
        default: break;
    }
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_ENDBR64:
        case ZYDIS_MNEMONIC_ENDBR32: return true;
        case ZYDIS_MNEMONIC_LEA: break;
        default: return false;
    }
    e.effective_address(i);
    const unsigned target = i.operands[0].index;
    switch (i.operand_size) {
        case 8: e.write_register(target, address_register); break;
        case 4:
            e.a.mov(address_register.r32(), address_register.r32());
            e.write_register(target, address_register);
            break;
        default: e.write_register_word(target, address_register); break;
    }
    return true;
}

}  // namespace softmetal::translator
