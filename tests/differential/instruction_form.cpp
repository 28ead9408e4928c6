#include "instruction_form.hpp"

#include "scope.hpp"

#include <fmt/format.h>
#include <unordered_map>

namespace softmetal::differential {
namespace {

std::string operand_name(const ZydisDecodedOperand& o, const ZydisDecodedInstruction& instruction,
                         unsigned& immediates) {
    switch (o.type) {
        case ZYDIS_OPERAND_TYPE_REGISTER:
            if (o.encoding == ZYDIS_OPERAND_ENCODING_NONE) return ZydisRegisterGetString(o.reg.value);
            switch (ZydisRegisterGetClass(o.reg.value)) {
                case ZYDIS_REGCLASS_XMM: return "xmm";
                case ZYDIS_REGCLASS_YMM: return "ymm";
                case ZYDIS_REGCLASS_MMX: return "mm";
                case ZYDIS_REGCLASS_X87: return "sti";
                case ZYDIS_REGCLASS_SEGMENT: return "sreg";
                default: return fmt::format("r{}", o.size);
            }
        case ZYDIS_OPERAND_TYPE_MEMORY:
            if (o.mem.type == ZYDIS_MEMOP_TYPE_VSIB)
                return fmt::format(
                    "v{}m{}", ZydisRegisterGetClass(o.mem.index) == ZYDIS_REGCLASS_YMM ? 32 : 16, o.size);
            if (o.encoding != ZYDIS_OPERAND_ENCODING_MODRM_RM && o.encoding != ZYDIS_OPERAND_ENCODING_NONE)
                return fmt::format("moffs{}", o.size);
            return fmt::format("m{}", o.size);
        case ZYDIS_OPERAND_TYPE_IMMEDIATE: {
            const unsigned size = instruction.raw.imm[immediates++ & 1].size;  // 0: the 1 of SHL r, 1
            return fmt::format("{}{}", o.imm.is_relative ? "rel" : "i", size ? size : 1);
        }
        default: return "far";
    }
}

/// A prefix of the general-purpose instructions that leaves the visible operands alone may still change a
/// hidden one (PUSH FS, ENTER); elsewhere it would only repeat forms.
bool hidden_width_matters(const Decoded& d) {
    const auto ext = d.instruction.meta.isa_ext;
    return d.instruction.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
           (ext == ZYDIS_ISA_EXT_BASE || ext == ZYDIS_ISA_EXT_LONGMODE);
}

/// Implicit addresses other than the stack's, and the counters of LOOP and JRCXZ, are cut to the address
/// size.
bool address_size_matters(const Decoded& d) {
    switch (d.instruction.mnemonic) {
        case ZYDIS_MNEMONIC_LOOP:
        case ZYDIS_MNEMONIC_LOOPE:
        case ZYDIS_MNEMONIC_LOOPNE:
        case ZYDIS_MNEMONIC_JCXZ:
        case ZYDIS_MNEMONIC_JECXZ:
        case ZYDIS_MNEMONIC_JRCXZ: return true;
        default: break;
    }
    for (unsigned i = 0; i < d.instruction.operand_count; i++) {
        const ZydisRegister base = d.operands[i].mem.base;
        if (d.operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY && base != ZYDIS_REGISTER_RSP &&
            base != ZYDIS_REGISTER_ESP)
            return true;
    }
    return false;
}

class Enumeration {
 public:
    Enumeration(const CpuModel& host, const CpuModel& model, unsigned code_size)
        : host_(host), model_(model), code_size_(static_cast<u8>(code_size)) {}

    std::vector<InstructionForm> run() {
        for (const u8 prefix : {0, 0x66, 0xf3, 0xf2})
            for (const bool w : {false, true}) {
                for (u8 map = 0; map < 4; map++) {
                    if (w && code_size_ != 8) continue;  // REX.W
                    EncodingFields f{.code_size = code_size_, .map = map, .mandatory = prefix, .w = w};
                    every_opcode(f);
                    // 66 beside F3 or F2 selects 16-bit operands: REP MOVSW, POPCNT r16; beside F0, LOCK ADD
                    // m16.
                    f.lock = prefix == 0 || prefix == 0x66;
                    f.operand16 = !f.lock;
                    every_opcode(f);
                }
                for (u8 map = 1; map < 4; map++)
                    for (const bool l : {false, true})
                        every_opcode({.code_size = code_size_,
                                      .vex = true,
                                      .map = map,
                                      .mandatory = prefix,
                                      .w = w,
                                      .l = l});
            }
        return std::move(forms_);
    }

 private:
    void every_opcode(EncodingFields f) {
        for (unsigned opcode = 0; opcode < 256; opcode++) {
            if (!f.vex && is_prefix_or_escape(f.map, static_cast<u8>(opcode))) continue;
            f.opcode = static_cast<u8>(opcode);
            every_operand(f);
        }
    }

    bool is_prefix_or_escape(u8 map, u8 opcode) const {
        if (map == 1) return opcode == 0x38 || opcode == 0x3a;
        if (map != 0) return false;
        switch (opcode) {
            case 0x0f:
            case 0x26:
            case 0x2e:
            case 0x36:
            case 0x3e:
            case 0x64:
            case 0x65:
            case 0x66:
            case 0x67:
            case 0xf0:
            case 0xf2:
            case 0xf3: return true;
            default: return code_size_ == 8 && ((opcode & 0xf0) == 0x40 || shares_prefix(opcode));
        }
    }

