// Encoding facts: SDM vol. 2, ch. 2.1 (ModRM and SIB), 2.2 (REX), 2.3 (VEX).
#include "assembler/rewriter.hpp"

#include <algorithm>

namespace softmetal {
namespace {

constexpr u8 operand_size_prefix = 0x66;

bool is_segment_or_address_prefix(u8 byte) {
    return byte == 0x26 || byte == 0x2e || byte == 0x36 || byte == 0x3e || byte == 0x64 || byte == 0x65 ||
           byte == 0x67;
}
bool is_legacy_prefix(u8 byte) {
    return is_segment_or_address_prefix(byte) || byte == 0xf0 || byte == 0xf2 || byte == 0xf3 ||
           byte == operand_size_prefix;
}

/// Of 32 bits in 16-bit code, too: 66 belongs to their opcode (ADCX) or is not theirs (MOVNTI).
bool has_fixed_size(ZydisMnemonic mnemonic) {
    switch (mnemonic) {
        case ZYDIS_MNEMONIC_ADCX:
        case ZYDIS_MNEMONIC_ADOX:
        case ZYDIS_MNEMONIC_MOVNTI:
        case ZYDIS_MNEMONIC_MOVDIRI:
        case ZYDIS_MNEMONIC_MOVDIR64B: return true;
        default: return false;
    }
}

/// The register numbers of the new encoding, four bits each.
struct Fields {
    u8 reg = 0, rm = 0, opcode = 0, vvvv = 0;
    bool opcode_names_register = false;
    bool needs_rex = false;    // SPL, BPL, SIL, DIL exist only beside a REX prefix
    bool forbids_rex = false;  // AH, CH, DH, BH only without one
};

class Rewriter {
 public:
    Rewriter(const Instruction& i, const RegisterMap& map, HostAddress address)
        : i_(i), map_(map), address_(address) {}

    std::expected<RewrittenInstruction, RewriteError> run() {
        if (i_.layout.encoding == Encoding::other || i_.memory.vsib)
            return std::unexpected(RewriteError::unsupported);
        moffs_ = i_.has_memory && !i_.layout.modrm;
        if (!collect_fields()) return std::unexpected(RewriteError::high_byte_needs_rex);
        if (i_.layout.encoding == Encoding::vex)
            emit_vex_prefix();
        else if (!emit_legacy_prefixes())
            return std::unexpected(RewriteError::high_byte_needs_rex);
        emit_opcode();
        emit_operands();
        emit_tail();
        return out_;
    }

 private:
    [[nodiscard]] bool memory() const { return i_.has_memory; }

    bool collect_fields() {
        if (i_.layout.modrm) {
            const u8 modrm = i_.bytes[i_.layout.modrm];
            fields_.reg = static_cast<u8>((modrm >> 3 & 7) | (extension(2) << 3));
            fields_.rm = static_cast<u8>((modrm & 7) | (extension(0) << 3));
        }
        if (i_.layout.encoding == Encoding::vex) fields_.vvvv = original_vvvv();
        for (unsigned n = 0; n < i_.operand_count; n++) {
            const Operand& operand = i_.operands[n];
            if (operand.kind != OperandKind::gpr) continue;
            u8 number = map_[operand.index];
            if (operand.size == 1 && operand.field != RegisterField::implicit) {
                if (operand.high_byte) {
                    if (number >= 4) return false;
                    number = static_cast<u8>(number + 4);
                    fields_.forbids_rex = true;
                } else if (number >= 4) {
                    fields_.needs_rex = true;
                }
            }
            switch (operand.field) {
                case RegisterField::modrm_reg: fields_.reg = number; break;
                case RegisterField::modrm_rm: fields_.rm = number; break;
                case RegisterField::vvvv: fields_.vvvv = number; break;
                case RegisterField::opcode:
                    fields_.opcode = number;
                    fields_.opcode_names_register = true;
                    break;
                default: break;
            }
        }
        if (moffs_) fields_.reg = map_[x86::rax];
        if (moffs_ && i_.operand_size == 1 && fields_.reg >= 4) fields_.needs_rex = true;
        return true;
    }

