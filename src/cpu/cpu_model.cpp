#include "cpu/cpu_model.hpp"

#include "cpu/cpuid_features.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <fmt/format.h>
#include <limits>
#include <numeric>

namespace softmetal {

namespace {

constexpr u32 highest_basic_leaf_now = 0x16, highest_basic_leaf_pentium3 = 2;
constexpr u32 highest_extended_leaf_pentium3 = 0x80000004, highest_extended_leaf_intel = 0x80000008,
              highest_extended_leaf_amd = 0x80000021;
constexpr u32 hypervisor_leaf = 0x40000000, hypervisor_clock_leaf = 0x40000010;
constexpr char hypervisor_signature[] = "SoftmetalVMM";
// The next place where guests look for hypervisors has KVM's interface, with its clock (kvm_clock.hpp) and
// nothing more. Linux also drives VMware's pointer only where it knows the hypervisor (Linux:
// Documentation/virt/kvm/x86/cpuid.rst).
constexpr u32 kvm_leaf = 0x40000100, kvm_features_leaf = 0x40000101;
constexpr char kvm_signature[] = "KVMKVMKVM\0\0";
constexpr u32 kvm_clock_source2 = 1u << 3, kvm_clock_stable = 1u << 24;

// Leaf 1.
constexpr u32 edx_apic = 1u << 9, edx_htt = 1u << 28, ecx_osxsave = 1u << 27;
// Leaf 0x80000001.
constexpr u32 edx_syscall = 1u << 11;
constexpr u32 amd_shared_edx = 0x0183f3ff;  // bits that repeat leaf 1's

u32 text_word(const char* text) {
    u32 word;
    std::memcpy(&word, text, sizeof word);
    return word;
}

void append_word(std::string& text, u32 word) {
    std::array<char, 4> bytes;
    std::memcpy(bytes.data(), &word, 4);
    text.append(bytes.data(), 4);
}

/// IA32_ARCH_CAPABILITIES (SDM vol. 4, table 2-2). The guest's privilege levels are kept apart by
/// translation, not by the host's: clearing buffers, flushing predictors or unmapping its kernel could not
/// change what the host CPU speculates on. So none of those remedies is asked for. What protects one machine
/// from another is the host's own. Some systems also look for a control (BHI_DIS_S)
/// rather than a bit here; it is stored, and their software loops would do no more.
constexpr u64 arch_capability_bits = bit(0)      // RDCL_NO
                                     | bit(1)    // IBRS_ALL
                                     | bit(3)    // SKIP_L1DFL_VMENTRY
                                     | bit(4)    // SSB_NO
                                     | bit(5)    // MDS_NO
                                     | bit(6)    // IF_PSCHANGE_MC_NO
                                     | bit(8)    // TAA_NO
                                     | bit(13)   // SBDR_SSDP_NO
                                     | bit(14)   // FBSDP_NO
                                     | bit(15)   // PSDP_NO
                                     | bit(20)   // BHI_NO
                                     | bit(24)   // PBRSB_NO
                                     | bit(26)   // GDS_NO
                                     | bit(27)   // RFDS_NO
                                     | bit(62);  // ITS_NO

/// AMD says the same in CPUID leaf 0x80000021 (APM vol. 3, app. E.4).
constexpr u32 amd_eax_2nd = 1u << 6      // a null selector clears the segment's base
                            | 1u << 29;  // SRSO_NO
constexpr u32 amd_ecx_2nd = 1u << 1      // TSA_SQ_NO
                            | 1u << 2;   // TSA_L1_NO

/// In the order of Generation.
constexpr std::array<std::string_view, 5> model_names = {"pentium3", "x86-64", "x86-64-v2", "x86-64-v3",
                                                         "host"};

constexpr u32 pentium3_signature = 0x683;  // family 6, model 8, stepping 3
constexpr std::string_view pentium3_brand = "Intel(R) Pentium(R) III";

/// What the host lacks of a model, by the feature's place in CPUID; empty where it has all. MXCSR.MM is as
/// the host has it in every model, since FXSAVE shows it.
std::string missing_on_host(const CpuModel& model, Generation generation) {
    for (const cpuid::Feature& f : cpuid::features()) {
        const bool needed = f.since <= generation && f.source != cpuid::Source::always && f.flag &&
                            f.flag != &CpuModel::Features::misalignsse;
        if (needed && !(model.features().*f.flag))
            return fmt::format("bit {} of CPUID leaf {:#x}", f.bit, f.leaf);
    }
    return {};
}

unsigned apic_id_bits(unsigned vcpu_count) { return static_cast<unsigned>(std::bit_width(vcpu_count - 1)); }

u32 clamp32(u64 value) { return static_cast<u32>(std::min<u64>(value, std::numeric_limits<u32>::max())); }

}  // namespace

CpuidLeaf& CpuModel::static_leaf(u32 leaf, u32 subleaf) {
    for (Entry& e : leaves_)
        if (e.leaf == leaf && e.subleaf == subleaf) return e.value;
    return leaves_.emplace_back(leaf, subleaf, CpuidLeaf{}).value;
}

CpuidLeaf CpuModel::find(u32 leaf, u32 subleaf) const {
    for (const Entry& e : leaves_)
        if (e.leaf == leaf && e.subleaf == subleaf) return e.value;
    return {};
}

u32 CpuModel::highest_basic_leaf() const {
    return generation_ == Generation::pentium3 ? highest_basic_leaf_pentium3 : highest_basic_leaf_now;
}

u32 CpuModel::highest_extended_leaf() const {
    if (generation_ == Generation::pentium3) return highest_extended_leaf_pentium3;
    return shows_amd() ? highest_extended_leaf_amd : highest_extended_leaf_intel;
}

std::span<const std::string_view> CpuModel::names() { return model_names; }

CpuModel CpuModel::host(unsigned vcpu_count, u64 tsc_hz) {
    return make(Generation::host, vcpu_count, tsc_hz);
}

Result<CpuModel> CpuModel::named(std::string_view name, unsigned vcpu_count, u64 tsc_hz) {
    const auto found = std::ranges::find(model_names, name);
    if (found == model_names.end())
        return fail(fmt::format("there is no processor model '{}'; there are {}", name,
                                fmt::join(model_names, ", ")));
    const auto generation = static_cast<Generation>(found - model_names.begin());
    CpuModel model = make(generation, vcpu_count, tsc_hz);
    if (generation == Generation::host) return model;
    if (const std::string missing = missing_on_host(model, generation); !missing.empty())
        return fail(
            fmt::format("this computer cannot be the processor model {}: it lacks {}", name, missing));
    return model;
}

u64 CpuModel::supported_efer() const {
    namespace efer = x86::efer;
    return (features_.syscall ? efer::sce : 0) | (features_.long_mode ? efer::lme | efer::lma : 0) |
           (features_.nx ? efer::nxe : 0);
}

CpuModel CpuModel::make(Generation generation, unsigned vcpu_count, u64 tsc_hz) {
    CpuModel m;
    m.generation_ = generation;
    m.vcpu_count_ = std::clamp(vcpu_count, 1u, 255u);
    m.tsc_hz_ = tsc_hz;
    const CpuidLeaf zero = cpuid::host_leaf(0);
    for (const u32 word : {zero.ebx, zero.edx, zero.ecx}) append_word(m.vendor_, word);
    m.shows_amd_ = m.is_amd_ = m.vendor_ == "AuthenticAMD";
    for (u32 leaf = 0x80000002; leaf <= 0x80000004; leaf++) {
        const CpuidLeaf part = cpuid::host_leaf(leaf);
        for (const u32 word : {part.eax, part.ebx, part.ecx, part.edx}) append_word(m.brand_, word);
    }
    m.signature_ = cpuid::host_leaf(1).eax & 0x0fff3fff;
    if (generation == Generation::pentium3) {
        m.vendor_ = "GenuineIntel";
        m.shows_amd_ = false;
        m.brand_ = pentium3_brand;
        m.signature_ = pentium3_signature;
    }
    m.brand_.resize(48);  // three leaves of it
    m.arch_capabilities_ = arch_capability_bits;
    m.add_features();
    m.add_identity();
    m.add_caches();
    m.add_clocks();
    return m;
}

void CpuModel::add_features() {
    const bool avx_saved = cpuid::host_saves_components(x86::xcr0::x87 | x86::xcr0::sse | x86::xcr0::avx);
    for (const cpuid::Feature& f : cpuid::features()) {
        CpuidLeaf host = cpuid::host_leaf(f.leaf, f.subleaf);
        if (f.since > generation_) continue;
        bool shown = f.source == cpuid::Source::always || cpuid::register_of(host, f.reg) >> f.bit & 1;
        // Without the host saving YMM registers, nothing that is encoded with VEX can run.
        const bool needs_avx = f.flag == &Features::avx || f.flag == &Features::avx2 ||
                               f.flag == &Features::fma || f.flag == &Features::f16c ||
                               f.flag == &Features::vaes || f.flag == &Features::vpclmul;
        if (needs_avx && !avx_saved) shown = false;
        if (!shown) continue;
        cpuid::register_of(static_leaf(f.leaf, f.subleaf), f.reg) |= 1u << f.bit;
        if (f.flag) features_.*f.flag = true;
    }
    if (shows_amd()) static_leaf(0x80000001).edx |= static_leaf(1).edx & amd_shared_edx;

    if (features_.xsave) {
        supported_xcr0_ = x86::xcr0::x87 | x86::xcr0::sse | (features_.avx ? x86::xcr0::avx : 0);
        static_leaf(0xd).eax = static_cast<u32>(supported_xcr0_);
        if (features_.avx) static_leaf(0xd, 2) = {.eax = 256, .ebx = 576};
    }
    namespace cr4 = x86::cr4;
    supported_cr4_ = cr4::tsd | cr4::de | cr4::pse | cr4::pae | cr4::mce | cr4::pge | cr4::pce | cr4::osfxsr |
                     cr4::osxmmexcpt;
    if (features_.umip) supported_cr4_ |= cr4::umip;
    if (features_.pcid) supported_cr4_ |= cr4::pcide;
    if (features_.smep) supported_cr4_ |= cr4::smep;
    if (features_.smap) supported_cr4_ |= cr4::smap;
    if (features_.fsgsbase) supported_cr4_ |= cr4::fsgsbase;
    if (features_.xsave) supported_cr4_ |= cr4::osxsave;
}

void CpuModel::add_identity() {
    CpuidLeaf& zero = static_leaf(0);
    zero = {highest_basic_leaf(), text_word(&vendor_[0]), text_word(&vendor_[8]), text_word(&vendor_[4])};
    CpuidLeaf& one = static_leaf(1);
    one.eax = signature_;
    one.ebx = vcpu_count_ << 16;                // addressable APIC ids
    if (features_.clflush) one.ebx |= 8u << 8;  // of 64 bytes
    if (vcpu_count_ > 1) one.edx |= edx_htt;
    static_leaf(7).eax = 2;  // highest subleaf

    static_leaf(0x80000000).eax = highest_extended_leaf();
    if (shows_amd()) {
        static_leaf(0x80000000) = {highest_extended_leaf(), zero.ebx, zero.ecx, zero.edx};
        static_leaf(0x80000021) = {.eax = amd_eax_2nd, .ecx = amd_ecx_2nd};
        static_leaf(0x80000008).ecx = apic_id_bits(vcpu_count_) << 12 | (vcpu_count_ - 1);
    }
    for (u32 i = 0; i < 3; i++) {
        const char* part = &brand_[16 * i];
        static_leaf(0x80000002 + i) = {text_word(part), text_word(part + 4), text_word(part + 8),
                                       text_word(part + 12)};
    }
    static_leaf(0x80000008).eax = 48u << 8 | guest_physical_address_bits;
    static_leaf(hypervisor_leaf) = {hypervisor_clock_leaf, text_word(hypervisor_signature),
                                    text_word(hypervisor_signature + 4), text_word(hypervisor_signature + 8)};
    static_leaf(kvm_leaf) = {kvm_features_leaf, text_word(kvm_signature), text_word(kvm_signature + 4),
                             text_word(kvm_signature + 8)};
    static_leaf(kvm_features_leaf).eax = kvm_clock_source2 | kvm_clock_stable;
}

/// The host's cache sizes; private first and second levels, the third shared by all vCPUs.
void CpuModel::add_caches() {
    if (generation_ == Generation::pentium3) {
        // Code and data TLBs, 16 KiB first-level caches, 256 KiB of the second (SDM vol. 2, CPUID, table of
        // descriptors).
        static_leaf(2) = {.eax = 0x03020101, .edx = 0x0c040882};
        return;
    }
    static_leaf(2).eax = 0x00f0ff01;  // "see leaf 4"; 64-byte prefetching
    static_leaf(6).eax = 1u << 2;     // the APIC timer always runs
    static_leaf(0x80000006) = {.ecx = cpuid::host_leaf(0x80000006).ecx};
    if (shows_amd()) static_leaf(0x80000005) = cpuid::host_leaf(0x80000005);
    for (u32 i = 0; i < 8; i++) {
        const CpuidLeaf host = cpuid::host_leaf(4, i);
        if ((host.eax & 0x1f) == 0) break;
        const u32 level = static_cast<u32>(bits(host.eax, 7, 5));
        const u32 sharing = level >= 3 ? vcpu_count_ - 1 : 0;
        const u32 cores = std::min(vcpu_count_ - 1, 63u);
        static_leaf(4, i) = {(host.eax & 0x3ff) | sharing << 14 | cores << 26, host.ebx, host.ecx,
                             host.edx & 7};
    }
}

void CpuModel::add_clocks() {
    // TSC = crystal * EBX / EAX exactly (leaf 0x15). Guests compute it in kHz with 32 bits: a frequency whose
    // ratio would overflow that is left out, and they calibrate.
    const u64 divisor = std::gcd(tsc_hz_, crystal_hz);
    if (divisor) {
        const u64 numerator = tsc_hz_ / divisor, denominator = crystal_hz / divisor;
        if (crystal_hz / 1000 * numerator <= std::numeric_limits<u32>::max())
            static_leaf(0x15) = {static_cast<u32>(denominator), static_cast<u32>(numerator),
                                 static_cast<u32>(crystal_hz), 0};
    }
    const u32 mhz = clamp32(tsc_hz_ / 1'000'000) & 0xffff;
    static_leaf(0x16) = {mhz, mhz, 100, 0};
    static_leaf(hypervisor_clock_leaf) = {clamp32(tsc_hz_ / 1000), static_cast<u32>(crystal_hz / 1000), 0, 0};
}

CpuidLeaf CpuModel::cpuid(u32 leaf, u32 subleaf, const CpuState& state, unsigned vcpu_index,
                          bool apic_enabled) const {
    const bool hypervisor_range = leaf >> 28 == 4;
    const bool known = hypervisor_range
                           ? leaf <= hypervisor_clock_leaf || leaf == kvm_leaf || leaf == kvm_features_leaf
                       : leaf >> 31 ? leaf <= highest_extended_leaf()
                                    : leaf <= highest_basic_leaf();
    if (!known) {
        // Above the highest leaf, Intel answers the highest basic one (SDM vol. 2, CPUID), AMD zeros.
        if (shows_amd() || hypervisor_range) return {};
        leaf = highest_basic_leaf();
    }
    const bool has_subleaves = leaf == 4 || leaf == 7 || leaf == 0xb || leaf == 0xd;
    CpuidLeaf l = find(leaf, has_subleaves ? subleaf : 0);
    switch (leaf) {
        case 1:
            l.ebx |= vcpu_index << 24;
            if (apic_enabled) l.edx |= edx_apic;
            if (state.cr4 & x86::cr4::osxsave) l.ecx |= ecx_osxsave;
            break;
        case 0xb:
            // One thread a core, all cores in one package; EDX is the x2APIC id at every level.
            l.ecx = subleaf & 0xff;
            l.edx = vcpu_index;
            if (subleaf == 0) {
                l.ebx = 1;
                l.ecx |= 1u << 8;
            } else if (subleaf == 1) {
                l.eax = apic_id_bits(vcpu_count_);
                l.ebx = vcpu_count_;
                l.ecx |= 2u << 8;
            }
            break;
        case 0xd: {
            if (!features_.xsave) return {};
            const auto size_with = [](u64 components) {
                return components & x86::xcr0::avx ? 832u : 576u;  // standard and compacted agree here
            };
            if (subleaf == 0) {
                l.ebx = size_with(state.xcr0);
                l.ecx = size_with(supported_xcr0_);
            } else if (subleaf == 1) {
                l.ebx = size_with(state.xcr0);
            }
            break;
        }
        case 0x80000001:
            // Intel's SYSCALL exists in 64-bit mode only, and only there is its bit shown.
            if (!shows_amd() && !state.code64()) l.edx &= ~edx_syscall;
            break;
        default: break;
    }
    return l;
}

}  // namespace softmetal
