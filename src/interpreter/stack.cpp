// PUSH, POP, PUSHA, POPA, ENTER, LEAVE, PUSHF, POPF (SDM vol. 2). Segment registers: see segments.cpp.
#include "interpreter/operands.hpp"
#include "interpreter/semantics.hpp"

#include <Zydis/Zydis.h>

namespace softmetal::interpreter {
namespace {

namespace flags = x86::flags;

template <Word T, class Source>
void push_operand(Vcpu& vcpu, const Instruction& i, void*) {
    push_word<T>(vcpu, i, Source::template read<T>(vcpu, i, 0));
}

template <Word T>
void pop_register(Vcpu& vcpu, const Instruction& i, void*) {
    const T value = top_word<T>(vcpu, i);
    release_stack(vcpu.state, i, sizeof(T));
    RegisterOperand::write<T>(vcpu, i, 0, value);  // POP rSP: the value wins
}

template <Word T>
void pop_memory(Vcpu& vcpu, const Instruction& i, void*) {
    const T value = top_word<T>(vcpu, i);
    const u64 old = vcpu.state.gpr[x86::rsp];
    release_stack(vcpu.state, i, sizeof(T));  // an address with rSP counts from the new value
    try {
        store<T>(vcpu, i, value);
    } catch (const GuestException&) {
        vcpu.state.gpr[x86::rsp] = old;
        throw;
    }
}

Semantics push_semantics(const Instruction& i) {
    return with_word(i.operand_size, [&]<Word T>() -> Semantics {
        switch (i.operands[0].kind) {
            case OperandKind::gpr: return push_operand<T, RegisterOperand>;
            case OperandKind::immediate: return push_operand<T, ImmediateOperand>;
            case OperandKind::memory: return push_operand<T, MemoryLocation>;
            default: return nullptr;
        }
    });
}

Semantics pop_semantics(const Instruction& i) {
    return with_word(i.operand_size, [&]<Word T>() -> Semantics {
        switch (i.operands[0].kind) {
            case OperandKind::gpr: return pop_register<T>;
            case OperandKind::memory: return pop_memory<T>;
            default: return nullptr;
        }
    });
}

// --- all registers at once

template <Word T>
void pusha(Vcpu& vcpu, const Instruction&, void*) {
    const Privilege p = vcpu.mmu.data_privilege();
    std::array<GuestLinear, 8> places;
    for (unsigned n = 0; n < places.size(); n++) {
        places[n] = stack_address(vcpu, u64{0} - (n + 1) * sizeof(T), sizeof(T), Access::write);
        vcpu.linear.probe_write(places[n], sizeof(T), p);
    }
    for (unsigned n = 0; n < places.size(); n++)
        vcpu.linear.write<T>(places[n], read_word<T>(vcpu.state, n), p);
    adjust_stack_pointer(vcpu.state, u64{0} - places.size() * sizeof(T));
}

template <Word T>
void popa(Vcpu& vcpu, const Instruction&, void*) {
    const Privilege p = vcpu.mmu.data_privilege();
    std::array<T, 8> values;
    for (unsigned n = 0; n < values.size(); n++)
        values[n] = vcpu.linear.read<T>(stack_address(vcpu, n * sizeof(T), sizeof(T), Access::read), p);
    for (unsigned n = 0; n < values.size(); n++)
        if (n != 7 - x86::rsp) write_word<T>(vcpu.state, 7 - n, values[n]);
    adjust_stack_pointer(vcpu.state, values.size() * sizeof(T));
}

// --- ENTER, LEAVE

template <Word T>
void enter(Vcpu& vcpu, const Instruction& i, void*) {
    CpuState& state = vcpu.state;
    const Privilege p = vcpu.mmu.data_privilege();
    const u64 stack_mask = low_bits(state.stack_size() * 8);
    const u64 frame_size = i.immediate & 0xffff;
    const unsigned level = i.immediate2 & 31;
    u64 pushed = 0;
    const auto push_value = [&](T value) {
        pushed += sizeof(T);
        vcpu.linear.write<T>(stack_address(vcpu, u64{0} - pushed, sizeof(T), Access::write), value, p);
    };
    push_value(read_word<T>(state, x86::rbp));
    // What lies above a 16-bit stack pointer stays as it is, also where that wraps.
    const u64 rsp = state.gpr[x86::rsp];
    const T frame = static_cast<T>((rsp & ~stack_mask) | ((rsp - pushed) & stack_mask));
    for (unsigned n = 1; n < level; n++) {
        const u64 from = (state.gpr[x86::rbp] - n * sizeof(T)) & stack_mask;
        push_value(
            vcpu.linear.read<T>(linear_address(vcpu, x86::Segment::ss, from, sizeof(T), Access::read), p));
    }
    if (level > 0) push_value(frame);
    // The new top must be writable (SDM vol. 2, ENTER).
    const u64 total = pushed + frame_size;
    vcpu.linear.probe_write(stack_address(vcpu, u64{0} - total, sizeof(T), Access::write), sizeof(T), p);
    write_word<T>(state, x86::rbp, frame);
    adjust_stack_pointer(state, u64{0} - total);
}

template <Word T>
void leave(Vcpu& vcpu, const Instruction&, void*) {
    CpuState& state = vcpu.state;
    const u64 offset = state.gpr[x86::rbp] & low_bits(state.stack_size() * 8);
    const GuestLinear a = linear_address(vcpu, x86::Segment::ss, offset, sizeof(T), Access::read);
    const T value = vcpu.linear.read<T>(a, vcpu.mmu.data_privilege());
    write_gpr(state, x86::rsp, state.stack_size(), offset + sizeof(T));
    write_word<T>(state, x86::rbp, value);
}

// --- PUSHF, POPF (SDM vol. 2; V86 with VME: vol. 3, ch. 20.3)

[[nodiscard]] bool v86_without_iopl3(const CpuState& state) {
    return state.v86_mode() && (state.rflags & flags::iopl) != flags::iopl;
}

template <Word T>
void pushf(Vcpu& vcpu, const Instruction&, void*) {
    const CpuState& state = vcpu.state;
    u64 image = state.rflags & ~(flags::vm | flags::rf);
    if (v86_without_iopl3(state)) {
        if (!(state.cr4 & x86::cr4::vme) || sizeof(T) != 2) raise_gp();
        image = (image & ~flags::interrupt) | flags::iopl;
        if (state.rflags & flags::vif) image |= flags::interrupt;
    }
    push(vcpu, image, sizeof(T));
}

template <Word T>
void popf(Vcpu& vcpu, const Instruction&, void*) {
    CpuState& state = vcpu.state;
    const bool virtual_if = v86_without_iopl3(state);
    if (virtual_if && (!(state.cr4 & x86::cr4::vme) || sizeof(T) != 2)) raise_gp();
    const u64 image = pop(vcpu, sizeof(T));
    u64 changeable = flags::status | flags::tf | flags::df | flags::nt;
    if (sizeof(T) > 2) changeable |= flags::ac | flags::id;
    u64 rflags = state.rflags;
    if (virtual_if) {
        if (image & flags::tf || (image & flags::interrupt && rflags & flags::vip)) raise_gp();
        rflags = image & flags::interrupt ? rflags | flags::vif : rflags & ~flags::vif;
    } else {
        const unsigned cpl = state.cpl();
        if (cpl == 0) changeable |= flags::iopl;
        if (cpl <= bits(rflags, 13, 12)) changeable |= flags::interrupt;
    }
    if (sizeof(T) > 2) rflags &= ~flags::rf;
    state.rflags = (rflags & ~changeable) | (image & changeable);
    adjust_stack_pointer(state, sizeof(T));
}

}  // namespace

Semantics stack_semantics(const Instruction& i) {
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_PUSH: return push_semantics(i);
        case ZYDIS_MNEMONIC_POP: return pop_semantics(i);
        case ZYDIS_MNEMONIC_PUSHA: return pusha<u16>;
        case ZYDIS_MNEMONIC_PUSHAD: return pusha<u32>;
        case ZYDIS_MNEMONIC_POPA: return popa<u16>;
        case ZYDIS_MNEMONIC_POPAD: return popa<u32>;
        case ZYDIS_MNEMONIC_ENTER:
            return with_word(i.operand_size, []<Word T>() -> Semantics { return enter<T>; });
        case ZYDIS_MNEMONIC_LEAVE:
            return with_word(i.operand_size, []<Word T>() -> Semantics { return leave<T>; });
        case ZYDIS_MNEMONIC_PUSHF: return pushf<u16>;
        case ZYDIS_MNEMONIC_PUSHFD: return pushf<u32>;
        case ZYDIS_MNEMONIC_PUSHFQ: return pushf<u64>;
        case ZYDIS_MNEMONIC_POPF: return popf<u16>;
        case ZYDIS_MNEMONIC_POPFD: return popf<u32>;
        case ZYDIS_MNEMONIC_POPFQ: return popf<u64>;
        default: return nullptr;
    }
}

}  // namespace softmetal::interpreter
