#include "cpu/cpuid_features.hpp"

#include <array>
#include <cpuid.h>

namespace softmetal::cpuid {

namespace {

using F = CpuModel::Features;
using enum Register;
using enum Source;
constexpr auto pentium3 = Generation::pentium3, x86_64 = Generation::x86_64,
               x86_64_v2 = Generation::x86_64_v2, x86_64_v3 = Generation::x86_64_v3,
               host_model = Generation::host;

constexpr auto table = std::to_array<Feature>({
    {1, 0, edx, 0, always, pentium3, nullptr},                  // x87
    {1, 0, edx, 2, always, pentium3, nullptr},                  // DE: I/O breakpoints, CR4.DE
    {1, 0, edx, 3, always, pentium3, nullptr},                  // PSE
    {1, 0, edx, 4, always, pentium3, nullptr},                  // TSC
    {1, 0, edx, 5, always, pentium3, nullptr},                  // MSR
    {1, 0, edx, 6, always, pentium3, nullptr},                  // PAE
    {1, 0, edx, 7, always, pentium3, nullptr},                  // MCE
    {1, 0, edx, 8, always, pentium3, nullptr},                  // CMPXCHG8B
    {1, 0, edx, 11, always, pentium3, nullptr},                 // SYSENTER
    {1, 0, edx, 12, always, pentium3, nullptr},                 // MTRR
    {1, 0, edx, 13, always, pentium3, nullptr},                 // PGE
    {1, 0, edx, 14, always, pentium3, nullptr},                 // MCA, with no banks
    {1, 0, edx, 15, always, pentium3, nullptr},                 // CMOV
    {1, 0, edx, 16, always, pentium3, nullptr},                 // PAT
    {1, 0, edx, 17, always, pentium3, nullptr},                 // PSE-36
    {1, 0, edx, 19, host, x86_64, &F::clflush},                 // CLFLUSH
    {1, 0, edx, 23, always, pentium3, nullptr},                 // MMX
    {1, 0, edx, 24, always, pentium3, nullptr},                 // FXSR
    {1, 0, edx, 25, always, pentium3, nullptr},                 // SSE
    {1, 0, edx, 26, always, x86_64, &F::sse2},                  // SSE2
    {1, 0, ecx, 0, host, x86_64_v2, &F::sse3},                  //
    {1, 0, ecx, 1, host, host_model, &F::pclmul},               //
    {1, 0, ecx, 9, host, x86_64_v2, &F::ssse3},                 //
    {1, 0, ecx, 12, host, x86_64_v3, &F::fma},                  //
    {1, 0, ecx, 13, host, x86_64_v2, &F::cx16},                 //
    {1, 0, ecx, 17, always, x86_64, &F::pcid},                  //
    {1, 0, ecx, 19, host, x86_64_v2, &F::sse41},                //
    {1, 0, ecx, 20, host, x86_64_v2, &F::sse42},                //
    {1, 0, ecx, 21, always, x86_64, &F::x2apic},                // x2APIC
    {1, 0, ecx, 22, host, x86_64_v3, &F::movbe},                //
    {1, 0, ecx, 23, host, x86_64_v2, &F::popcnt},               //
    {1, 0, ecx, 24, always, x86_64, &F::tsc_deadline},          // TSC deadline
    {1, 0, ecx, 25, host, host_model, &F::aes},                 //
    {1, 0, ecx, 26, on_host, x86_64_v3, &F::xsave},             //
    {1, 0, ecx, 28, host, x86_64_v3, &F::avx},                  //
    {1, 0, ecx, 29, host, x86_64_v3, &F::f16c},                 //
    {1, 0, ecx, 30, host, host_model, &F::rdrand},              //
    {1, 0, ecx, 31, always, pentium3, nullptr},                 // hypervisor present
    {7, 0, ebx, 0, on_host, host_model, &F::fsgsbase},          //
    {7, 0, ebx, 1, always, x86_64, &F::tsc_adjust},             // IA32_TSC_ADJUST
    {7, 0, ebx, 3, host, x86_64_v3, &F::bmi1},                  //
    {7, 0, ebx, 5, host, x86_64_v3, &F::avx2},                  //
    {7, 0, ebx, 6, host, host_model, nullptr},                  // FDP_EXCPTN_ONLY
    {7, 0, ebx, 7, always, x86_64, &F::smep},                   //
    {7, 0, ebx, 8, host, x86_64_v3, &F::bmi2},                  //
    {7, 0, ebx, 9, host, host_model, &F::erms},                 //
    {7, 0, ebx, 10, always, x86_64, &F::invpcid},               //
    {7, 0, ebx, 13, always, x86_64, nullptr},                   // FPU CS and DS are saved as 0
    {7, 0, ebx, 18, host, host_model, &F::rdseed},              //
    {7, 0, ebx, 19, host, host_model, &F::adx},                 //
    {7, 0, ebx, 20, always, x86_64, &F::smap},                  //
    {7, 0, ebx, 23, host, host_model, &F::clflushopt},          //
    {7, 0, ebx, 24, host, host_model, &F::clwb},                //
    {7, 0, ebx, 29, host, host_model, &F::sha},                 //
    {7, 0, ecx, 2, always, x86_64, &F::umip},                   //
    {7, 0, ecx, 8, host, host_model, &F::gfni},                 //
    {7, 0, ecx, 9, host, host_model, &F::vaes},                 //
    {7, 0, ecx, 10, host, host_model, &F::vpclmul},             //
    {7, 0, ecx, 22, on_host, host_model, &F::rdpid},            //
    {7, 0, ecx, 25, host, host_model, &F::cldemote},            //
    {7, 0, ecx, 27, host, host_model, &F::movdiri},             //
    {7, 0, ecx, 28, host, host_model, &F::movdir64b},           //
    {7, 0, edx, 4, host, host_model, &F::fsrm},                 //
    {7, 0, edx, 14, host, host_model, &F::serialize},           //
    {7, 0, edx, 26, always, x86_64, &F::spec_ctrl},             // IA32_SPEC_CTRL and IA32_PRED_CMD
    {7, 0, edx, 29, always, x86_64, &F::arch_capabilities},     // IA32_ARCH_CAPABILITIES
    {7, 2, edx, 4, always, x86_64, nullptr},                    // BHI_CTRL: IA32_SPEC_CTRL.BHI_DIS_S
    {0xd, 1, eax, 0, on_host, host_model, &F::xsaveopt},        //
    {0xd, 1, eax, 1, on_host, host_model, &F::xsavec},          //
    {0xd, 1, eax, 2, on_host, host_model, &F::xgetbv1},         //
    {0x80000001, 0, ecx, 0, host, x86_64_v2, &F::lahf64},       //
    {0x80000001, 0, ecx, 5, host, x86_64_v3, &F::lzcnt},        //
    {0x80000001, 0, ecx, 7, host, pentium3, &F::misalignsse},   // AMD: MXCSR.MM
    {0x80000001, 0, ecx, 8, host, host_model, &F::prefetchw},   //
    {0x80000001, 0, edx, 11, always, x86_64, &F::syscall},      // SYSCALL
    {0x80000001, 0, edx, 20, always, x86_64, &F::nx},           // NX
    {0x80000001, 0, edx, 26, always, x86_64, nullptr},          // 1 GiB pages
    {0x80000001, 0, edx, 27, on_host, host_model, &F::rdtscp},  //
    {0x80000001, 0, edx, 29, always, x86_64, &F::long_mode},    // long mode
    {0x80000007, 0, edx, 8, always, x86_64, nullptr},           // invariant TSC
    {0x80000008, 0, ebx, 2, host, host_model,
     nullptr},  // AMD: FXSAVE and XSAVE always store FIP, FDP and FOP
    {0x80000008, 0, ebx, 9, on_host, host_model, &F::wbnoinvd},  //
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
