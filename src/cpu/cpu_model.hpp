// Which processor the guest sees: CPUID is policy, and this is the one place that makes it.
#pragma once

#include "base/result.hpp"
#include "cpu/state.hpp"
#include "x86/flags.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace softmetal {

/// MAXPHYADDR of the virtual CPU (CPUID leaf 0x80000008).
inline constexpr unsigned guest_physical_address_bits = 46;

struct CpuidLeaf {
    u32 eax = 0, ebx = 0, ecx = 0, edx = 0;
};

/// Models by age; each has all that the one before it has. Those between the first and the host's are the
/// levels of the x86-64 psABI, with what systems need beside them.
enum class Generation : u8 { pentium3, x86_64, x86_64_v2, x86_64_v3, host };

/// What a virtual CPU may and may not do. Immutable once made; shared by all vCPUs of a machine.
class CpuModel {
 public:
    /// The host's processor, filtered to what is virtualized: an unknown leaf or bit is never passed through.
    [[nodiscard]] static CpuModel host(unsigned vcpu_count, u64 tsc_hz);
    /// The model of that name. The error is a sentence: there is none, or this host cannot be it.
    [[nodiscard]] static Result<CpuModel> named(std::string_view name, unsigned vcpu_count, u64 tsc_hz);
    [[nodiscard]] static std::span<const std::string_view> names();

    /// CPUID as this vCPU executes it now (OSXSAVE, APIC id and XCR0-dependent sizes included; SDM vol. 2,
    /// CPUID).
    [[nodiscard]] CpuidLeaf cpuid(u32 leaf, u32 subleaf, const CpuState& state, unsigned vcpu_index,
                                  bool apic_enabled) const;

    [[nodiscard]] u64 tsc_hz() const { return tsc_hz_; }
    [[nodiscard]] unsigned physical_address_bits() const { return guest_physical_address_bits; }
    [[nodiscard]] u64 supported_xcr0() const { return supported_xcr0_; }
    [[nodiscard]] u64 supported_cr4() const { return supported_cr4_; }
    /// The bits of MXCSR that may be set. AMD's processors have MM among them (APM vol. 1, ch. 4.2.2).
    [[nodiscard]] u32 mxcsr_mask() const {
        return x86::mxcsr::writable | (features_.misalignsse ? x86::mxcsr::misaligned_mask : 0);
    }
    /// AMD's variants apply wherever the vendors' processors differ, as the host's do.
    [[nodiscard]] bool is_amd() const { return is_amd_; }
    /// Is AMD the vendor that CPUID names?
    [[nodiscard]] bool shows_amd() const { return shows_amd_; }
    /// The bits of EFER that may be set; 0 where there is no EFER.
    [[nodiscard]] u64 supported_efer() const;
    /// Clock of the local APIC's timer, and the crystal of leaf 0x15.
    static constexpr u64 crystal_hz = 1'000'000'000;
    [[nodiscard]] u64 arch_capabilities() const { return arch_capabilities_; }

    struct Features {
        bool pcid = false, invpcid = false, smep = false, smap = false, umip = false, fsgsbase = false,
             rdtscp = false, rdpid = false, xsave = false, xsaveopt = false, xsavec = false, xgetbv1 = false,
             avx = false, avx2 = false, fma = false, bmi1 = false, bmi2 = false, f16c = false, adx = false,
             aes = false, pclmul = false, sha = false, movbe = false, popcnt = false, lzcnt = false,
             sse3 = false, ssse3 = false, sse41 = false, sse42 = false, rdrand = false, rdseed = false,
             clflushopt = false, clwb = false, cx16 = false, prefetchw = false, gfni = false, vaes = false,
             vpclmul = false, lahf64 = false, erms = false, fsrm = false, wbnoinvd = false, movdiri = false,
             movdir64b = false, serialize = false, cldemote = false, misalignsse = false, clflush = false,
             sse2 = false, x2apic = false, tsc_deadline = false, tsc_adjust = false, spec_ctrl = false,
             arch_capabilities = false, syscall = false, nx = false, long_mode = false;
    };
    [[nodiscard]] const Features& features() const { return features_; }

 private:
    struct Entry {
        u32 leaf, subleaf;
        CpuidLeaf value;
    };
    [[nodiscard]] CpuidLeaf& static_leaf(u32 leaf, u32 subleaf = 0);
    [[nodiscard]] CpuidLeaf find(u32 leaf, u32 subleaf) const;
    [[nodiscard]] static CpuModel make(Generation generation, unsigned vcpu_count, u64 tsc_hz);
    void add_features();
    void add_identity();
    void add_caches();
    void add_clocks();
    [[nodiscard]] u32 highest_basic_leaf() const;
    [[nodiscard]] u32 highest_extended_leaf() const;

    std::vector<Entry> leaves_;  // what does not depend on the vCPU or its state
    Features features_;
    u64 tsc_hz_ = 0;
    unsigned vcpu_count_ = 1;
    u64 supported_xcr0_ = 1;
    u64 supported_cr4_ = 0;
    u64 arch_capabilities_ = 0;
    u32 signature_ = 0;  // leaf 1 EAX
    std::string vendor_, brand_;
    bool is_amd_ = false;     // the host
    bool shows_amd_ = false;  // vendor_
    Generation generation_ = Generation::host;
};

}  // namespace softmetal
