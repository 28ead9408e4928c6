// MOV and its relatives, LEA, conditional moves and sets, conversions, flags <-> AH, simple flag operations
// (SDM vol. 1, ch. 5.1.1 and 5.1.11).
#include "interpreter/conditions.hpp"
#include "interpreter/operands.hpp"
#include "interpreter/semantics.hpp"

#include <Zydis/Zydis.h>

namespace softmetal::interpreter {
namespace {

namespace flags = x86::flags;

// --- MOV, MOVZX, MOVSX

template <Word T, class Destination, class Source>
void mov(Vcpu& vcpu, const Instruction& i, void*) {
    Destination::template write<T>(vcpu, i, 0, Source::template read<T>(vcpu, i, 1));
}

Semantics mov_semantics(const Instruction& i) {
    const OperandKind to = i.operands[0].kind, from = i.operands[1].kind;
    const auto general = [](OperandKind k) {
        return k == OperandKind::gpr || k == OperandKind::memory || k == OperandKind::immediate;
    };
    if (!general(to) || !general(from)) return nullptr;  // segment, control and debug registers
    return with_word(i.operands[0].size, [&]<Word T>() -> Semantics {
        if (to == OperandKind::memory)
            return from == OperandKind::immediate ? mov<T, MemoryLocation, ImmediateOperand>
                                                  : mov<T, MemoryLocation, RegisterOperand>;
        if (from == OperandKind::memory) return mov<T, RegisterOperand, MemoryLocation>;
        return from == OperandKind::immediate ? mov<T, RegisterOperand, ImmediateOperand>
                                              : mov<T, RegisterOperand, RegisterOperand>;
    });
}

template <Word To, Word From, bool is_signed, class Source>
void extend(Vcpu& vcpu, const Instruction& i, void*) {
    const From value = Source::template read<From>(vcpu, i, 1);
    if constexpr (is_signed)
        RegisterOperand::write<To>(vcpu, i, 0, static_cast<To>(static_cast<std::make_signed_t<From>>(value)));
    else
        RegisterOperand::write<To>(vcpu, i, 0, static_cast<To>(value));
}

template <bool is_signed>
Semantics extend_semantics(const Instruction& i) {
    return with_word(i.operands[0].size, [&]<Word To>() -> Semantics {
        return with_word(i.operands[1].size, [&]<Word From>() -> Semantics {
            return i.operands[1].kind == OperandKind::memory ? extend<To, From, is_signed, MemoryLocation>
                                                             : extend<To, From, is_signed, RegisterOperand>;
        });
    });
}

// --- LEA, BSWAP

template <Word T>
void lea(Vcpu& vcpu, const Instruction& i, void*) {
    RegisterOperand::write<T>(vcpu, i, 0, static_cast<T>(effective_offset(vcpu.state, i)));
}

void bswap(Vcpu& vcpu, const Instruction& i, void*) {
    u64& reg = vcpu.state.gpr[i.operands[0].index];
    switch (i.operands[0].size) {
        case 8: reg = __builtin_bswap64(reg); break;
        case 4: reg = __builtin_bswap32(static_cast<u32>(reg)); break;
        default: reg &= ~u64{0xffff}; break;  // undefined; processors clear the register
    }
}

// --- conditional

template <Word T, unsigned cc, class Source>
void cmov(Vcpu& vcpu, const Instruction& i, void*) {
    const T value = Source::template read<T>(vcpu, i, 1);  // a fault comes whether or not the move is made
    const T old = RegisterOperand::read<T>(vcpu, i, 0);
    RegisterOperand::write<T>(vcpu, i, 0, holds<cc>(vcpu.state.rflags) ? value : old);
}

Semantics cmov_semantics(const Instruction& i) {
    return with_condition(condition_code(i), [&]<unsigned cc>() -> Semantics {
        return with_word(i.operands[0].size, [&]<Word T>() -> Semantics {
            return i.operands[1].kind == OperandKind::memory ? cmov<T, cc, MemoryLocation>
                                                             : cmov<T, cc, RegisterOperand>;
        });
    });
}

template <unsigned cc, class Destination>
void setcc(Vcpu& vcpu, const Instruction& i, void*) {
    Destination::template write<u8>(vcpu, i, 0, holds<cc>(vcpu.state.rflags));
}

Semantics setcc_semantics(const Instruction& i) {
    return with_condition(condition_code(i), [&]<unsigned cc>() -> Semantics {
        return i.operands[0].kind == OperandKind::memory ? setcc<cc, MemoryLocation>
                                                         : setcc<cc, RegisterOperand>;
    });
}

// --- widening of the accumulator

template <Word From, Word To>
void widen(Vcpu& vcpu, const Instruction&, void*) {
    const auto value = static_cast<std::make_signed_t<From>>(read_word<From>(vcpu.state, x86::rax));
    write_word<To>(vcpu.state, x86::rax, static_cast<To>(value));
}

template <Word T>
void spread_sign(Vcpu& vcpu, const Instruction&, void*) {
    const auto value = static_cast<std::make_signed_t<T>>(read_word<T>(vcpu.state, x86::rax));
    write_word<T>(vcpu.state, x86::rdx, value < 0 ? static_cast<T>(~T{0}) : T{0});
}

// --- flags

constexpr u64 flags_in_ah = flags::status & 0xff;

void lahf(Vcpu& vcpu, const Instruction&, void*) {
    const u64 value = (vcpu.state.rflags & flags_in_ah) | flags::always_one;
    write_word<u8>(vcpu.state, x86::rax, static_cast<u8>(value), true);
}

void sahf(Vcpu& vcpu, const Instruction&, void*) {
    const u64 ah = read_word<u8>(vcpu.state, x86::rax, true);
    vcpu.state.rflags = (vcpu.state.rflags & ~flags_in_ah) | (ah & flags_in_ah);
}

template <u64 flag>
void clear_flag(Vcpu& vcpu, const Instruction&, void*) {
    vcpu.state.rflags &= ~flag;
}
template <u64 flag>
void set_flag(Vcpu& vcpu, const Instruction&, void*) {
    vcpu.state.rflags |= flag;
}
void cmc(Vcpu& vcpu, const Instruction&, void*) { vcpu.state.rflags ^= flags::cf; }

// --- XLAT, MOVDIR64B

void xlat(Vcpu& vcpu, const Instruction& i, void*) {
    CpuState& state = vcpu.state;
    const u64 offset = (state.gpr[x86::rbx] + read_word<u8>(state, x86::rax)) & low_bits(i.address_size * 8u);
    const GuestLinear a = linear_address(vcpu, i.memory.segment, offset, 1, Access::read);
    write_word<u8>(state, x86::rax, vcpu.linear.read<u8>(a, vcpu.mmu.data_privilege()));
}

void movdir64b(Vcpu& vcpu, const Instruction& i, void*) {
    constexpr unsigned size = 64;
    const u64 offset = vcpu.state.gpr[i.operands[0].index] & low_bits(i.address_size * 8u);
    const GuestLinear from =
        linear_address_unaligned(vcpu, i.memory.segment, effective_offset(vcpu.state, i), size, Access::read);
    const GuestLinear to = linear_address_unaligned(vcpu, x86::Segment::es, offset, size, Access::write);
    if (to.value % size) raise_gp();
    std::array<std::byte, size> data;
    vcpu.linear.read_bytes(from, data, vcpu.mmu.data_privilege());
    vcpu.linear.write_bytes(to, data, vcpu.mmu.data_privilege());
}

}  // namespace

Semantics data_transfer_semantics(const Instruction& i) {
    switch (i.category) {
        case ZYDIS_CATEGORY_CMOV: return cmov_semantics(i);
        case ZYDIS_CATEGORY_SETCC: return setcc_semantics(i);
        default: break;
    }
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_MOV: return mov_semantics(i);
        case ZYDIS_MNEMONIC_MOVZX: return extend_semantics<false>(i);
        case ZYDIS_MNEMONIC_MOVSX:
        case ZYDIS_MNEMONIC_MOVSXD: return extend_semantics<true>(i);
        case ZYDIS_MNEMONIC_LEA:
            return with_word(i.operands[0].size, []<Word T>() -> Semantics { return lea<T>; });
        case ZYDIS_MNEMONIC_BSWAP: return bswap;
        case ZYDIS_MNEMONIC_CBW: return widen<u8, u16>;
        case ZYDIS_MNEMONIC_CWDE: return widen<u16, u32>;
        case ZYDIS_MNEMONIC_CDQE: return widen<u32, u64>;
        case ZYDIS_MNEMONIC_CWD: return spread_sign<u16>;
        case ZYDIS_MNEMONIC_CDQ: return spread_sign<u32>;
        case ZYDIS_MNEMONIC_CQO: return spread_sign<u64>;
        case ZYDIS_MNEMONIC_LAHF: return lahf;
        case ZYDIS_MNEMONIC_SAHF: return sahf;
        case ZYDIS_MNEMONIC_CLC: return clear_flag<flags::cf>;
        case ZYDIS_MNEMONIC_STC: return set_flag<flags::cf>;
        case ZYDIS_MNEMONIC_CMC: return cmc;
        case ZYDIS_MNEMONIC_CLD: return clear_flag<flags::df>;
        case ZYDIS_MNEMONIC_STD: return set_flag<flags::df>;
        case ZYDIS_MNEMONIC_XLAT: return xlat;
        case ZYDIS_MNEMONIC_MOVDIR64B: return movdir64b;
        default: return nullptr;
    }
}

}  // namespace softmetal::interpreter
