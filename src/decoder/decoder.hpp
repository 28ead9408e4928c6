// Bytes -> Instruction, over Zydis.
#pragma once

#include "decoder/instruction.hpp"

#include <expected>
#include <span>

namespace softmetal {

enum class DecodeError : u8 {
    truncated,  // more bytes are needed: the fetch goes on, or faults, on the next page
    invalid,    // no such instruction: #UD
    too_long,   // over 15 bytes: #GP(0)
};

/// Whose rules: the vendors' processors read a few bytes differently.
/// - AMD's near branches obey the operand-size prefix (APM vol. 1, table 3-9), Intel's ignore it.
/// - MOVSXD r16 reads a doubleword of memory, on Intel's a word (APM vol. 3 and SDM vol. 2, MOVSXD).
/// - VPEXTRQ and VPINSRQ (VEX.W) in 32-bit code raise #UD, on Intel's they are VPEXTRD and VPINSRD.
/// - 0F 0D with a register operand raises #UD (APM vol. 3, PREFETCHW), on Intel's it is a NOP.
enum class Vendor : u8 { intel, amd };

/// The host's: the instructions it executes for the guest must mean the same to both.
[[nodiscard]] Vendor host_vendor();

/// `code_size` is the code segment's default in bytes: 2, 4, or 8 for 64-bit mode. EVEX, XOP and MVEX
/// encodings are invalid here: no CPU model reports them.
[[nodiscard]] std::expected<Instruction, DecodeError> decode(std::span<const u8> bytes, unsigned code_size,
                                                             Vendor vendor = host_vendor());

}  // namespace softmetal