    /// REX or VEX extension bit as the original has it: 2 = R, 1 = X, 0 = B.
    [[nodiscard]] u8 extension(unsigned which) const {
        const EncodingLayout& l = i_.layout;
        if (i_.mode != 8) return 0;  // whatever VEX has there
        if (l.encoding == Encoding::legacy) return l.rex >> which & 1;
        if (l.vex_size == 3) return static_cast<u8>(~(i_.bytes[l.vex_offset + 1] >> (5 + which)) & 1);
        return which == 2 ? static_cast<u8>(~(i_.bytes[l.vex_offset + 1] >> 7) & 1) : 0;
    }
    [[nodiscard]] u8 last_vex_byte() const { return i_.bytes[i_.layout.vex_offset + i_.layout.vex_size - 1]; }
    [[nodiscard]] u8 original_vvvv() const { return ~(last_vex_byte() >> 3) & (i_.mode == 8 ? 15 : 7); }

    [[nodiscard]] u8 x_bit() const {
        return memory() && address_.index != HostAddress::none ? address_.index >> 3 : 0;
    }
    [[nodiscard]] u8 b_bit() const {
        if (memory()) return address_.base >> 3;
        return fields_.opcode_names_register ? fields_.opcode >> 3 : fields_.rm >> 3;
    }

    void emit(u8 byte) { out_.bytes[out_.length++] = byte; }

    bool emit_legacy_prefixes() {
        unsigned at = 0;
        bool had_operand_size = false;
        for (; at < i_.layout.opcode && (is_legacy_prefix(i_.bytes[at]) || is_rex(i_.bytes[at])); at++) {
            const u8 byte = i_.bytes[at];
            if (is_rex(byte) || is_segment_or_address_prefix(byte) || comes_again(at)) continue;
            if (byte == operand_size_prefix) {
                if (had_operand_size || flips_operand_size()) continue;
                had_operand_size = true;
            }
            emit(byte);
        }
        if (flips_operand_size() && i_.operand_size == 2) emit(operand_size_prefix);
        opcode_start_ = at;
        const u8 rex =
            static_cast<u8>(0x40 | (i_.layout.rex & 8) | (fields_.reg >> 3) << 2 | x_bit() << 1 | b_bit());
        if (rex != 0x40 || fields_.needs_rex) {
            if (fields_.forbids_rex) return false;
            emit(rex);
        }
        return true;
    }
    /// Prefixes may be repeated until the instruction has 15 bytes: with a REX prefix of ours it would be too
    /// long.
    [[nodiscard]] bool comes_again(unsigned at) const {
        const auto end = i_.bytes.begin() + i_.layout.opcode;
        return std::find(i_.bytes.begin() + at + 1, end, i_.bytes[at]) != end;
    }
    [[nodiscard]] bool is_rex(u8 byte) const { return i_.mode == 8 && (byte & 0xf0) == 0x40; }
    /// 16-bit code: the prefix means the opposite there; where it selects an opcode it stays.
    [[nodiscard]] bool flips_operand_size() const {
        return i_.mode == 2 && !i_.vectors_read && !i_.vectors_written && !i_.uses_x87 &&
               !has_fixed_size(i_.mnemonic);
    }

    void emit_vex_prefix() {
        const EncodingLayout& l = i_.layout;
        const u8 map = l.vex_size == 3 ? i_.bytes[l.vex_offset + 1] & 0x1f : 1;
        const u8 w = l.vex_size == 3 && !l.vex_w_ignored ? last_vex_byte() & 0x80 : 0;
        const u8 low = static_cast<u8>((~fields_.vvvv & 15) << 3 | (last_vex_byte() & 7));
        const u8 r = static_cast<u8>(~(fields_.reg >> 3) & 1);
        if (map == 1 && !w && !x_bit() && !b_bit()) {
            emit(0xc5);
            emit(static_cast<u8>(r << 7 | low));
        } else {
            emit(0xc4);
            emit(static_cast<u8>(r << 7 | (~x_bit() & 1) << 6 | (~b_bit() & 1) << 5 | map));
            emit(static_cast<u8>(w | low));
        }
        opcode_start_ = l.opcode;
    }