    /// EVEX and VEX prefixes, which are BOUND, LES and LDS of memory in 32-bit code.
    static bool shares_prefix(u8 opcode) { return opcode == 0x62 || opcode == 0xc4 || opcode == 0xc5; }

    void every_operand(EncodingFields f) {
        Decoded d;
        // Without ModRM: what follows the opcode is an immediate. Such opcodes have implicit addresses
        // (strings, LOOP, MOV moffs), so the address size is part of the form.
        f.has_modrm = false;
        if (decode_bytes(encode(f), code_size_, d) && !(d.instruction.attributes & ZYDIS_ATTRIB_HAS_MODRM)) {
            add(f, d);
            f.other_address_size = true;
            if (address_size_matters(d) && decode_bytes(encode(f), code_size_, d)) add(f, d);
            return;
        }
        f.has_modrm = true;
        for (u8 reg = 0; reg < 8; reg++) {
            f.reg = reg;
            // SIB: [rax + 2 * index + disp32]. Gathers must differ in index, mask (VVVV) and destination.
            f.mod = 2;
            f.rm = 4;
            f.sib_scale = 1;
            f.sib_index = reg == 1 || reg == 2 ? 3 : 1;
            f.vvvv = f.vex ? (reg == 1 || reg == 2 ? 4 : 2) : 0;
            add_either_vvvv(f);
            if (!f.vex && f.map == 0 && shares_prefix(f.opcode)) continue;
            f.mod = 3;
            for (u8 rm = 0; rm < 8; rm++) {
                f.rm = rm;
                add_either_vvvv(f);
            }
        }
    }

    void add_either_vvvv(EncodingFields f) {
        Decoded d;
        if (decode_bytes(encode(f), code_size_, d)) return add(f, d);
        if (!f.vex) return;
        f.vvvv = 0;  // encoded 1111: the field is not used
        if (decode_bytes(encode(f), code_size_, d)) add(f, d);
    }

    void add(const EncodingFields& f, const Decoded& d) {
        if (!in_scope(host_, d) || reads_differently(model_, d.instruction)) return;
        std::string id = form_id(f, d);
        const auto [found, fresh] = index_.try_emplace(id, forms_.size());
        if (fresh) forms_.push_back(describe(std::move(id), f, d));
        InstructionForm& form = forms_[found->second];
        form.reg_values |= static_cast<u8>(1u << (f.reg & 7));
        form.rm_values |= static_cast<u8>(1u << (f.rm & 7));
    }

    InstructionForm describe(std::string id, const EncodingFields& f, const Decoded& d) const {
        InstructionForm form{.id = std::move(id),
                             .mnemonic = d.instruction.mnemonic,
                             .isa_set = d.instruction.meta.isa_set,
                             .fields = f};
        for (unsigned i = 0; i < d.instruction.operand_count; i++) {
            const ZydisDecodedOperand& o = d.operands[i];
            if (o.encoding == ZYDIS_OPERAND_ENCODING_OPCODE) form.register_in_opcode = true;
            if (o.encoding == ZYDIS_OPERAND_ENCODING_NDSNDD) form.uses_vvvv = true;
            if (o.type == ZYDIS_OPERAND_TYPE_MEMORY && o.mem.type == ZYDIS_MEMOP_TYPE_VSIB) form.vsib = true;
        }
        form.foreign = !reported(model_, d.instruction);
        form.local_segments = needs_local_segments(d);
        form.far_transfer = is_far_transfer(d.instruction);
        if (form.register_in_opcode) form.fields.opcode &= 0xf8;
        return form;
    }

    const CpuModel &host_, &model_;
    const u8 code_size_;
    std::vector<InstructionForm> forms_;
    std::unordered_map<std::string, std::size_t> index_;
};

}  // namespace

std::string form_id(const EncodingFields& f, const Decoded& d) {
    const ZydisDecodedInstruction& z = d.instruction;
    std::string id = f.code_size == 4 ? "32/" : f.code_size == 2 ? "16/" : "";
    if (z.attributes & ZYDIS_ATTRIB_HAS_LOCK) id += "lock_";
    if (z.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE)) id += "rep_";
    if (z.attributes & ZYDIS_ATTRIB_HAS_REPNE) id += "repne_";
    id += ZydisMnemonicGetString(z.mnemonic);
    char separator = ':';
    bool in_opcode = false;
    unsigned immediates = 0;
    for (unsigned i = 0; i < z.operand_count_visible; i++) {
        id += separator;
        id += operand_name(d.operands[i], z, immediates);
        separator = ',';
        in_opcode |= d.operands[i].encoding == ZYDIS_OPERAND_ENCODING_OPCODE;
    }
    static constexpr const char* maps[] = {"", "0f", "0f38", "0f3a"};
    id += fmt::format(":{}{}{:02x}", f.vex ? "v" : "", maps[f.map], in_opcode ? f.opcode & 0xf8 : f.opcode);
    if (hidden_width_matters(d)) id += fmt::format(":{}", z.operand_width);
    if (f.other_address_size && !f.has_modrm) id += f.code_size == 4 ? ":a16" : ":a32";
    return id;
}

std::vector<InstructionForm> enumerate_forms(const CpuModel& host, const CpuModel& model,
                                             unsigned code_size) {
    return Enumeration(host, model, code_size).run();
}

}  // namespace softmetal::differential
