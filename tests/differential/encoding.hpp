// An instruction's bytes, put together from the fields of its encoding (SDM vol. 2, ch. 2).
#pragma once

#include "base/integers.hpp"

#include <Zydis/Zydis.h>
#include <array>

namespace softmetal::differential {

struct EncodingFields {
    u8 code_size = 8;  // 8: 64-bit mode, 4: 32-bit code; as in decode()
    bool vex = false;
    u8 map = 0;  // 0: one-byte opcodes, 1: 0F, 2: 0F 38, 3: 0F 3A
    u8 opcode = 0;
    u8 mandatory = 0;       // 0, 0x66, 0xf3 or 0xf2; the pp field of VEX
    u8 ignored_prefix = 0;  // one that means nothing to this instruction
    bool lock = false;
    bool operand16 = false;           // 66 beside another mandatory prefix
    bool other_address_size = false;  // 67
    u8 segment_prefix = 0;            // 65 and the like
    bool w = false, l = false;        // L: VEX only
    bool rex = false;                 // a REX prefix even where no bit of it is needed
    bool has_modrm = false;
    u8 mod = 0, reg = 0, rm = 0;                    // 0..15, in 32-bit code 0..7
    u8 sib_scale = 0, sib_index = 0, sib_base = 0;  // where the form has a SIB byte
    u8 vvvv = 0;                                    // 0..15, not inverted
    bool ignored_vex_bits = false;                  // what names registers 8 to 15, set in 32-bit code
    std::array<u8, 12> tail{};                      // displacement, then immediate
};

/// All 15 bytes are set; how many belong to the instruction is the decoder's to say.
[[nodiscard]] std::array<u8, 16> encode(const EncodingFields& f);

struct Decoded {
    ZydisDecodedInstruction instruction;
    std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands;
};
[[nodiscard]] bool decode_bytes(const std::array<u8, 16>& bytes, unsigned code_size, Decoded& into);

}  // namespace softmetal::differential
