#include "cpu/cpuid_features.hpp"

#include <array>
#include <cpuid.h>

namespace softmetal::cpuid {

namespace {

using F = CpuModel::Features;
using enum Register;
using enum Source;

constexpr auto table = std::to_array<Feature>({
    {1, 0, edx, 0, always, nullptr},                 // x87
    {1, 0, edx, 2, always, nullptr},                 // DE: I/O breakpoints, CR4.DE
    {1, 0, edx, 3, always, nullptr},                 // PSE
    {1, 0, edx, 4, always, nullptr},                 // TSC
    {1, 0, edx, 5, always, nullptr},                 // MSR
    {1, 0, edx, 6, always, nullptr},                 // PAE
    {1, 0, edx, 7, always, nullptr},                 // MCE
    {1, 0, edx, 8, always, nullptr},                 // CMPXCHG8B
    {1, 0, edx, 11, always, nullptr},                // SYSENTER
    {1, 0, edx, 12, always, nullptr},                // MTRR
    {1, 0, edx, 13, always, nullptr},                // PGE
    {1, 0, edx, 14, always, nullptr},                // MCA, with no banks
    {1, 0, edx, 15, always, nullptr},                // CMOV
    {1, 0, edx, 16, always, nullptr},                // PAT
    {1, 0, edx, 17, always, nullptr},                // PSE-36
    {1, 0, edx, 19, host, nullptr},                  // CLFLUSH
    {1, 0, edx, 23, always, nullptr},                // MMX
    {1, 0, edx, 24, always, nullptr},                // FXSR
    {1, 0, edx, 25, always, nullptr},                // SSE
    {1, 0, edx, 26, always, nullptr},                // SSE2
    {1, 0, ecx, 0, host, &F::sse3},                  //
    {1, 0, ecx, 1, host, &F::pclmul},                //
    {1, 0, ecx, 9, host, &F::ssse3},                 //
    {1, 0, ecx, 12, host, &F::fma},                  //
    {1, 0, ecx, 13, host, &F::cx16},                 //
    {1, 0, ecx, 17, always, &F::pcid},               //
    {1, 0, ecx, 19, host, &F::sse41},                //
    {1, 0, ecx, 20, host, &F::sse42},                //
    {1, 0, ecx, 21, always, nullptr},                // x2APIC
    {1, 0, ecx, 22, host, &F::movbe},                //
    {1, 0, ecx, 23, host, &F::popcnt},               //
    {1, 0, ecx, 24, always, nullptr},                // TSC deadline
    {1, 0, ecx, 25, host, &F::aes},                  //
    {1, 0, ecx, 26, on_host, &F::xsave},             //
    {1, 0, ecx, 28, host, &F::avx},                  //
    {1, 0, ecx, 29, host, &F::f16c},                 //
    {1, 0, ecx, 30, host, &F::rdrand},               //
    {1, 0, ecx, 31, always, nullptr},                // hypervisor present
    {7, 0, ebx, 0, on_host, &F::fsgsbase},           //
    {7, 0, ebx, 1, always, nullptr},                 // IA32_TSC_ADJUST
    {7, 0, ebx, 3, host, &F::bmi1},                  //
    {7, 0, ebx, 5, host, &F::avx2},                  //
    {7, 0, ebx, 6, host, nullptr},                   // FDP_EXCPTN_ONLY
    {7, 0, ebx, 7, always, &F::smep},                //
    {7, 0, ebx, 8, host, &F::bmi2},                  //
    {7, 0, ebx, 9, host, &F::erms},                  //
    {7, 0, ebx, 10, always, &F::invpcid},            //
    {7, 0, ebx, 13, always, nullptr},                // FPU CS and DS are saved as 0
    {7, 0, ebx, 18, host, &F::rdseed},               //
    {7, 0, ebx, 19, host, &F::adx},                  //
    {7, 0, ebx, 20, always, &F::smap},               //
    {7, 0, ebx, 23, host, &F::clflushopt},           //
    {7, 0, ebx, 24, host, &F::clwb},                 //
    {7, 0, ebx, 29, host, &F::sha},                  //
    {7, 0, ecx, 2, always, &F::umip},                //
    {7, 0, ecx, 8, host, &F::gfni},                  //
    {7, 0, ecx, 9, host, &F::vaes},                  //
    {7, 0, ecx, 10, host, &F::vpclmul},              //
    {7, 0, ecx, 22, on_host, &F::rdpid},             //
    {7, 0, ecx, 25, host, &F::cldemote},             //
    {7, 0, ecx, 27, host, &F::movdiri},              //
    {7, 0, ecx, 28, host, &F::movdir64b},            //
    {7, 0, edx, 4, host, &F::fsrm},                  //
    {7, 0, edx, 14, host, &F::serialize},            //
    {7, 0, edx, 26, always, nullptr},                // IA32_SPEC_CTRL and IA32_PRED_CMD
    {7, 0, edx, 29, always, nullptr},                // IA32_ARCH_CAPABILITIES
    {7, 2, edx, 4, always, nullptr},                 // BHI_CTRL: IA32_SPEC_CTRL.BHI_DIS_S
    {0xd, 1, eax, 0, on_host, &F::xsaveopt},         //
    {0xd, 1, eax, 1, on_host, &F::xsavec},           //
    {0xd, 1, eax, 2, on_host, &F::xgetbv1},          //
    {0x80000001, 0, ecx, 0, host, &F::lahf64},       //
    {0x80000001, 0, ecx, 5, host, &F::lzcnt},        //
    {0x80000001, 0, ecx, 7, host, &F::misalignsse},  // AMD: MXCSR.MM
    {0x80000001, 0, ecx, 8, host, &F::prefetchw},    //
    {0x80000001, 0, edx, 11, always, nullptr},       // SYSCALL
    {0x80000001, 0, edx, 20, always, nullptr},       // NX
    {0x80000001, 0, edx, 26, always, nullptr},       // 1 GiB pages
    {0x80000001, 0, edx, 27, on_host, &F::rdtscp},   //
    {0x80000001, 0, edx, 29, always, nullptr},       // long mode
    {0x80000007, 0, edx, 8, always, nullptr},        // invariant TSC
    {0x80000008, 0, ebx, 2, host, nullptr},          // AMD: FXSAVE and XSAVE always store FIP, FDP and FOP
    {0x80000008, 0, ebx, 9, on_host, &F::wbnoinvd},  //
});

}  // namespace

std::span<const Feature> features() { return table; }

CpuidLeaf host_leaf(u32 leaf, u32 subleaf) {
    CpuidLeaf l;
    if (!__get_cpuid_count(leaf, subleaf, &l.eax, &l.ebx, &l.ecx, &l.edx)) return {};
    return l;
}

bool host_saves_components(u64 components) {
    if (!(host_leaf(1).ecx & bit(27))) return false;  // OSXSAVE
    u32 low = 0, high = 0;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return ((u64{high} << 32 | low) & components) == components;
}

u32& register_of(CpuidLeaf& leaf, Register reg) {
    switch (reg) {
        case eax: return leaf.eax;
        case ebx: return leaf.ebx;
        case ecx: return leaf.ecx;
        default: return leaf.edx;
    }
}

}  // namespace softmetal::cpuid
