// XCHG, XADD, CMPXCHG, CMPXCHG8B and CMPXCHG16B. With memory they are atomic where LOCK is given, XCHG
// always.
#include "interpreter/host_flags.hpp"
#include "interpreter/semantics.hpp"

#include <Zydis/Zydis.h>

namespace softmetal::interpreter {
namespace {

using x86::flags::zf;

template <Word T>
void xchg_registers(Vcpu& vcpu, const Instruction& i, void*) {
    const T a = RegisterOperand::read<T>(vcpu, i, 0), b = RegisterOperand::read<T>(vcpu, i, 1);
    RegisterOperand::write<T>(vcpu, i, 0, b);
    RegisterOperand::write<T>(vcpu, i, 1, a);
}

template <Word T>
void xchg_memory(Vcpu& vcpu, const Instruction& i, void*) {
    const unsigned reg = i.operands[0].kind == OperandKind::memory ? 1 : 0;
    const T value = RegisterOperand::read<T>(vcpu, i, reg);
    T old{};
    modify_atomically<T>(vcpu, i, [&](T* a) { old = __atomic_exchange_n(a, value, __ATOMIC_SEQ_CST); });
    RegisterOperand::write<T>(vcpu, i, reg, old);
}

// --- XADD

template <Word T>
void xadd_registers(Vcpu& vcpu, const Instruction& i, void*) {
    T a = RegisterOperand::read<T>(vcpu, i, 0);
    const T old = a;
    Add::apply(a, RegisterOperand::read<T>(vcpu, i, 1), vcpu.state.rflags);
    RegisterOperand::write<T>(vcpu, i, 1, old);
    RegisterOperand::write<T>(vcpu, i, 0, a);
}

template <Word T>
void xadd_memory(Vcpu& vcpu, const Instruction& i, void*) {
    const T b = RegisterOperand::read<T>(vcpu, i, 1);
    T old{};
    if (i.lock)
        modify_atomically<T>(vcpu, i, [&](T* a) { old = __atomic_fetch_add(a, b, __ATOMIC_SEQ_CST); });
    else
        modify<T>(vcpu, i, [&](T& a) { old = std::exchange(a, static_cast<T>(a + b)); });
    T sum = old;
    Add::apply(sum, b, vcpu.state.rflags);
    RegisterOperand::write<T>(vcpu, i, 1, old);
}

// --- CMPXCHG

/// Flags as of CMP accumulator, seen; the accumulator takes what was seen where they differ.
template <Word T>
void finish_compare(CpuState& state, T expected, T seen) {
    T accumulator = expected;
    Cmp::apply(accumulator, seen, state.rflags);
    if (expected != seen) write_word<T>(state, x86::rax, seen);
}

template <Word T>
void cmpxchg_registers(Vcpu& vcpu, const Instruction& i, void*) {
    const T expected = read_word<T>(vcpu.state, x86::rax);
    const T seen = RegisterOperand::read<T>(vcpu, i, 0);
    const T value = RegisterOperand::read<T>(vcpu, i, 1);
    // Where they differ, processors leave a 32-bit destination's upper half alone.
    if (seen == expected) RegisterOperand::write<T>(vcpu, i, 0, value);
    finish_compare(vcpu.state, expected, seen);
}

template <Word T>
void cmpxchg_memory(Vcpu& vcpu, const Instruction& i, void*) {
    const T expected = read_word<T>(vcpu.state, x86::rax);
    const T value = RegisterOperand::read<T>(vcpu, i, 1);
    T seen = expected;
    if (i.lock) {
        modify_atomically<T>(vcpu, i, [&](T* a) {
            __atomic_compare_exchange_n(a, &seen, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        });
    } else {
        modify<T>(vcpu, i, [&](T& a) {
            seen = a;
            if (a == expected) a = value;
        });
    }
    finish_compare(vcpu.state, expected, seen);
}

template <Word Half>
struct Pair {
    Half low, high;
    bool operator==(const Pair&) const = default;
};

/// CMPXCHG8B and CMPXCHG16B: rDX:rAX against memory, rCX:rBX to store. Only ZF is written.
template <Word Half>
void finish_pair(CpuState& state, Pair<Half> expected, Pair<Half> seen) {
    set_status(state.rflags, expected == seen ? zf : 0, zf);
    if (expected == seen) return;
    write_word<Half>(state, x86::rax, seen.low);
    write_word<Half>(state, x86::rdx, seen.high);
}

template <Word Half>
Pair<Half> pair_of(const CpuState& state, x86::Gpr low, x86::Gpr high) {
    return {read_word<Half>(state, low), read_word<Half>(state, high)};
}

void cmpxchg8b(Vcpu& vcpu, const Instruction& i, void*) {
    const auto expected = pair_of<u32>(vcpu.state, x86::rax, x86::rdx);
    const u64 value = std::bit_cast<u64>(pair_of<u32>(vcpu.state, x86::rbx, x86::rcx));
    u64 seen = std::bit_cast<u64>(expected);
    modify_atomically<u64>(vcpu, i, [&](u64* a) {
        __atomic_compare_exchange_n(a, &seen, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    });
    finish_pair(vcpu.state, expected, std::bit_cast<Pair<u32>>(seen));
}

void cmpxchg16b(Vcpu& vcpu, const Instruction& i, void*) {
    constexpr unsigned size = 16;
    const u64 offset = effective_offset(vcpu.state, i);
    if ((offset + segment_base(vcpu.state, i.memory.segment)) % size) raise_gp();  // before all other checks
    const GuestLinear a = linear_address_unaligned(vcpu, i.memory.segment, offset, size, Access::write);
    const auto expected = pair_of<u64>(vcpu.state, x86::rax, x86::rdx);
    const auto value = pair_of<u64>(vcpu.state, x86::rbx, x86::rcx);
    auto seen = expected;
    if (u8* host = atomic_pointer(vcpu, a, size)) {
        asm volatile("lock cmpxchg16b %[memory]"
                     : [memory] "+m"(*reinterpret_cast<Pair<u64>*>(host)), "+a"(seen.low), "+d"(seen.high)
                     : "b"(value.low), "c"(value.high)
                     : "cc", "memory");
    } else {
        const Privilege p = vcpu.mmu.data_privilege();
        vcpu.linear.probe_write(a, size, p);
        vcpu.linear.read_bytes(a, std::as_writable_bytes(std::span(&seen, 1)), p);
        const auto stored = seen == expected ? value : seen;
        vcpu.linear.write_bytes(a, std::as_bytes(std::span(&stored, 1)), p);
    }
    finish_pair(vcpu.state, expected, seen);
}

}  // namespace

Semantics exchange_semantics(const Instruction& i) {
    return with_word(i.operands[0].size, [&]<Word T>() -> Semantics {
        switch (i.mnemonic) {
            case ZYDIS_MNEMONIC_XCHG: return i.has_memory ? xchg_memory<T> : xchg_registers<T>;
            case ZYDIS_MNEMONIC_XADD: return i.has_memory ? xadd_memory<T> : xadd_registers<T>;
            case ZYDIS_MNEMONIC_CMPXCHG: return i.has_memory ? cmpxchg_memory<T> : cmpxchg_registers<T>;
            case ZYDIS_MNEMONIC_CMPXCHG8B: return cmpxchg8b;
            case ZYDIS_MNEMONIC_CMPXCHG16B: return cmpxchg16b;
            default: return nullptr;
        }
    });
}

}  // namespace softmetal::interpreter
