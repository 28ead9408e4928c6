#include "decoder/decoder.hpp"

#include "x86/flags.hpp"

#include <Zydis/Zydis.h>
#include <algorithm>
#include <array>
#include <cpuid.h>

namespace softmetal {
namespace {

ZydisDecoder make_decoder(ZydisMachineMode mode, ZydisStackWidth stack, Vendor vendor = Vendor::intel) {
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, mode, stack);
    // Without MPX its opcodes are NOPs, as on a processor that does not have it.
    ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
    ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_CET, ZYAN_FALSE);
    ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_CLDEMOTE, ZYAN_FALSE);
    ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_KNC, ZYAN_FALSE);
    ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_AMD_BRANCHES, vendor == Vendor::amd);
    return decoder;
}

const ZydisDecoder& decoder_for(unsigned code_size, Vendor vendor) {
    static const ZydisDecoder decoder16 = make_decoder(ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
    static const ZydisDecoder decoder32 = make_decoder(ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    static const ZydisDecoder decoder64 = make_decoder(ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    static const ZydisDecoder decoder64_amd =
        make_decoder(ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64, Vendor::amd);
    if (code_size == 8) return vendor == Vendor::amd ? decoder64_amd : decoder64;
    return code_size == 4 ? decoder32 : decoder16;
}

struct GprName {
    u8 index;
    bool high_byte;
};

GprName gpr_of(ZydisRegister reg) {
    if (reg >= ZYDIS_REGISTER_AL && reg <= ZYDIS_REGISTER_BL)
        return {static_cast<u8>(reg - ZYDIS_REGISTER_AL), false};
    if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH)
        return {static_cast<u8>(reg - ZYDIS_REGISTER_AH), true};
    if (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B)
        return {static_cast<u8>(reg - ZYDIS_REGISTER_SPL + x86::rsp), false};
    if (reg >= ZYDIS_REGISTER_AX && reg <= ZYDIS_REGISTER_R15W)
        return {static_cast<u8>(reg - ZYDIS_REGISTER_AX), false};
    if (reg >= ZYDIS_REGISTER_EAX && reg <= ZYDIS_REGISTER_R15D)
        return {static_cast<u8>(reg - ZYDIS_REGISTER_EAX), false};
    if (reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15)
        return {static_cast<u8>(reg - ZYDIS_REGISTER_RAX), false};
    return {MemoryOperand::no_register, false};
}

x86::Segment segment_of(ZydisRegister reg) {
    switch (reg) {
        case ZYDIS_REGISTER_ES: return x86::Segment::es;
        case ZYDIS_REGISTER_CS: return x86::Segment::cs;
        case ZYDIS_REGISTER_SS: return x86::Segment::ss;
        case ZYDIS_REGISTER_FS: return x86::Segment::fs;
        case ZYDIS_REGISTER_GS: return x86::Segment::gs;
        default: return x86::Segment::ds;
    }
}

/// The segment an override prefix names, for accesses that Zydis shows as hidden operands.
x86::Segment source_segment(ZydisInstructionAttributes attributes) {
    if (attributes & ZYDIS_ATTRIB_HAS_SEGMENT_CS) return x86::Segment::cs;
    if (attributes & ZYDIS_ATTRIB_HAS_SEGMENT_SS) return x86::Segment::ss;
    if (attributes & ZYDIS_ATTRIB_HAS_SEGMENT_ES) return x86::Segment::es;
    if (attributes & ZYDIS_ATTRIB_HAS_SEGMENT_FS) return x86::Segment::fs;
    if (attributes & ZYDIS_ATTRIB_HAS_SEGMENT_GS) return x86::Segment::gs;
    return x86::Segment::ds;
}

RegisterField field_of(ZydisOperandEncoding encoding) {
    switch (encoding) {
        case ZYDIS_OPERAND_ENCODING_MODRM_REG: return RegisterField::modrm_reg;
        case ZYDIS_OPERAND_ENCODING_MODRM_RM: return RegisterField::modrm_rm;
        case ZYDIS_OPERAND_ENCODING_OPCODE: return RegisterField::opcode;
        case ZYDIS_OPERAND_ENCODING_NDSNDD: return RegisterField::vvvv;
        case ZYDIS_OPERAND_ENCODING_IS4: return RegisterField::is4;
        default: return RegisterField::implicit;
    }
}

class Translation {
 public:
    Translation(const ZydisDecodedInstruction& z, Vendor vendor, Instruction& out)
        : z_(z), vendor_(vendor), out_(out) {}

    void add_operand(const ZydisDecodedOperand& z) {
        Operand operand{};
        operand.read = z.actions & (ZYDIS_OPERAND_ACTION_MASK_READ);
        operand.written = z.actions & (ZYDIS_OPERAND_ACTION_MASK_WRITE);
        operand.explicit_ = z.visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN;
        operand.size = static_cast<u16>(z.size / 8);
        operand.field = field_of(z.encoding);
        switch (z.type) {
            case ZYDIS_OPERAND_TYPE_REGISTER: describe_register(z.reg.value, operand); break;
            case ZYDIS_OPERAND_TYPE_MEMORY: describe_memory(z, operand); break;
            case ZYDIS_OPERAND_TYPE_POINTER:
                operand.kind = OperandKind::far_pointer;
                out_.immediate = z.ptr.offset;
                out_.immediate2 = z.ptr.segment;
                break;
            case ZYDIS_OPERAND_TYPE_IMMEDIATE:
                operand.kind = z.imm.is_relative ? OperandKind::relative : OperandKind::immediate;
                (immediates_++ ? out_.immediate2 : out_.immediate) = z.imm.value.u;
                break;
            default: break;
        }
        if (operand.kind != OperandKind::none && out_.operand_count < out_.operands.size())
            out_.operands[out_.operand_count++] = operand;
    }

    void layout() {
        EncodingLayout& layout = out_.layout;
        const auto& raw = z_.raw;
        layout.encoding = z_.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY ? Encoding::legacy
                          : z_.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX  ? Encoding::vex
                                                                           : Encoding::other;
        if (z_.attributes & ZYDIS_ATTRIB_HAS_MODRM) {
            layout.modrm = raw.modrm.offset;
            layout.opcode = static_cast<u8>(raw.modrm.offset - 1);
        } else {
            unsigned end = out_.length;
            if (raw.imm[0].size) end = std::min<unsigned>(end, raw.imm[0].offset);
            if (raw.imm[1].size) end = std::min<unsigned>(end, raw.imm[1].offset);
            if (raw.disp.size) end = std::min<unsigned>(end, raw.disp.offset);
            layout.opcode = static_cast<u8>(end - 1);
        }
        if (z_.attributes & ZYDIS_ATTRIB_HAS_SIB) layout.sib = raw.sib.offset;
        layout.displacement = raw.disp.size ? raw.disp.offset : 0;
        layout.displacement_size = raw.disp.size / 8;
        layout.immediate = raw.imm[0].size ? raw.imm[0].offset : 0;
        layout.immediate_size = static_cast<u8>((raw.imm[0].size + raw.imm[1].size) / 8);
        if (layout.encoding == Encoding::legacy && z_.attributes & ZYDIS_ATTRIB_HAS_REX) {
            layout.rex_offset = raw.rex.offset;
            layout.rex = out_.bytes[raw.rex.offset];
        }
        if (layout.encoding == Encoding::vex) {
            layout.vex_offset = raw.vex.offset;
            layout.vex_size = raw.vex.size;
        }
    }

    void flags() {
        if (!z_.cpu_flags) return;
        constexpr u64 tracked = x86::flags::status | x86::flags::df;
        const auto& f = *z_.cpu_flags;
        out_.flags_read = static_cast<u16>(f.tested & tracked);
        out_.flags_written = static_cast<u16>((f.modified | f.set_0 | f.set_1 | f.undefined) & tracked);
        out_.flags_killed = static_cast<u16>((f.modified | f.set_0 | f.set_1) & ~f.undefined & tracked);
        switch (z_.mnemonic) {
            case ZYDIS_MNEMONIC_SHL:
            case ZYDIS_MNEMONIC_SHR:
            case ZYDIS_MNEMONIC_SAR:
            case ZYDIS_MNEMONIC_ROL:
            case ZYDIS_MNEMONIC_ROR:
            case ZYDIS_MNEMONIC_RCL:
            case ZYDIS_MNEMONIC_RCR:
            case ZYDIS_MNEMONIC_SHLD:
            case ZYDIS_MNEMONIC_SHRD: {
                // By an immediate that is not zero the result is certain.
                const unsigned mask = out_.operand_size == 8 ? 63 : 31;
                const bool constant =
                    out_.operands[z_.mnemonic == ZYDIS_MNEMONIC_SHLD || z_.mnemonic == ZYDIS_MNEMONIC_SHRD
                                      ? 2
                                      : 1]
                        .kind == OperandKind::immediate;
                out_.conditional_flags = !constant || (out_.immediate & mask) == 0;
                break;
            }
            // Into R11, before the mask is applied (SDM vol. 2, SYSCALL).
            case ZYDIS_MNEMONIC_SYSCALL: out_.flags_read = static_cast<u16>(tracked); break;
            default: out_.conditional_flags = out_.rep || out_.repne; break;
        }
        if (out_.conditional_flags) out_.flags_killed = 0;
    }

    void whole_register_file() {
        switch (z_.mnemonic) {
            // Eight registers outside 64-bit mode (SDM vol. 2, VZEROALL).
            case ZYDIS_MNEMONIC_VZEROALL:
            case ZYDIS_MNEMONIC_VZEROUPPER:
                out_.vectors_read = out_.vectors_written = out_.mode == 8 ? 0xffff : 0xff;
                break;
            case ZYDIS_MNEMONIC_EMMS: out_.uses_x87 = true; break;
            default: break;
        }
        if (z_.meta.category == ZYDIS_CATEGORY_X87_ALU || z_.meta.isa_ext == ZYDIS_ISA_EXT_X87 ||
            z_.meta.isa_ext == ZYDIS_ISA_EXT_MMX)
            out_.uses_x87 = true;
    }

 private:
    void touch_gpr(u8 index, bool read, bool written) {
        if (index == MemoryOperand::no_register) return;
        if (read) out_.gprs_read |= static_cast<u16>(1u << index);
        if (written) out_.gprs_written |= static_cast<u16>(1u << index);
    }

    void describe_register(ZydisRegister reg, Operand& operand) {
        operand.index = static_cast<u8>(std::max<int>(ZydisRegisterGetId(reg), 0));
        switch (ZydisRegisterGetClass(reg)) {
            case ZYDIS_REGCLASS_GPR8:
            case ZYDIS_REGCLASS_GPR16:
            case ZYDIS_REGCLASS_GPR32:
            case ZYDIS_REGCLASS_GPR64: {
                const GprName name = gpr_of(reg);
                operand.kind = OperandKind::gpr;
                operand.index = name.index;
                operand.high_byte = name.high_byte;
                touch_gpr(name.index, operand.read, operand.written);
                break;
            }
            case ZYDIS_REGCLASS_XMM:
            case ZYDIS_REGCLASS_YMM:
                operand.kind = OperandKind::vector;
                if (operand.read) out_.vectors_read |= static_cast<u16>(1u << operand.index);
                if (operand.written) out_.vectors_written |= static_cast<u16>(1u << operand.index);
                break;
            case ZYDIS_REGCLASS_MMX:
                operand.kind = OperandKind::mmx;
                out_.uses_x87 = true;
                break;
            case ZYDIS_REGCLASS_X87:
                operand.kind = OperandKind::x87;
                out_.uses_x87 = true;
                break;
            case ZYDIS_REGCLASS_SEGMENT:
                operand.kind = OperandKind::segment;
                operand.index = static_cast<u8>(segment_of(reg));
                break;
            case ZYDIS_REGCLASS_CONTROL: operand.kind = OperandKind::control; break;
            case ZYDIS_REGCLASS_DEBUG: operand.kind = OperandKind::debug; break;
            case ZYDIS_REGCLASS_BOUND: operand.kind = OperandKind::bound; break;
            default:
                operand.kind = OperandKind::none;
                break;  // RIP, RFLAGS, MXCSR, table registers: not operands here
        }
    }

    /// SIB.base 101 with mod 00 is a displacement alone, whatever REX.B says (SDM vol. 2, table 2-3);
    /// Zydis 4.0 takes it for R13D where addresses are 32-bit.
    [[nodiscard]] bool sib_without_base(const ZydisDecodedOperand& z) const {
        return z.encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM && z_.attributes & ZYDIS_ATTRIB_HAS_SIB &&
               z_.raw.modrm.mod == 0 && z_.raw.sib.base == 5;
    }

    void describe_memory(const ZydisDecodedOperand& z, Operand& operand) {
        GprName base = gpr_of(z.mem.base);
        i64 displacement = z.mem.disp.has_displacement ? z.mem.disp.value : 0;
        if (sib_without_base(z)) {
            base.index = MemoryOperand::no_register;
            displacement = z_.raw.disp.value;
        }
        touch_gpr(base.index, true, false);
        if (z.mem.type != ZYDIS_MEMOP_TYPE_VSIB) touch_gpr(gpr_of(z.mem.index).index, true, false);
        const bool encoded =
            z.encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM ||
            (z.encoding >= ZYDIS_OPERAND_ENCODING_DISP8 && z.encoding <= ZYDIS_OPERAND_ENCODING_DISP16_32_32);
        if (!encoded) return;  // stack, string, XLAT, MASKMOV
        operand.kind = OperandKind::memory;
        out_.has_memory = true;
        MemoryOperand& m = out_.memory;
        m.segment = segment_of(z.mem.segment);
        m.base = base.index;
        m.rip_relative = z.mem.base == ZYDIS_REGISTER_RIP || z.mem.base == ZYDIS_REGISTER_EIP;
        m.vsib = z.mem.type == ZYDIS_MEMOP_TYPE_VSIB;
        m.index = m.vsib ? static_cast<u8>(ZydisRegisterGetId(z.mem.index)) : gpr_of(z.mem.index).index;
        m.scale = z.mem.scale ? z.mem.scale : 1;
        m.displacement = displacement;
        const bool accesses = z.mem.type == ZYDIS_MEMOP_TYPE_MEM || m.vsib;
        m.size = accesses ? static_cast<u16>(z.size / 8) : 0;
        // Zydis says 32 bits for MOVSXD r16 too; Intel's processors read 16 (SDM vol. 2, MOVSX).
        if (out_.mnemonic == ZYDIS_MNEMONIC_MOVSXD && out_.operand_size == 2 && vendor_ == Vendor::intel)
            m.size = operand.size = 2;
        m.read = accesses && operand.read;
        m.written = accesses && operand.written;
    }

    const ZydisDecodedInstruction& z_;
    const Vendor vendor_;
    Instruction& out_;
    unsigned immediates_ = 0;
};

/// W selects instructions (VPERMD and VPERMQ) or, in 64-bit mode alone, the width of general registers
/// (SDM vol. 2, ch. 2.3.5.2): there the instruction without it is the same to a decoder of 32-bit code.
bool ignores_vex_w(const ZydisDecoder& decoder, const ZydisDecodedInstruction& z, const Instruction& i) {
    if (i.mode == 8 || i.layout.vex_size != 3 || !z.raw.vex.W) return false;
    auto bytes = i.bytes;
    bytes[i.layout.vex_offset + 2u] &= 0x7f;
    ZydisDecodedInstruction without;
    return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, nullptr, bytes.data(), i.length, &without)) &&
           without.mnemonic == z.mnemonic;
}

