// Operand values: registers by width, effective addresses, memory with segmentation applied.
//
// The typed forms are what hot instructions use. In 64-bit mode they look into the TLB before anything is
// checked: a page that is in there is canonical, and only alignment checks (EFLAGS.AC) could object.
#pragma once

#include "base/bits.hpp"
#include "cpu/vcpu.hpp"
#include "decoder/instruction.hpp"

#include <cstring>

namespace softmetal::interpreter {

template <class T>
concept Word = std::same_as<T, u8> || std::same_as<T, u16> || std::same_as<T, u32> || std::same_as<T, u64>;

/// f.template operator()<T>() for the unsigned type of that many bytes.
template <class F>
auto with_word(unsigned bytes, F f) {
    switch (bytes) {
        case 1: return f.template operator()<u8>();
        case 2: return f.template operator()<u16>();
        case 4: return f.template operator()<u32>();
        default: return f.template operator()<u64>();
    }
}

/// Register values by operand. Writes of 4 bytes zero the upper half, of 1 and 2 bytes keep the rest.
template <Word T>
[[nodiscard]] inline T read_word(const CpuState& state, unsigned index, bool high_byte = false) {
    T value;
    std::memcpy(&value, reinterpret_cast<const u8*>(&state.gpr[index]) + high_byte, sizeof value);
    return value;
}
template <Word T>
inline void write_word(CpuState& state, unsigned index, T value, bool high_byte = false) {
    if constexpr (sizeof(T) == 4)
        state.gpr[index] = value;
    else
        std::memcpy(reinterpret_cast<u8*>(&state.gpr[index]) + high_byte, &value, sizeof value);
}
[[nodiscard]] u64 read_gpr(const CpuState& state, unsigned index, unsigned size, bool high_byte = false);
void write_gpr(CpuState& state, unsigned index, unsigned size, u64 value, bool high_byte = false);

/// Offset of the memory operand within its segment, cut to the address size. state.rip is the next
/// instruction's.
[[nodiscard]] inline u64 effective_offset(const CpuState& state, const Instruction& i) {
    const MemoryOperand& m = i.memory;
    u64 offset = static_cast<u64>(m.displacement);
    if (m.base != MemoryOperand::no_register) offset += state.gpr[m.base];
    if (m.index != MemoryOperand::no_register && !m.vsib) offset += state.gpr[m.index] * m.scale;
    if (m.rip_relative) offset += state.rip;
    if (m.address_size != 8) offset &= m.address_size == 4 ? 0xffffffff : 0xffff;
    return offset;
}

/// What 64-bit mode takes for 0 unless it is FS or GS.
[[nodiscard]] inline u64 segment_base(const CpuState& state, x86::Segment segment) {
    return state.code64() && segment < x86::Segment::fs ? 0 : state.seg(segment).base;
}

/// Segment base, limit, rights, canonical form and alignment checked for `size` bytes; raises #GP, #SS or
/// #AC.
[[nodiscard]] GuestLinear linear_address(Vcpu& vcpu, x86::Segment segment, u64 offset, unsigned size,
                                         Access access);
/// `size` bytes of several parts, such as a far pointer: they must be aligned as the first part is (SDM vol.
/// 3, table 6-7).
[[nodiscard]] GuestLinear linear_address_of_parts(Vcpu& vcpu, x86::Segment segment, u64 offset, unsigned part,
                                                  unsigned size, Access access);
/// The same without the alignment check, for operands that are exempt or have a stricter one of their own.
[[nodiscard]] GuestLinear linear_address_unaligned(Vcpu& vcpu, x86::Segment segment, u64 offset,
                                                   unsigned size, Access access);

/// The instruction's memory operand as a linear address, all checks made.
[[nodiscard]] GuestLinear memory_address(Vcpu& vcpu, const Instruction& i, Access access);

/// Value of an integer operand (gpr, memory, immediate, segment), zero-extended; and the store back.
[[nodiscard]] u64 read_operand(Vcpu& vcpu, const Instruction& i, const Operand& operand);
void write_operand(Vcpu& vcpu, const Instruction& i, const Operand& operand, u64 value);

/// Stack pushes and pops of `size` bytes at SS:rSP; pop leaves rSP for the caller to commit where a later
/// fault is possible.
void push(Vcpu& vcpu, u64 value, unsigned size);
[[nodiscard]] u64 pop(Vcpu& vcpu, unsigned size);
/// rSP += delta, in the stack's width.
void adjust_stack_pointer(CpuState& state, u64 delta);
/// Linear address of `size` bytes, `delta` above the stack's top.
[[nodiscard]] GuestLinear stack_address(Vcpu& vcpu, u64 delta, unsigned size, Access access);

/// Where an atomic read-modify-write of RAM may be done in place; null for device memory and straddles of two
/// pages. Raises what a write would.
[[nodiscard]] u8* atomic_pointer(Vcpu& vcpu, GuestLinear a, unsigned size);

/// Raises #GP where a near branch to `target` would leave the code segment or is not canonical.
void check_branch_target(const CpuState& state, u64 target);

// --- the hot paths

/// Mmu::data_privilege() of 64-bit code with EFLAGS.AC clear.
[[nodiscard]] inline Privilege plain_privilege64(const CpuState& state) {
    if (state.seg(x86::Segment::ss).dpl() == 3) return Privilege::user;
    return state.cr4 & x86::cr4::smap ? Privilege::supervisor : Privilege::supervisor_any;
}

[[nodiscard]] inline u8* find_in_tlb(Vcpu& vcpu, const Instruction& i, unsigned size,
                                     const std::array<TlbTable, privilege_count>& tables) {
    const CpuState& state = vcpu.state;
    if (i.mode != 8 || state.rflags & x86::flags::ac) [[unlikely]]
        return nullptr;
    u64 address = effective_offset(state, i);
    if (i.memory.segment >= x86::Segment::fs) address += state.seg(i.memory.segment).base;
    return tables[static_cast<unsigned>(plain_privilege64(state))].find({address}, size);
}

/// The memory operand's value. Its size is T's.
template <Word T>
[[nodiscard]] inline T load(Vcpu& vcpu, const Instruction& i) {
    if (const u8* host = find_in_tlb(vcpu, i, sizeof(T), vcpu.block.tlb.read)) [[likely]] {
        T value;
        std::memcpy(&value, host, sizeof value);
        return value;
    }
    return vcpu.linear.read<T>(
        linear_address(vcpu, i.memory.segment, effective_offset(vcpu.state, i), sizeof(T), Access::read),
        vcpu.mmu.data_privilege());
}

template <Word T>
inline void store(Vcpu& vcpu, const Instruction& i, T value) {
    if (u8* host = find_in_tlb(vcpu, i, sizeof(T), vcpu.block.tlb.write)) [[likely]] {
        std::memcpy(host, &value, sizeof value);
        return;
    }
    vcpu.linear.write<T>(
        linear_address(vcpu, i.memory.segment, effective_offset(vcpu.state, i), sizeof(T), Access::write),
        value, vcpu.mmu.data_privilege());
}

/// Read, change by f(T&), write back; f runs only when no fault can come any more.
template <Word T, class F>
inline void modify(Vcpu& vcpu, const Instruction& i, F f) {
    T value;
    if (u8* host = find_in_tlb(vcpu, i, sizeof(T), vcpu.block.tlb.write)) [[likely]] {
        std::memcpy(&value, host, sizeof value);
        f(value);
        std::memcpy(host, &value, sizeof value);
        return;
    }
    const GuestLinear a =
        linear_address(vcpu, i.memory.segment, effective_offset(vcpu.state, i), sizeof(T), Access::write);
    const Privilege p = vcpu.mmu.data_privilege();
    vcpu.linear.probe_write(a, sizeof(T), p);
    value = vcpu.linear.read<T>(a, p);
    f(value);
    vcpu.linear.write<T>(a, value, p);
}

/// The same in one atomic step where it is RAM within a page: f gets the host address. Elsewhere (device
/// memory, a straddle of two pages) f works on a copy.
template <Word T, class F>
inline void modify_atomically(Vcpu& vcpu, const Instruction& i, F f) {
    const GuestLinear a =
        linear_address(vcpu, i.memory.segment, effective_offset(vcpu.state, i), sizeof(T), Access::write);
    if (u8* host = atomic_pointer(vcpu, a, sizeof(T))) return f(reinterpret_cast<T*>(host));
    const Privilege p = vcpu.mmu.data_privilege();
    vcpu.linear.probe_write(a, sizeof(T), p);
    T value = vcpu.linear.read<T>(a, p);
    f(&value);
    vcpu.linear.write<T>(a, value, p);
}

/// PUSH of a value, and the value POP would take; rSP is the caller's to move for the latter.
template <Word T>
inline void push_word(Vcpu& vcpu, const Instruction& i, T value) {
    CpuState& state = vcpu.state;
    if (i.mode == 8 && !(state.rflags & x86::flags::ac)) [[likely]] {
        const GuestLinear a{state.gpr[x86::rsp] - sizeof(T)};
        const auto p = static_cast<unsigned>(plain_privilege64(state));
        if (u8* host = vcpu.block.tlb.write[p].find(a, sizeof(T))) [[likely]] {
            std::memcpy(host, &value, sizeof value);
            state.gpr[x86::rsp] = a.value;
            return;
        }
    }
    push(vcpu, value, sizeof(T));
}
template <Word T>
[[nodiscard]] inline T top_word(Vcpu& vcpu, const Instruction& i) {
    const CpuState& state = vcpu.state;
    if (i.mode == 8 && !(state.rflags & x86::flags::ac)) [[likely]] {
        const auto p = static_cast<unsigned>(plain_privilege64(state));
        if (const u8* host = vcpu.block.tlb.read[p].find({state.gpr[x86::rsp]}, sizeof(T))) [[likely]] {
            T value;
            std::memcpy(&value, host, sizeof value);
            return value;
        }
    }
    return static_cast<T>(pop(vcpu, sizeof(T)));
}
inline void release_stack(CpuState& state, const Instruction& i, u64 bytes) {
    if (i.mode == 8)
        state.gpr[x86::rsp] += bytes;
    else
        adjust_stack_pointer(state, bytes);
}

/// Sources and destinations as types, to make one function of each form of an instruction.
struct RegisterOperand {
    template <Word T>
    static T read(Vcpu& vcpu, const Instruction& i, unsigned number) {
        const Operand& o = i.operands[number];
        return read_word<T>(vcpu.state, o.index, o.high_byte);
    }
    template <Word T>
    static void write(Vcpu& vcpu, const Instruction& i, unsigned number, T value) {
        const Operand& o = i.operands[number];
        write_word<T>(vcpu.state, o.index, value, o.high_byte);
    }
};
struct MemoryLocation {
    template <Word T>
    static T read(Vcpu& vcpu, const Instruction& i, unsigned) {
        return load<T>(vcpu, i);
    }
    template <Word T>
    static void write(Vcpu& vcpu, const Instruction& i, unsigned, T value) {
        store<T>(vcpu, i, value);
    }
};
struct ImmediateOperand {
    template <Word T>
    static T read(Vcpu&, const Instruction& i, unsigned) {
        return static_cast<T>(i.immediate);
    }
};

}  // namespace softmetal::interpreter
