// The instruction forms to test, found by walking the opcode maps rather than written down by hand.
//
// A form is a mnemonic with its operand kinds and sizes and its opcode; the registers, addresses and
// immediates are the case's to choose. Encodings that differ in nothing else (a prefix that means nothing, an
// aliased ModRM.reg) are one form.
#pragma once

#include "cpu/cpu_model.hpp"
#include "encoding.hpp"

#include <string>
#include <vector>

namespace softmetal::differential {

struct InstructionForm {
    std::string id;  // "addps:xmm,m128:0f58"; of 32-bit code "32/addps:xmm,m128:0f58"
    ZydisMnemonic mnemonic = ZYDIS_MNEMONIC_INVALID;
    ZydisISASet isa_set = ZYDIS_ISA_SET_INVALID;
    EncodingFields fields;  // what all encodings of the form share
    bool register_in_opcode = false;
    bool uses_vvvv = false;
    bool vsib = false;
    bool foreign = false;                               // not in the processor model of the guest
    bool local_segments = false, far_transfer = false;  // see scope.hpp
    u8 reg_values = 0, rm_values = 0;  // ModRM.reg and, for registers, ModRM.rm: bit n = value n occurs
};

/// The name of a decoded instruction's form; two encodings with equal names are the same form.
[[nodiscard]] std::string form_id(const EncodingFields& fields, const Decoded& decoded);

/// Every form of 64-bit mode (code size 8) or 32-bit code (4) that the host can be and scope.hpp does not
/// leave out. `model` is the guest's.
[[nodiscard]] std::vector<InstructionForm> enumerate_forms(const CpuModel& host, const CpuModel& model,
                                                           unsigned code_size);

}  // namespace softmetal::differential
