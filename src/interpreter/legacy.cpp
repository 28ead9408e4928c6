// Instructions that 64-bit mode lost, so the host cannot run them: decimal adjustment, BOUND, ARPL, SALC
// (SDM vol. 2). Flags the manual leaves undefined come out as Intel processors leave them.
#include "interpreter/host_flags.hpp"
#include "interpreter/semantics.hpp"

#include <Zydis/Zydis.h>

namespace softmetal::interpreter {
namespace {

namespace flags = x86::flags;

[[nodiscard]] u8 al(const CpuState& s) { return read_word<u8>(s, x86::rax); }
[[nodiscard]] u8 ah(const CpuState& s) { return read_word<u8>(s, x86::rax, true); }
void set_ax(CpuState& s, u8 high, u8 low) { write_word<u16>(s, x86::rax, static_cast<u16>(high << 8 | low)); }

/// SF, ZF and PF of a byte; the rest cleared, then CF and AF as given.
void set_byte_flags(CpuState& s, u8 value, bool carry, bool adjust) {
    Test::apply(value, value, s.rflags);
    set_status(s.rflags, (carry ? flags::cf : 0) | (adjust ? flags::af : 0), flags::cf | flags::af);
}

void daa(Vcpu& vcpu, const Instruction&, void*) {
    CpuState& s = vcpu.state;
    const u8 old = al(s);
    u8 value = old;
    const bool adjust = (old & 15) > 9 || s.rflags & flags::af;
    const bool carry = old > 0x99 || s.rflags & flags::cf;
    if (adjust) value = static_cast<u8>(value + 6);
    if (carry) value = static_cast<u8>(value + 0x60);
    write_word<u8>(s, x86::rax, value);
    set_byte_flags(s, value, carry, adjust);
}

void das(Vcpu& vcpu, const Instruction&, void*) {
    CpuState& s = vcpu.state;
    const u8 old = al(s);
    u8 value = old;
    const bool adjust = (old & 15) > 9 || s.rflags & flags::af;
    const bool high = old > 0x99 || s.rflags & flags::cf;
    const bool carry = high || (adjust && old < 6);
    if (adjust) value = static_cast<u8>(value - 6);
    if (high) value = static_cast<u8>(value - 0x60);
    write_word<u8>(s, x86::rax, value);
    set_byte_flags(s, value, carry, adjust);
}

template <bool add>
void ascii_adjust(Vcpu& vcpu, const Instruction&, void*) {
    CpuState& s = vcpu.state;
    const bool adjust = (al(s) & 15) > 9 || s.rflags & flags::af;
    u16 ax = read_word<u16>(s, x86::rax);
    if (adjust) ax = static_cast<u16>(add ? ax + 0x106 : ax - 0x106);
    ax &= 0xff0f;
    write_word<u16>(s, x86::rax, ax);
    set_byte_flags(s, static_cast<u8>(ax), adjust, adjust);
}

void aam(Vcpu& vcpu, const Instruction& i, void*) {
    CpuState& s = vcpu.state;
    const u8 divisor = static_cast<u8>(i.immediate);
    if (divisor == 0) raise(x86::Vector::divide_error);
    const u8 value = al(s);
    set_ax(s, value / divisor, value % divisor);
    set_byte_flags(s, value % divisor, false, false);
}

void aad(Vcpu& vcpu, const Instruction& i, void*) {
    CpuState& s = vcpu.state;
    const u8 value = static_cast<u8>(al(s) + ah(s) * static_cast<u8>(i.immediate));
    set_ax(s, 0, value);
    set_byte_flags(s, value, false, false);
}

void salc(Vcpu& vcpu, const Instruction&, void*) {
    write_word<u8>(vcpu.state, x86::rax, vcpu.state.rflags & flags::cf ? 0xff : 0);
}

template <Word T>
void bound(Vcpu& vcpu, const Instruction& i, void*) {
    using Signed = std::make_signed_t<T>;
    const Privilege p = vcpu.mmu.data_privilege();
    const u64 offset = effective_offset(vcpu.state, i);
    const GuestLinear a =
        linear_address_of_parts(vcpu, i.memory.segment, offset, sizeof(T), 2 * sizeof(T), Access::read);
    const auto index = static_cast<Signed>(RegisterOperand::read<T>(vcpu, i, 0));
    const auto lower = static_cast<Signed>(vcpu.linear.read<T>(a, p));
    const auto upper = static_cast<Signed>(vcpu.linear.read<T>(a + sizeof(T), p));
    if (index < lower || index > upper) raise(x86::Vector::bound_range);
}

/// Raises the destination selector's RPL to the source's, and only then writes it.
void arpl(Vcpu& vcpu, const Instruction& i, void*) {
    const u16 rpl = RegisterOperand::read<u16>(vcpu, i, 1) & 3;
    const auto selector = static_cast<u16>(read_operand(vcpu, i, i.operands[0]));
    const bool raised = (selector & 3) < rpl;
    if (raised) write_operand(vcpu, i, i.operands[0], (selector & ~3u) | rpl);
    set_status(vcpu.state.rflags, raised ? flags::zf : 0, flags::zf);
}

}  // namespace

Semantics legacy_semantics(const Instruction& i) {
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_DAA: return daa;
        case ZYDIS_MNEMONIC_DAS: return das;
        case ZYDIS_MNEMONIC_AAA: return ascii_adjust<true>;
        case ZYDIS_MNEMONIC_AAS: return ascii_adjust<false>;
        case ZYDIS_MNEMONIC_AAM: return aam;
        case ZYDIS_MNEMONIC_AAD: return aad;
        case ZYDIS_MNEMONIC_SALC: return salc;
        case ZYDIS_MNEMONIC_BOUND: return i.operands[0].size == 2 ? bound<u16> : bound<u32>;
        case ZYDIS_MNEMONIC_ARPL: return arpl;
        default: return nullptr;
    }
}

}  // namespace softmetal::interpreter
