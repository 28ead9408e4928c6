// Arithmetic with the host's own status flags: each operation and the capture of its flags are one asm
// statement, so undefined flags come out as this processor's do.
#pragma once

#include "interpreter/operands.hpp"
#include "x86/flags.hpp"

namespace softmetal::interpreter {

/// Status flags from LAHF (AH) and SETO (AL).
[[nodiscard]] inline u64 status_of(u16 captured) {
    constexpr u64 in_ah = x86::flags::status & 0xff;
    return (captured >> 8 & in_ah) | (captured & u64{1}) << 11;
}
/// AH for SAHF; OF is not in it.
[[nodiscard]] inline u16 status_to_ah(u64 rflags) {
    return static_cast<u16>((rflags & x86::flags::status & 0xff) << 8);
}
inline void set_status(u64& rflags, u64 status, u64 which = x86::flags::status) {
    rflags = (rflags & ~which) | (status & which);
}

// Operations on two values: apply() on a copy, locked() on memory that other processors see.
#define SOFTMETAL_BINARY_OPERATION(Name, mnemonic, stores)                   \
    struct Name {                                                            \
        static constexpr bool writes = stores;                               \
        template <Word T>                                                    \
        static void apply(T& a, T b, u64& rflags) {                          \
            u16 captured;                                                    \
            asm(mnemonic " %[b], %[a]\n\tlahf\n\tseto %%al"                  \
                : [a] "+r"(a), "=&a"(captured)                               \
                : [b] "r"(b)                                                 \
                : "cc");                                                     \
            set_status(rflags, status_of(captured));                         \
        }                                                                    \
        template <Word T>                                                    \
        static void locked(T* a, T b, u64& rflags) {                         \
            u16 captured;                                                    \
            asm volatile("lock " mnemonic " %[b], %[a]\n\tlahf\n\tseto %%al" \
                         : [a] "+m"(*a), "=&a"(captured)                     \
                         : [b] "r"(b)                                        \
                         : "cc", "memory");                                  \
            set_status(rflags, status_of(captured));                         \
        }                                                                    \
    };
SOFTMETAL_BINARY_OPERATION(Add, "add", true)
SOFTMETAL_BINARY_OPERATION(Or, "or", true)
SOFTMETAL_BINARY_OPERATION(And, "and", true)
SOFTMETAL_BINARY_OPERATION(Sub, "sub", true)
SOFTMETAL_BINARY_OPERATION(Xor, "xor", true)
#undef SOFTMETAL_BINARY_OPERATION

// The same with the carry flag as input.
#define SOFTMETAL_CARRY_OPERATION(Name, mnemonic)                                               \
    struct Name {                                                                               \
        static constexpr bool writes = true;                                                    \
        template <Word T>                                                                       \
        static void apply(T& a, T b, u64& rflags) {                                             \
            u16 captured;                                                                       \
            asm("bt $0, %[flags]\n\t" mnemonic " %[b], %[a]\n\tlahf\n\tseto %%al"               \
                : [a] "+r"(a), "=&a"(captured)                                                  \
                : [b] "r"(b), [flags] "r"(rflags)                                               \
                : "cc");                                                                        \
            set_status(rflags, status_of(captured));                                            \
        }                                                                                       \
        template <Word T>                                                                       \
        static void locked(T* a, T b, u64& rflags) {                                            \
            u16 captured;                                                                       \
            asm volatile("bt $0, %[flags]\n\tlock " mnemonic " %[b], %[a]\n\tlahf\n\tseto %%al" \
                         : [a] "+m"(*a), "=&a"(captured)                                        \
                         : [b] "r"(b), [flags] "r"(rflags)                                      \
                         : "cc", "memory");                                                     \
            set_status(rflags, status_of(captured));                                            \
        }                                                                                       \
    };
SOFTMETAL_CARRY_OPERATION(Adc, "adc")
SOFTMETAL_CARRY_OPERATION(Sbb, "sbb")
#undef SOFTMETAL_CARRY_OPERATION

/// Operations of which only the flags count.
struct Cmp {
    static constexpr bool writes = false;
    template <Word T>
    static void apply(T& a, T b, u64& rflags) {
        u16 captured;
        asm("cmp %[b], %[a]\n\tlahf\n\tseto %%al" : "=&a"(captured) : [a] "r"(a), [b] "r"(b) : "cc");
        set_status(rflags, status_of(captured));
    }
};
struct Test {
    static constexpr bool writes = false;
    template <Word T>
    static void apply(T& a, T b, u64& rflags) {
        u16 captured;
        asm("test %[b], %[a]\n\tlahf\n\tseto %%al" : "=&a"(captured) : [a] "r"(a), [b] "r"(b) : "cc");
        set_status(rflags, status_of(captured));
    }
};

}  // namespace softmetal::interpreter
