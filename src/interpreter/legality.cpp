#include "interpreter/legality.hpp"

#include "cpu/extended_state.hpp"
#include "decoder/decoder.hpp"

#include <Zydis/Zydis.h>
#include <algorithm>

namespace softmetal::interpreter {

bool is_in_model(const CpuModel::Features& f, const Instruction& i) {
    switch (i.isa_set) {
        case ZYDIS_ISA_SET_I86:
        case ZYDIS_ISA_SET_I186:
        case ZYDIS_ISA_SET_I286PROTECTED:
        case ZYDIS_ISA_SET_I286REAL:
        case ZYDIS_ISA_SET_I386:
        case ZYDIS_ISA_SET_I486:
        case ZYDIS_ISA_SET_I486REAL:
        case ZYDIS_ISA_SET_PENTIUMREAL:
        case ZYDIS_ISA_SET_PENTIUMMMX:
        case ZYDIS_ISA_SET_PPRO:
        case ZYDIS_ISA_SET_CMOV:
        case ZYDIS_ISA_SET_FCMOV:
        case ZYDIS_ISA_SET_X87:
        case ZYDIS_ISA_SET_FAT_NOP:
        case ZYDIS_ISA_SET_FXSAVE:
        case ZYDIS_ISA_SET_FXSAVE64:
        case ZYDIS_ISA_SET_PAUSE:
        case ZYDIS_ISA_SET_RDPMC:
        case ZYDIS_ISA_SET_SSE:
        case ZYDIS_ISA_SET_SSEMXCSR:
        case ZYDIS_ISA_SET_SSE_PREFETCH:
        case ZYDIS_ISA_SET_PREFETCH_NOP:
        case ZYDIS_ISA_SET_PREFETCHWT1: return true;
        // Where these two are missing their encodings mean BSR and BSF: bit_scan_reading.
        case ZYDIS_ISA_SET_LZCNT: return true;
        case ZYDIS_ISA_SET_BMI1: return f.bmi1 || i.mnemonic == ZYDIS_MNEMONIC_TZCNT;
        case ZYDIS_ISA_SET_LAHF: return i.mode != 8 || f.lahf64;
        case ZYDIS_ISA_SET_LONGMODE: return f.long_mode;
        case ZYDIS_ISA_SET_AMD: return f.syscall;
        case ZYDIS_ISA_SET_CLFSH: return f.clflush;
        case ZYDIS_ISA_SET_SSE2:
        case ZYDIS_ISA_SET_SSE2MMX: return f.sse2;
        case ZYDIS_ISA_SET_ADOX_ADCX: return f.adx;
        case ZYDIS_ISA_SET_AES: return f.aes;
        case ZYDIS_ISA_SET_AVX: return f.avx;
        case ZYDIS_ISA_SET_AVX2:
        case ZYDIS_ISA_SET_AVX2GATHER: return f.avx2;
        case ZYDIS_ISA_SET_AVXAES: return f.aes && f.avx;
        case ZYDIS_ISA_SET_AVX_GFNI: return f.gfni && f.avx;
        case ZYDIS_ISA_SET_BMI2: return f.bmi2;
        case ZYDIS_ISA_SET_CLDEMOTE: return f.cldemote;
        case ZYDIS_ISA_SET_CLFLUSHOPT: return f.clflushopt;
        case ZYDIS_ISA_SET_CLWB: return f.clwb;
        case ZYDIS_ISA_SET_CMPXCHG16B: return f.cx16;
        case ZYDIS_ISA_SET_F16C: return f.f16c;
        case ZYDIS_ISA_SET_FMA: return f.fma;
        case ZYDIS_ISA_SET_GFNI: return f.gfni;
        case ZYDIS_ISA_SET_INVPCID: return f.invpcid;
        case ZYDIS_ISA_SET_MOVBE: return f.movbe;
        case ZYDIS_ISA_SET_MOVDIR: return i.mnemonic == ZYDIS_MNEMONIC_MOVDIR64B ? f.movdir64b : f.movdiri;
        case ZYDIS_ISA_SET_PCLMULQDQ: return f.pclmul && (f.avx || i.layout.encoding != Encoding::vex);
        case ZYDIS_ISA_SET_POPCNT: return f.popcnt;
        case ZYDIS_ISA_SET_RDPID: return f.rdpid;
        case ZYDIS_ISA_SET_RDRAND: return f.rdrand;
        case ZYDIS_ISA_SET_RDSEED: return f.rdseed;
        case ZYDIS_ISA_SET_RDTSCP: return f.rdtscp;
        case ZYDIS_ISA_SET_RDWRFSGS: return f.fsgsbase;
        case ZYDIS_ISA_SET_SERIALIZE: return f.serialize;
        case ZYDIS_ISA_SET_SHA: return f.sha;
        case ZYDIS_ISA_SET_SMAP: return f.smap;
        case ZYDIS_ISA_SET_SSE3:
        case ZYDIS_ISA_SET_SSE3X87: return f.sse3;
        case ZYDIS_ISA_SET_SSSE3:
        case ZYDIS_ISA_SET_SSSE3MMX: return f.ssse3;
        case ZYDIS_ISA_SET_SSE4: return f.sse41;
        case ZYDIS_ISA_SET_SSE42: return f.sse42;
        case ZYDIS_ISA_SET_VAES: return f.vaes;
        case ZYDIS_ISA_SET_VPCLMULQDQ: return f.vpclmul;
        case ZYDIS_ISA_SET_XSAVE: return f.xsave;
        case ZYDIS_ISA_SET_XSAVEC: return f.xsavec;
        case ZYDIS_ISA_SET_XSAVEOPT: return f.xsaveopt;
        case ZYDIS_ISA_SET_VTX: return i.mnemonic == ZYDIS_MNEMONIC_VMCALL;
        case ZYDIS_ISA_SET_SVM: return i.mnemonic == ZYDIS_MNEMONIC_VMMCALL;
        default: return false;  // VMX, SVM, SGX, TSX, MPX, PKU, MONITOR, vendor extensions ...
    }
}

std::optional<Instruction> bit_scan_reading(const CpuModel::Features& f, const Instruction& i) {
    const bool lacks_lzcnt = i.mnemonic == ZYDIS_MNEMONIC_LZCNT && !f.lzcnt;
    const bool lacks_tzcnt = i.mnemonic == ZYDIS_MNEMONIC_TZCNT && !f.bmi1;
    if (!lacks_lzcnt && !lacks_tzcnt) return std::nullopt;
    std::array<u8, 16> bytes = i.bytes;
    std::replace(bytes.begin(), bytes.begin() + i.layout.opcode, u8{0xf3}, u8{0xf2});  // ignored
    const auto scan = decode(std::span(bytes).first(i.length), i.mode);
    return scan ? std::optional(*scan) : std::nullopt;
}

bool means_itself(const CpuModel::Features& f, const Instruction& i) {
    return is_in_model(f, i) && !bit_scan_reading(f, i);
}

Conditions conditions_of(const Instruction& i) {
    unsigned result = 0;
    const auto need = [&](Condition c) { result |= static_cast<unsigned>(c); };
    const bool vex = i.layout.encoding == Encoding::vex;
    if (i.isa_set == ZYDIS_ISA_SET_I286PROTECTED || vex) need(Condition::protected_mode_only);
    // Zydis does not say it of LGDT.
    if (i.privileged || i.mnemonic == ZYDIS_MNEMONIC_LGDT) need(Condition::privileged);

    bool mmx_operand = false;
    for (const Operand& o : i.operands) mmx_operand |= o.kind == OperandKind::mmx;
    if (i.mnemonic == ZYDIS_MNEMONIC_FWAIT)
        need(Condition::wait);
    else if (mmx_operand || i.mnemonic == ZYDIS_MNEMONIC_EMMS)
        need(Condition::mmx);
    else if (i.uses_x87)
        need(Condition::x87);
    if (i.vectors_read || i.vectors_written || i.isa_set == ZYDIS_ISA_SET_SSEMXCSR ||
        (vex && i.isa_set == ZYDIS_ISA_SET_AVX))
        need(vex ? Condition::avx : Condition::sse);
    return static_cast<Conditions>(result);
}

void check_conditions(const CpuState& state, Conditions conditions) {
    const auto needed = [&](Condition c) { return conditions & static_cast<unsigned>(c); };
    if (needed(Condition::protected_mode_only) && (state.real_mode() || state.v86_mode())) raise_ud();
    if (needed(Condition::privileged) && state.cpl() != 0) raise_gp();
    if (needed(Condition::avx)) require_unit(state, ExtendedUnit::avx);
    if (needed(Condition::sse)) require_unit(state, ExtendedUnit::sse);
    if (needed(Condition::mmx)) require_unit(state, ExtendedUnit::mmx);
    if (needed(Condition::x87)) require_unit(state, ExtendedUnit::x87);
    if (needed(Condition::wait)) require_unit(state, ExtendedUnit::wait);
}

}  // namespace softmetal::interpreter