/// VPEXTRQ and VPINSRQ outside 64-bit mode: Intel's processors take the doubleword form.
bool wide_form_is_invalid(ZydisMnemonic mnemonic) {
    return mnemonic == ZYDIS_MNEMONIC_VPEXTRD || mnemonic == ZYDIS_MNEMONIC_VPINSRD;
}

/// A near branch in 64-bit mode with an operand-size prefix that counts. Zydis knows of AMD's only where it
/// changes the instruction's length.
bool is_short_branch(const ZydisDecodedInstruction& z, const Instruction& i) {
    if (i.mode != 8 || i.layout.rex & 8) return false;
    switch (z.meta.category) {
        case ZYDIS_CATEGORY_CALL:
        case ZYDIS_CATEGORY_COND_BR:
        case ZYDIS_CATEGORY_RET:
        case ZYDIS_CATEGORY_UNCOND_BR: break;
        default: return false;
    }
    if (z.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) return false;
    const auto prefixes = std::span(z.raw.prefixes).first(z.raw.prefix_count);
    return std::ranges::any_of(prefixes, [](const auto& prefix) { return prefix.value == 0x66; });
}

void make_short_branch(Instruction& i) {
    i.operand_size = 2;
    Operand& target = i.operands[0];
    if (target.kind == OperandKind::gpr || target.kind == OperandKind::memory) target.size = 2;
    if (target.kind == OperandKind::memory) i.memory.size = 2;
}

