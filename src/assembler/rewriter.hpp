// Re-emits an instruction with other registers and another memory operand, its meaning otherwise unchanged.
#pragma once

#include "decoder/instruction.hpp"

#include <array>
#include <expected>

namespace softmetal {

/// Where each guest GPR named by the instruction's ModRM, VEX.vvvv or opcode lives in the host. Implicit
/// registers (RAX of MUL, CL of shifts ...) cannot be moved: the map must be the identity for them.
using RegisterMap = std::array<u8, x86::gpr_count>;
[[nodiscard]] constexpr RegisterMap identity_map() {
    RegisterMap map{};
    for (u8 i = 0; i < x86::gpr_count; i++) map[i] = i;
    return map;
}

/// The host memory operand that takes the guest's place: [base + index + displacement], no segment. `index`
/// may be none.
struct HostAddress {
    static constexpr u8 none = 0xff;
    u8 base = x86::rax;
    u8 index = none;
    i32 displacement = 0;
};

struct RewrittenInstruction {
    std::array<u8, 24> bytes{};
    u8 length = 0;
    [[nodiscard]] std::span<const u8> encoding() const { return {bytes.data(), length}; }
};

enum class RewriteError : u8 {
    high_byte_needs_rex,  // AH..BH cannot be named beside a register that needs REX
    unsupported,          // VSIB, implicit memory operands, far pointers
};

/// For 64-bit host code. `address` is used where the instruction has a ModRM memory operand, else ignored.
/// Segment overrides and address-size prefixes are dropped; LOCK, REP (as a mandatory prefix) and operand
/// size stay.
[[nodiscard]] std::expected<RewrittenInstruction, RewriteError> rewrite(const Instruction& i,
                                                                        const RegisterMap& map,
                                                                        HostAddress address);

}  // namespace softmetal
