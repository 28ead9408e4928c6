// Shifts and rotates by a constant; by CL, and through the carry, they run natively.
#include "interpreter/host_flags.hpp"
#include "interpreter/semantics.hpp"

#include <Zydis/Zydis.h>

namespace softmetal::interpreter {
namespace {

// The count is not zero after masking, so every status flag the operation touches is written.
#define SOFTMETAL_SHIFT(Name, mnemonic, touched)                \
    struct Name {                                               \
        template <Word T>                                       \
        static void apply(T& a, u8 count, u64& rflags) {        \
            u16 captured;                                       \
            asm(mnemonic " %[count], %[a]\n\tlahf\n\tseto %%al" \
                : [a] "+r"(a), "=&a"(captured)                  \
                : [count] "c"(count)                            \
                : "cc");                                        \
            set_status(rflags, status_of(captured), touched);   \
        }                                                       \
    };
SOFTMETAL_SHIFT(ShiftLeft, "shl", x86::flags::status)
SOFTMETAL_SHIFT(ShiftRight, "shr", x86::flags::status)
SOFTMETAL_SHIFT(ShiftArithmetic, "sar", x86::flags::status)
SOFTMETAL_SHIFT(RotateLeft, "rol", x86::flags::cf | x86::flags::of)
SOFTMETAL_SHIFT(RotateRight, "ror", x86::flags::cf | x86::flags::of)
#undef SOFTMETAL_SHIFT

template <class Operation, Word T>
void shift_register(Vcpu& vcpu, const Instruction& i, void*) {
    T a = RegisterOperand::read<T>(vcpu, i, 0);
    Operation::apply(a, static_cast<u8>(i.immediate), vcpu.state.rflags);
    RegisterOperand::write<T>(vcpu, i, 0, a);
}

template <class Operation, Word T>
void shift_memory(Vcpu& vcpu, const Instruction& i, void*) {
    modify<T>(vcpu, i, [&](T& a) { Operation::apply(a, static_cast<u8>(i.immediate), vcpu.state.rflags); });
}

template <class Operation>
Semantics shift(const Instruction& i) {
    const unsigned mask = i.operands[0].size == 8 ? 63 : 31;
    const u64 count = i.immediate & mask;
    if (i.operands[1].kind != OperandKind::immediate || count == 0) return nullptr;
    // OF is undefined then, and processors answer differently for a constant than for CL.
    constexpr bool rotates = std::same_as<Operation, RotateLeft> || std::same_as<Operation, RotateRight>;
    if (rotates && count != 1) return nullptr;
    return with_word(i.operands[0].size, [&]<Word T>() -> Semantics {
        return i.operands[0].kind == OperandKind::memory ? shift_memory<Operation, T>
                                                         : shift_register<Operation, T>;
    });
}

}  // namespace

Semantics shift_semantics(const Instruction& i) {
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_SHL: return shift<ShiftLeft>(i);
        case ZYDIS_MNEMONIC_SHR: return shift<ShiftRight>(i);
        case ZYDIS_MNEMONIC_SAR: return shift<ShiftArithmetic>(i);
        case ZYDIS_MNEMONIC_ROL: return shift<RotateLeft>(i);
        case ZYDIS_MNEMONIC_ROR: return shift<RotateRight>(i);
        default: return nullptr;
    }
}

}  // namespace softmetal::interpreter
