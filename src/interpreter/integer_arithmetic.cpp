// ADD .. CMP, TEST, INC, DEC, NEG, NOT, and IMUL with two or three operands (SDM vol. 1, ch. 5.1.2).
#include "interpreter/host_flags.hpp"
#include "interpreter/semantics.hpp"

#include <Zydis/Zydis.h>

namespace softmetal::interpreter {
namespace {

using x86::flags::cf;

// --- two operands

template <class Operation, Word T, class Source>
void to_register(Vcpu& vcpu, const Instruction& i, void*) {
    const T b = Source::template read<T>(vcpu, i, 1);
    T a = RegisterOperand::read<T>(vcpu, i, 0);
    Operation::apply(a, b, vcpu.state.rflags);
    if constexpr (Operation::writes) RegisterOperand::write<T>(vcpu, i, 0, a);
}

template <class Operation, Word T, class Source>
void to_memory(Vcpu& vcpu, const Instruction& i, void*) {
    const T b = Source::template read<T>(vcpu, i, 1);
    if constexpr (Operation::writes) {
        modify<T>(vcpu, i, [&](T& a) { Operation::apply(a, b, vcpu.state.rflags); });
    } else {
        T a = load<T>(vcpu, i);
        Operation::apply(a, b, vcpu.state.rflags);
    }
}

template <class Operation, Word T, class Source>
void to_memory_locked(Vcpu& vcpu, const Instruction& i, void*) {
    const T b = Source::template read<T>(vcpu, i, 1);
    modify_atomically<T>(vcpu, i, [&](T* a) { Operation::locked(a, b, vcpu.state.rflags); });
}

template <class Operation, Word T>
Semantics binary_form(const Instruction& i) {
    const bool immediate = i.operands[1].kind == OperandKind::immediate;
    if (i.operands[0].kind != OperandKind::memory) {
        if (immediate) return to_register<Operation, T, ImmediateOperand>;
        if (i.operands[1].kind == OperandKind::memory) return to_register<Operation, T, MemoryLocation>;
        return to_register<Operation, T, RegisterOperand>;
    }
    if constexpr (Operation::writes)
        if (i.lock)
            return immediate ? to_memory_locked<Operation, T, ImmediateOperand>
                             : to_memory_locked<Operation, T, RegisterOperand>;
    return immediate ? to_memory<Operation, T, ImmediateOperand> : to_memory<Operation, T, RegisterOperand>;
}

template <class Operation>
Semantics binary(const Instruction& i) {
    return with_word(i.operands[0].size, [&]<Word T>() { return binary_form<Operation, T>(i); });
}

// --- one operand

struct Increment {
    template <Word T>
    static void apply(T& a, u64& rflags) {
        u64 status = rflags;
        Add::apply(a, T{1}, status);
        set_status(rflags, status, x86::flags::status & ~cf);
    }
    template <Word T>
    static void locked(T* a, u64& rflags) {
        u64 status = rflags;
        Add::locked(a, T{1}, status);
        set_status(rflags, status, x86::flags::status & ~cf);
    }
};

struct Decrement {
    template <Word T>
    static void apply(T& a, u64& rflags) {
        u64 status = rflags;
        Sub::apply(a, T{1}, status);
        set_status(rflags, status, x86::flags::status & ~cf);
    }
    template <Word T>
    static void locked(T* a, u64& rflags) {
        u64 status = rflags;
        Sub::locked(a, T{1}, status);
        set_status(rflags, status, x86::flags::status & ~cf);
    }
};

struct Negate {
    template <Word T>
    static void apply(T& a, u64& rflags) {
        T result = 0;
        Sub::apply(result, a, rflags);
        a = result;
    }
    template <Word T>
    static void locked(T* a, u64& rflags) {
        T seen = __atomic_load_n(a, __ATOMIC_SEQ_CST), result;
        do {
            result = seen;
            apply(result, rflags);
        } while (!__atomic_compare_exchange_n(a, &seen, result, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    }
};

struct Complement {
    template <Word T>
    static void apply(T& a, u64&) {
        a = static_cast<T>(~a);
    }
    template <Word T>
    static void locked(T* a, u64&) {
        __atomic_fetch_xor(a, static_cast<T>(~T{0}), __ATOMIC_SEQ_CST);
    }
};

template <class Operation, Word T>
void unary_register(Vcpu& vcpu, const Instruction& i, void*) {
    T a = RegisterOperand::read<T>(vcpu, i, 0);
    Operation::apply(a, vcpu.state.rflags);
    RegisterOperand::write<T>(vcpu, i, 0, a);
}

template <class Operation, Word T>
void unary_memory(Vcpu& vcpu, const Instruction& i, void*) {
    modify<T>(vcpu, i, [&](T& a) { Operation::apply(a, vcpu.state.rflags); });
}

template <class Operation, Word T>
void unary_memory_locked(Vcpu& vcpu, const Instruction& i, void*) {
    modify_atomically<T>(vcpu, i, [&](T* a) { Operation::locked(a, vcpu.state.rflags); });
}

template <class Operation>
Semantics unary(const Instruction& i) {
    return with_word(i.operands[0].size, [&]<Word T>() -> Semantics {
        if (i.operands[0].kind != OperandKind::memory) return unary_register<Operation, T>;
        return i.lock ? unary_memory_locked<Operation, T> : unary_memory<Operation, T>;
    });
}

// --- IMUL

template <Word T>
void multiply(Vcpu& vcpu, const Instruction& i, T a, T b) {
    // The flags it leaves undefined may be those from before (AMD), so they go in.
    u16 flags_in_out = status_to_ah(vcpu.state.rflags);
    asm("sahf\n\timul %[b], %[a]\n\tlahf\n\tseto %%al" : [a] "+r"(a), "+a"(flags_in_out) : [b] "r"(b) : "cc");
    set_status(vcpu.state.rflags, status_of(flags_in_out));
    RegisterOperand::write<T>(vcpu, i, 0, a);
}

template <Word T, class Source>
void imul_two(Vcpu& vcpu, const Instruction& i, void*) {
    const T b = Source::template read<T>(vcpu, i, 1);
    multiply<T>(vcpu, i, RegisterOperand::read<T>(vcpu, i, 0), b);
}

template <Word T, class Source>
void imul_three(Vcpu& vcpu, const Instruction& i, void*) {
    multiply<T>(vcpu, i, Source::template read<T>(vcpu, i, 1), static_cast<T>(i.immediate));
}

template <Word T>
Semantics imul_form(const Instruction& i) {
    const bool memory = i.operands[1].kind == OperandKind::memory;
    if (i.explicit_count == 3) return memory ? imul_three<T, MemoryLocation> : imul_three<T, RegisterOperand>;
    return memory ? imul_two<T, MemoryLocation> : imul_two<T, RegisterOperand>;
}

Semantics imul(const Instruction& i) {
    if (!i.operands[1].explicit_ || !i.operands[0].written) return nullptr;  // rDX:rAX forms run natively
    switch (i.operands[0].size) {
        case 2: return imul_form<u16>(i);
        case 4: return imul_form<u32>(i);
        case 8: return imul_form<u64>(i);
        default: return nullptr;
    }
}

}  // namespace

Semantics integer_arithmetic_semantics(const Instruction& i) {
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_ADD: return binary<Add>(i);
        case ZYDIS_MNEMONIC_OR: return binary<Or>(i);
        case ZYDIS_MNEMONIC_ADC: return binary<Adc>(i);
        case ZYDIS_MNEMONIC_SBB: return binary<Sbb>(i);
        case ZYDIS_MNEMONIC_AND: return binary<And>(i);
        case ZYDIS_MNEMONIC_SUB: return binary<Sub>(i);
        case ZYDIS_MNEMONIC_XOR: return binary<Xor>(i);
        case ZYDIS_MNEMONIC_CMP: return binary<Cmp>(i);
        case ZYDIS_MNEMONIC_TEST: return binary<Test>(i);
        case ZYDIS_MNEMONIC_INC: return unary<Increment>(i);
        case ZYDIS_MNEMONIC_DEC: return unary<Decrement>(i);
        case ZYDIS_MNEMONIC_NEG: return unary<Negate>(i);
        case ZYDIS_MNEMONIC_NOT: return unary<Complement>(i);
        case ZYDIS_MNEMONIC_IMUL: return imul(i);
        default: return nullptr;
    }
}

}  // namespace softmetal::interpreter
