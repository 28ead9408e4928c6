#include "scope.hpp"

#include <algorithm>
#include <array>

namespace softmetal::differential {
namespace {

constexpr std::string_view system_state = "reads or changes system state that host and guest do not share",
                           random_result = "another result every time",
                           enters_kernel = "enters the operating system, which answers differently",
                           time = "reads a clock or counter",
                           features = "XCR0 differs: the host has state components the model does not report",
                           optimizes = "what it writes depends on an earlier XRSTOR, by SDM vol. 1, ch. 13.9";

constexpr auto excluded = std::to_array<Exclusion>({
    {ZYDIS_MNEMONIC_CPUID, system_state},    {ZYDIS_MNEMONIC_LGDT, system_state},
    {ZYDIS_MNEMONIC_RSM, system_state},      {ZYDIS_MNEMONIC_SGDT, system_state},
    {ZYDIS_MNEMONIC_SIDT, system_state},     {ZYDIS_MNEMONIC_SLDT, system_state},
    {ZYDIS_MNEMONIC_STR, system_state},      {ZYDIS_MNEMONIC_SMSW, system_state},
    {ZYDIS_MNEMONIC_RDPID, system_state},    {ZYDIS_MNEMONIC_RDRAND, random_result},
    {ZYDIS_MNEMONIC_RDSEED, random_result},  {ZYDIS_MNEMONIC_RDTSC, time},
    {ZYDIS_MNEMONIC_RDTSCP, time},           {ZYDIS_MNEMONIC_RDPMC, time},
    {ZYDIS_MNEMONIC_SYSCALL, enters_kernel}, {ZYDIS_MNEMONIC_SYSENTER, enters_kernel},
    {ZYDIS_MNEMONIC_INT1, enters_kernel},    {ZYDIS_MNEMONIC_XGETBV, features},
    {ZYDIS_MNEMONIC_XSAVEOPT, optimizes},    {ZYDIS_MNEMONIC_XSAVEOPT64, optimizes},
});

using Features = CpuModel::Features;
struct IsaFeature {
    ZydisISASet set;
    bool Features::*flag;
};

/// What every model has (SDM vol. 1, ch. 5).
constexpr auto baseline = std::to_array<ZydisISASet>({
    ZYDIS_ISA_SET_I86,           ZYDIS_ISA_SET_I186,        ZYDIS_ISA_SET_I286REAL,
    ZYDIS_ISA_SET_I286PROTECTED, ZYDIS_ISA_SET_I386,        ZYDIS_ISA_SET_I486,
    ZYDIS_ISA_SET_I486REAL,      ZYDIS_ISA_SET_PENTIUMREAL, ZYDIS_ISA_SET_PENTIUMMMX,
    ZYDIS_ISA_SET_PPRO,          ZYDIS_ISA_SET_CMOV,        ZYDIS_ISA_SET_FCMOV,
    ZYDIS_ISA_SET_FAT_NOP,       ZYDIS_ISA_SET_X87,         ZYDIS_ISA_SET_FXSAVE,
    ZYDIS_ISA_SET_FXSAVE64,      ZYDIS_ISA_SET_SSE,         ZYDIS_ISA_SET_SSEMXCSR,
    ZYDIS_ISA_SET_SSE_PREFETCH,  ZYDIS_ISA_SET_PAUSE,       ZYDIS_ISA_SET_PREFETCH_NOP,
});

constexpr auto optional = std::to_array<IsaFeature>({
    {ZYDIS_ISA_SET_SSE2, &Features::sse2},
    {ZYDIS_ISA_SET_SSE2MMX, &Features::sse2},
    {ZYDIS_ISA_SET_CLFSH, &Features::clflush},
    {ZYDIS_ISA_SET_LONGMODE, &Features::long_mode},
    {ZYDIS_ISA_SET_SSE3, &Features::sse3},
    {ZYDIS_ISA_SET_SSE3X87, &Features::sse3},
    {ZYDIS_ISA_SET_SSSE3, &Features::ssse3},
    {ZYDIS_ISA_SET_SSSE3MMX, &Features::ssse3},
    {ZYDIS_ISA_SET_SSE4, &Features::sse41},
    {ZYDIS_ISA_SET_SSE42, &Features::sse42},
    {ZYDIS_ISA_SET_POPCNT, &Features::popcnt},
    {ZYDIS_ISA_SET_LZCNT, &Features::lzcnt},
    {ZYDIS_ISA_SET_RDWRFSGS, &Features::fsgsbase},
    {ZYDIS_ISA_SET_MOVBE, &Features::movbe},
    {ZYDIS_ISA_SET_CMPXCHG16B, &Features::cx16},
    {ZYDIS_ISA_SET_AES, &Features::aes},
    {ZYDIS_ISA_SET_PCLMULQDQ, &Features::pclmul},
    {ZYDIS_ISA_SET_SHA, &Features::sha},
    {ZYDIS_ISA_SET_ADOX_ADCX, &Features::adx},
    {ZYDIS_ISA_SET_BMI1, &Features::bmi1},
    {ZYDIS_ISA_SET_BMI2, &Features::bmi2},
    {ZYDIS_ISA_SET_XSAVE, &Features::xsave},
    {ZYDIS_ISA_SET_XSAVEC, &Features::xsavec},
    {ZYDIS_ISA_SET_AVX, &Features::avx},
    {ZYDIS_ISA_SET_AVX2, &Features::avx2},
    {ZYDIS_ISA_SET_AVX2GATHER, &Features::avx2},
    {ZYDIS_ISA_SET_FMA, &Features::fma},
    {ZYDIS_ISA_SET_F16C, &Features::f16c},
    {ZYDIS_ISA_SET_GFNI, &Features::gfni},
    {ZYDIS_ISA_SET_VAES, &Features::vaes},
    {ZYDIS_ISA_SET_VPCLMULQDQ, &Features::vpclmul},
    {ZYDIS_ISA_SET_CLFLUSHOPT, &Features::clflushopt},
    {ZYDIS_ISA_SET_CLWB, &Features::clwb},
    {ZYDIS_ISA_SET_MOVDIR, &Features::movdiri},
    {ZYDIS_ISA_SET_SERIALIZE, &Features::serialize},
});

/// Sets that need two features: VAES and the like at 128 bits with a VEX prefix.
bool reported_with_avx(const Features& f, ZydisISASet set) {
    switch (set) {
        case ZYDIS_ISA_SET_AVXAES: return f.avx && f.aes;
        case ZYDIS_ISA_SET_AVX_GFNI: return f.avx && f.gfni;
        default: return false;
    }
}

bool loads_segment(const Decoded& d) {
    for (unsigned i = 0; i < d.instruction.operand_count; i++) {
        const ZydisDecodedOperand& o = d.operands[i];
        if (o.type == ZYDIS_OPERAND_TYPE_REGISTER &&
            ZydisRegisterGetClass(o.reg.value) == ZYDIS_REGCLASS_SEGMENT &&
            o.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
            return true;
    }
    return false;
}

}  // namespace

std::span<const Exclusion> exclusions() { return excluded; }

bool reported(const CpuModel& model, const ZydisDecodedInstruction& z) {
    const ZydisISASet set = z.meta.isa_set;
    if (set == ZYDIS_ISA_SET_LAHF)
        return z.machine_mode != ZYDIS_MACHINE_MODE_LONG_64 || model.features().lahf64;
    if (std::ranges::find(baseline, set) != baseline.end()) return true;
    const auto* found = std::ranges::find(optional, set, &IsaFeature::set);
    if (found != optional.end()) return model.features().*found->flag;
    return reported_with_avx(model.features(), set);
}

bool reads_differently(const CpuModel& model, const ZydisDecodedInstruction& z) {
    return (z.mnemonic == ZYDIS_MNEMONIC_LZCNT && !model.features().lzcnt) ||
           (z.mnemonic == ZYDIS_MNEMONIC_TZCNT && !model.features().bmi1);
}

bool in_scope(const CpuModel& model, const Decoded& d) {
    const ZydisDecodedInstruction& z = d.instruction;
    if (!reported(model, z)) return false;
    return std::ranges::find(excluded, z.mnemonic, &Exclusion::mnemonic) == excluded.end();
}

bool is_far_transfer(const ZydisDecodedInstruction& z) {
    switch (z.mnemonic) {
        case ZYDIS_MNEMONIC_IRET:
        case ZYDIS_MNEMONIC_IRETD:
        case ZYDIS_MNEMONIC_IRETQ: return true;
        default: return z.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
    }
}

bool needs_local_segments(const Decoded& d) {
    const ZydisDecodedInstruction& z = d.instruction;
    if (z.machine_mode != ZYDIS_MACHINE_MODE_LONG_64) return true;
    switch (z.mnemonic) {
        case ZYDIS_MNEMONIC_LAR:
        case ZYDIS_MNEMONIC_LSL:
        case ZYDIS_MNEMONIC_VERR:
        case ZYDIS_MNEMONIC_VERW: return true;
        default: break;
    }
    return z.meta.isa_set == ZYDIS_ISA_SET_RDWRFSGS || is_far_transfer(z) || loads_segment(d);
}

}  // namespace softmetal::differential
