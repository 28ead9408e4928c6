#include "encoding.hpp"

#include "decoder/decoder.hpp"

#include <algorithm>

namespace softmetal::differential {
namespace {

ZydisDecoder make_decoder(ZydisMachineMode mode, ZydisStackWidth stack_width) {
    ZydisDecoder decoder;
    ZydisDecoderInit(&decoder, mode, stack_width);
    for (const auto absent : {ZYDIS_DECODER_MODE_MPX, ZYDIS_DECODER_MODE_CET, ZYDIS_DECODER_MODE_CLDEMOTE})
        ZydisDecoderEnableMode(&decoder, absent, ZYAN_FALSE);  // the processor modelled has none of these
    ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_AMD_BRANCHES, host_vendor() == Vendor::amd);
    return decoder;
}

/// AMD's near branches obey the operand-size prefix (APM vol. 1, table 3-9); Zydis knows of it only where it
/// changes the instruction's length.
void shorten_branch(Decoded& d) {
    auto& z = d.instruction;
    const bool near = z.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR;
    const bool branch = z.meta.category == ZYDIS_CATEGORY_CALL || z.meta.category == ZYDIS_CATEGORY_COND_BR ||
                        z.meta.category == ZYDIS_CATEGORY_RET || z.meta.category == ZYDIS_CATEGORY_UNCOND_BR;
    const bool prefixed = std::any_of(z.raw.prefixes, z.raw.prefixes + z.raw.prefix_count,
                                      [](const auto& prefix) { return prefix.value == 0x66; });
    if (!branch || !near || !prefixed || z.raw.rex.W) return;
    z.operand_width = 16;
    ZydisDecodedOperand& target = d.operands[0];
    if (target.type == ZYDIS_OPERAND_TYPE_MEMORY || target.type == ZYDIS_OPERAND_TYPE_REGISTER)
        target.size = 16;
}

u8 bits_of(bool r, bool x, bool b) { return static_cast<u8>(r << 2 | x << 1 | b); }

}  // namespace

std::array<u8, 16> encode(const EncodingFields& f) {
    std::array<u8, 16> out{};
    unsigned n = 0;
    const auto put = [&](unsigned byte) {
        if (n < 15) out[n++] = static_cast<u8>(byte);
    };
    const bool memory = f.has_modrm && f.mod != 3;
    const bool address16 = f.code_size != 8 && f.other_address_size == (f.code_size == 4);
    const bool sib = memory && (f.rm & 7) == 4 && !address16;
    const bool r = f.reg & 8, x = sib && f.sib_index & 8;
    const bool b = sib ? f.sib_base & 8 : f.rm & 8;

    if (f.ignored_prefix) put(f.ignored_prefix);
    if (f.other_address_size) put(0x67);
    if (f.segment_prefix) put(f.segment_prefix);
    if (f.vex) {
        const u8 pp = f.mandatory == 0x66 ? 1 : f.mandatory == 0xf3 ? 2 : f.mandatory == 0xf2 ? 3 : 0;
        const bool ignored = f.code_size != 8 && f.ignored_vex_bits;
        const unsigned last = ((~f.vvvv & 15u) ^ (ignored ? 8 : 0)) << 3 | (f.l ? 4u : 0u) | pp;
        if (f.map == 1 && !x && !b && !f.w && !f.rex && !ignored) {
            put(0xc5);
            put((r ? 0 : 0x80u) | last);
        } else {
            put(0xc4);
            put((~bits_of(r, x, b || ignored) & 7u) << 5 | f.map);
            put((f.w ? 0x80u : 0u) | last);
        }
    } else {
        if (f.lock) put(0xf0);
        if (f.operand16) put(0x66);
        if (f.mandatory) put(f.mandatory);
        if (f.code_size == 8 && (f.w || r || x || b || f.rex))
            put(0x40u | (f.w ? 8u : 0u) | bits_of(r, x, b));
        if (f.map) put(0x0f);
        if (f.map == 2) put(0x38);
        if (f.map == 3) put(0x3a);
    }
    put(f.opcode);
    if (f.has_modrm) {
        put(static_cast<unsigned>(f.mod << 6) | (f.reg & 7u) << 3 | (f.rm & 7u));
        if (sib) put(static_cast<unsigned>(f.sib_scale << 6) | (f.sib_index & 7u) << 3 | (f.sib_base & 7u));
    }
    for (u8 byte : f.tail) put(byte);
    return out;
}

bool decode_bytes(const std::array<u8, 16>& bytes, unsigned code_size, Decoded& into) {
    static const ZydisDecoder decoder64 = make_decoder(ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    static const ZydisDecoder decoder32 = make_decoder(ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    static const ZydisDecoder decoder16 = make_decoder(ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_32);
    const ZydisDecoder& decoder = code_size == 8 ? decoder64 : code_size == 4 ? decoder32 : decoder16;
    auto& z = into.instruction;
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes.data(), 15, &z, into.operands.data())))
        return false;
    // SIB.base 101 with mod 00 is a displacement alone (SDM vol. 2, table 2-3); Zydis 4.0 says R13D where
    // REX.B is set and addresses are 32-bit.
    if (z.attributes & ZYDIS_ATTRIB_HAS_SIB && z.raw.modrm.mod == 0 && z.raw.sib.base == 5)
        for (unsigned i = 0; i < z.operand_count; i++)
            if (auto& o = into.operands[i]; o.encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM) {
                o.mem.base = ZYDIS_REGISTER_NONE;
                o.mem.disp = {ZYAN_TRUE, z.raw.disp.value};
            }
    if (code_size == 8 && host_vendor() == Vendor::amd) shorten_branch(into);
    return true;
}

}  // namespace softmetal::differential
