// One decoded instruction: what both engines need, in a form small enough to cache.
//
// Zydis decodes; this keeps the operands in Intel order, the registers read and written (implicit ones
// included), the status flags read and written, and where the parts of the encoding lie, so that the bytes
// can be re-emitted with other registers and another memory operand (assembler/rewriter.hpp).
#pragma once

#include "base/address.hpp"
#include "x86/registers.hpp"

#include <Zydis/Mnemonic.h>
#include <array>
#include <span>

namespace softmetal {

enum class OperandKind : u8 {
    none,
    gpr,         // index = x86::Gpr; high_byte for AH, CH, DH, BH
    vector,      // index 0..15; size 16 or 32
    mmx,         // index 0..7
    x87,         // index = ST(i)
    segment,     // index = x86::Segment
    control,     // index = CRn
    debug,       // index = DRn
    bound,       // MPX; never executed
    memory,      // Instruction::memory
    immediate,   // Instruction::immediate, sign-extended as the instruction uses it; second one in immediate2
    relative,    // branch displacement in Instruction::immediate
    far_pointer  // immediate = offset, immediate2 = selector
};

/// Which part of the encoding names a register operand.
enum class RegisterField : u8 { implicit, modrm_reg, modrm_rm, opcode, vvvv, is4 };

struct Operand {
    OperandKind kind = OperandKind::none;
    RegisterField field = RegisterField::implicit;
    u8 index = 0;
    bool high_byte = false;
    bool read = false;
    bool written = false;    // conditionally written counts
    bool explicit_ = false;  // appears in assembly text
    u16 size = 0;            // bytes
};

struct MemoryOperand {
    static constexpr u8 no_register = 0xff;
    x86::Segment segment = x86::Segment::ds;  // override applied; FS and GS bases count in 64-bit mode
    u8 base = no_register;                    // x86::Gpr
    u8 index = no_register;                   // x86::Gpr; for VSIB the vector register
    u8 scale = 1;
    u8 address_size = 8;        // bytes
    bool rip_relative = false;  // displacement counts from the next instruction
    bool vsib = false;
    u16 size = 0;  // bytes accessed; 0 for LEA, NOP, INVLPG, prefetch and other mere addresses
    bool read = false, written = false;  // both false where only the address is used
    i64 displacement = 0;
};

enum class Encoding : u8 { legacy, vex, other };

/// Byte offsets into `bytes`; 0 where the part is absent (no part but prefixes can lie at 0).
struct EncodingLayout {
    Encoding encoding = Encoding::legacy;
    u8 opcode = 0;  // the opcode byte itself, behind escape bytes
    u8 modrm = 0, sib = 0, displacement = 0, displacement_size = 0, immediate = 0, immediate_size = 0;
    u8 rex = 0;  // REX value, 0 where none
    u8 rex_offset = 0;
    u8 vex_offset = 0, vex_size = 0;  // the VEX prefix: 2 or 3 bytes
    bool vex_w_ignored = false;       // outside 64-bit mode W does not widen general registers
};

struct Instruction {
    std::array<u8, 16> bytes{};  // length of them meaningful
    u8 length = 0;
    u8 mode = 8;           // code size it was decoded for: 2, 4 or 8
    u8 operand_size = 0;   // effective, in bytes: 1, 2, 4 or 8
    u8 address_size = 0;   // effective, in bytes
    u8 operand_count = 0;  // explicit ones first
    u8 explicit_count = 0;
    bool lock = false, rep = false, repne = false;  // prefixes that are present
    bool has_memory =
        false;  // an explicit or implicit operand uses `memory` (string instructions and stack have none)
    bool privileged = false;  // CPL 0 only
    ZydisMnemonic mnemonic = ZYDIS_MNEMONIC_INVALID;
    u16 isa_set = 0;        // ZydisISASet: which CPUID feature it belongs to
    u16 category = 0;       // ZydisInstructionCategory
    u16 flags_read = 0;     // status flags and DF it reads
    u16 flags_written = 0;  // status flags it writes, sets, clears or leaves undefined
    u16 flags_killed =
        0;              // of those, the ones whose old value is certainly gone (not undefined, no zero count)
    u16 gprs_read = 0;  // bit n = GPR n: operands, addresses, implicit ones
    u16 gprs_written = 0;
    u16 vectors_read = 0, vectors_written = 0;  // XMM/YMM 0..15
    bool uses_x87 = false;                      // x87 or MMX state is read or written
    bool conditional_flags = false;             // a shift by CL: flags stay where the count is zero
    EncodingLayout layout{};
    MemoryOperand memory{};
    u64 immediate = 0;
    u64 immediate2 = 0;
    std::array<Operand, 6> operands{};

    [[nodiscard]] std::span<const u8> encoding() const { return {bytes.data(), length}; }
    [[nodiscard]] const Operand& operand(unsigned i) const { return operands[i]; }
    /// An instruction pointer as wide as it is in this code: EIP outside of 64-bit mode.
    [[nodiscard]] u64 cut_to_code(u64 rip) const { return mode == 8 ? rip : rip & 0xffff'ffff; }
};

}  // namespace softmetal