    void emit_opcode() {
        if (i_.mode != 8 && i_.layout.encoding == Encoding::legacy && opcode_start_ == i_.layout.opcode &&
            (i_.bytes[opcode_start_] & 0xf0) == 0x40) {
            // One-byte INC and DEC are REX prefixes in 64-bit code: take the FF group instead.
            emit(0xff);
            emit(static_cast<u8>(0xc0 | (i_.bytes[opcode_start_] & 8) | (fields_.opcode & 7)));
            return;
        }
        for (unsigned at = opcode_start_; at < i_.layout.opcode; at++) emit(i_.bytes[at]);
        u8 opcode = i_.bytes[i_.layout.opcode];
        // MOV with an absolute offset becomes the ModRM form: A0..A3 -> 8A, 8B, 88, 89.
        if (moffs_) opcode = static_cast<u8>(opcode < 0xa2 ? opcode - 0xa0 + 0x8a : opcode - 0xa2 + 0x88);
        // 82 is 80 once more, and invalid in 64-bit code (SDM vol. 3, ch. 23.15).
        if (i_.mode != 8 && opcode == 0x82 && i_.layout.encoding == Encoding::legacy &&
            opcode_start_ == i_.layout.opcode)
            opcode = 0x80;
        if (fields_.opcode_names_register) opcode = static_cast<u8>((opcode & ~7) | (fields_.opcode & 7));
        emit(opcode);
    }

    void emit_operands() {
        if (!i_.layout.modrm && !moffs_) return;
        const u8 reg = static_cast<u8>((fields_.reg & 7) << 3);
        if (!memory()) {
            const u8 original = i_.bytes[i_.layout.modrm];
            emit(static_cast<u8>((original & 0xc0) | reg | (fields_.rm & 7)));
            return;
        }
        const i32 d = address_.displacement;
        const u8 base = address_.base & 7;
        const bool no_displacement = d == 0 && base != x86::rbp;
        const bool short_displacement = d >= -128 && d <= 127;
        const u8 mod = no_displacement ? 0 : short_displacement ? 0x40 : 0x80;
        if (address_.index != HostAddress::none || base == x86::rsp) {
            const u8 index = address_.index == HostAddress::none ? u8{x86::rsp} : address_.index & 7;
            emit(static_cast<u8>(mod | reg | 4));
            emit(static_cast<u8>(index << 3 | base));
        } else {
            emit(static_cast<u8>(mod | reg | base));
        }
        if (no_displacement) return;
        for (unsigned n = 0; n < (short_displacement ? 1u : 4u); n++)
            emit(static_cast<u8>(static_cast<u32>(d) >> (8 * n)));
    }

    void emit_tail() {
        const EncodingLayout& l = i_.layout;
        if (moffs_) return;
        unsigned at = l.opcode + 1u;
        if (l.modrm) at = l.modrm + 1u + (l.sib ? 1u : 0u) + l.displacement_size;
        for (; at < i_.length; at++) emit(i_.bytes[at]);
        // A register named by the immediate: eight of them outside 64-bit mode (SDM vol. 2, ch. 2.3.7).
        const bool is4 = std::ranges::any_of(
            i_.operands, [](const Operand& operand) { return operand.field == RegisterField::is4; });
        if (is4 && i_.mode != 8) out_.bytes[out_.length - 1u] &= 0x7f;
    }

    const Instruction& i_;
    const RegisterMap& map_;
    HostAddress address_;
    Fields fields_;
    bool moffs_ = false;
    unsigned opcode_start_ = 0;
    RewrittenInstruction out_;
};

}  // namespace

std::expected<RewrittenInstruction, RewriteError> rewrite(const Instruction& i, const RegisterMap& map,
                                                          HostAddress address) {
    return Rewriter(i, map, address).run();
}

}  // namespace softmetal