/// 0F 0D with a register operand.
bool is_prefetch_of_register(const ZydisDecodedInstruction& z) {
    return z.opcode_map == ZYDIS_OPCODE_MAP_0F && z.opcode == 0x0d && z.raw.modrm.mod == 3 &&
           z.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY;
}

}  // namespace

Vendor host_vendor() {
    static const Vendor vendor = [] {
        u32 highest = 0, ebx = 0, ecx = 0, edx = 0;
        __cpuid(0, highest, ebx, ecx, edx);
        return ebx == signature_AMD_ebx && edx == signature_AMD_edx && ecx == signature_AMD_ecx
                   ? Vendor::amd
                   : Vendor::intel;
    }();
    return vendor;
}

std::expected<Instruction, DecodeError> decode(std::span<const u8> memory, unsigned code_size,
                                               Vendor vendor) {
    constexpr std::size_t longest = 15;  // SDM vol. 2, ch. 2.3.11
    ZydisDecodedInstruction z;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    const std::size_t available = std::min(memory.size(), longest);
    // Another processor may write there meanwhile: what is decoded and what is kept must be the same bytes.
    std::array<u8, longest> bytes{};
    std::copy_n(memory.data(), available, bytes.begin());
    const ZydisDecoder& decoder = decoder_for(code_size, vendor);
    const ZyanStatus status = ZydisDecoderDecodeFull(&decoder, bytes.data(), available, &z, operands);
    if (status == ZYDIS_STATUS_NO_MORE_DATA)
        return std::unexpected(available == longest ? DecodeError::too_long : DecodeError::truncated);
    if (status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG) return std::unexpected(DecodeError::too_long);
    if (!ZYAN_SUCCESS(status)) return std::unexpected(DecodeError::invalid);
    if (z.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX || z.encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX ||
        z.encoding == ZYDIS_INSTRUCTION_ENCODING_XOP)
        return std::unexpected(DecodeError::invalid);
    if (vendor == Vendor::amd && is_prefetch_of_register(z)) return std::unexpected(DecodeError::invalid);

    Instruction out;
    std::copy_n(bytes.data(), z.length, out.bytes.data());
    out.length = z.length;
    out.mode = static_cast<u8>(code_size);
    out.operand_size = z.operand_width / 8;
    out.address_size = z.address_width / 8;
    out.memory.address_size = out.address_size;
    out.memory.segment = source_segment(z.attributes);
    out.mnemonic = z.mnemonic;
    out.isa_set = static_cast<u16>(z.meta.isa_set);
    out.category = static_cast<u16>(z.meta.category);
    out.privileged = z.attributes & ZYDIS_ATTRIB_IS_PRIVILEGED;
    out.lock = z.attributes & ZYDIS_ATTRIB_HAS_LOCK;
    out.rep = z.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE);
    out.repne = z.attributes & ZYDIS_ATTRIB_HAS_REPNE;

    Translation translation(z, vendor, out);
    for (unsigned i = 0; i < z.operand_count; i++) {
        translation.add_operand(operands[i]);
        if (i + 1 == z.operand_count_visible) out.explicit_count = out.operand_count;
    }
    translation.layout();
    out.layout.vex_w_ignored = ignores_vex_w(decoder, z, out);
    if (vendor == Vendor::amd && out.layout.vex_w_ignored && wide_form_is_invalid(z.mnemonic))
        return std::unexpected(DecodeError::invalid);
    if (vendor == Vendor::amd && is_short_branch(z, out)) make_short_branch(out);
    translation.flags();
    translation.whole_register_file();
    return out;
}

}  // namespace softmetal
