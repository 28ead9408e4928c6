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

/// `code_size` is the code segment's default in bytes: 2, 4, or 8 for 64-bit mode. EVEX, XOP and MVEX
/// encodings are invalid here: no CPU model reports them.
[[nodiscard]] std::expected<Instruction, DecodeError> decode(std::span<const u8> bytes, unsigned code_size);

}  // namespace softmetal
