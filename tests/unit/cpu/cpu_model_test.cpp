#include "cpu/cpuid_features.hpp"
#include "machine_fixture.hpp"

#include <thread>

namespace softmetal::testing {
namespace {

class CpuModelTest : public MachineTest {
 protected:
    CpuidLeaf leaf(u32 number, u32 subleaf = 0, unsigned vcpu = 0) {
        return model().cpuid(number, subleaf, state(), vcpu, true);
    }
};

TEST_F(CpuModelTest, NothingIsShownThatTheTableDoesNotName) {
    enter_long_mode();
    struct Place {
        u32 leaf, subleaf;
        cpuid::Register reg;
        u32 dynamic;  // bits that are not features of the table
    };
    using enum cpuid::Register;
    const u32 amd_copy = model().is_amd() ? 0x0183f3ff : 0;
    for (const Place& p :
         {Place{1, 0, ecx, 1u << 27}, Place{1, 0, edx, 1u << 9 | 1u << 28}, Place{7, 0, ebx, 0},
          Place{7, 0, ecx, 0}, Place{7, 0, edx, 0}, Place{7, 2, edx, 0}, Place{7, 2, eax, 0},
          Place{0x80000001, 0, ecx, 0}, Place{0x80000001, 0, edx, amd_copy}, Place{0x80000007, 0, edx, 0},
          Place{7, 1, eax, 0}}) {
        u32 known = p.dynamic;
        for (const cpuid::Feature& f : cpuid::features())
            if (f.leaf == p.leaf && f.subleaf == p.subleaf && f.reg == p.reg) known |= 1u << f.bit;
        CpuidLeaf l = leaf(p.leaf, p.subleaf);
        EXPECT_EQ(cpuid::register_of(l, p.reg) & ~known, 0u) << std::hex << p.leaf;
    }
    EXPECT_EQ(leaf(1).ecx & (1u << 3 | 1u << 5 | 1u << 6), 0u);               // MONITOR, VMX, SMX
    EXPECT_EQ(leaf(7).ebx & (1u << 16 | 1u << 14 | 1u << 11 | 1u << 4), 0u);  // AVX-512, MPX, RTM, HLE
    EXPECT_EQ(leaf(7).ecx & (1u << 3 | 1u << 16), 0u);                        // PKU, LA57
}

TEST_F(CpuModelTest, FlagsAgreeWithLeaves) {
    enter_long_mode();
    for (const cpuid::Feature& f : cpuid::features()) {
        if (!f.flag) continue;
        CpuidLeaf l = leaf(f.leaf, f.subleaf);
        EXPECT_EQ(cpuid::register_of(l, f.reg) >> f.bit & 1, model().features().*f.flag)
            << f.leaf << ' ' << +f.bit;
    }
}

TEST_F(CpuModelTest, NamedModelsHaveWhatTheirLevelHasAndNoMore) {
    const auto v2 = CpuModel::named("x86-64-v2", 1, 1'000'000'000);
    if (!v2) GTEST_SKIP() << v2.error().message;
    EXPECT_TRUE(v2->features().sse42 && v2->features().cx16 && v2->features().popcnt);
    EXPECT_FALSE(v2->features().avx || v2->features().xsave || v2->features().movbe || v2->features().lzcnt);
    EXPECT_EQ(v2->supported_xcr0(), 1u);
    EXPECT_EQ(v2->supported_cr4() & x86::cr4::osxsave, 0u);
    EXPECT_EQ(v2->cpuid(1, 0, state(), 0, true).ecx & (1u << 28 | 1u << 26), 0u);  // AVX, XSAVE
}

TEST_F(CpuModelTest, Pentium3HasNeitherLongModeNorTheRegistersThatCameWithIt) {
    const auto p3 = CpuModel::named("pentium3", 1, 1'000'000'000);
    ASSERT_TRUE(p3);
    const CpuidLeaf one = p3->cpuid(1, 0, state(), 0, true);
    EXPECT_EQ(one.edx & (1u << 6 | 1u << 25 | 1u << 26), 1u << 6 | 1u << 25);  // PAE, SSE, not SSE2
    EXPECT_EQ(one.ecx, 1u << 31);                                              // a hypervisor, nothing newer
    EXPECT_EQ(p3->cpuid(0x80000001, 0, state(), 0, true).edx, 0u);             // long mode, NX, SYSCALL
    EXPECT_EQ(p3->supported_efer(), 0u);
    EXPECT_EQ(p3->cpuid(0, 0, state(), 0, true).eax, 2u);
    EXPECT_FALSE(p3->shows_amd());
}

TEST_F(CpuModelTest, UnknownModelIsASentence) {
    const auto model = CpuModel::named("z80", 1, 1'000'000'000);
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().message,
              "there is no processor model 'z80'; there are pentium3, x86-64, x86-64-v2, x86-64-v3, host");
}

TEST_F(CpuModelTest, UserLevelFeaturesAreTheHosts) {
    for (const cpuid::Feature& f : cpuid::features()) {
        if (f.source == cpuid::Source::always || !f.flag) continue;
        CpuidLeaf host = cpuid::host_leaf(f.leaf, f.subleaf);
        if (model().features().*f.flag) {
            EXPECT_TRUE(cpuid::register_of(host, f.reg) >> f.bit & 1);
        }
    }
}

TEST_F(CpuModelTest, DynamicBits) {
    EXPECT_FALSE(leaf(1).ecx >> 27 & 1);
    state().cr4 |= x86::cr4::osxsave;
    EXPECT_TRUE(leaf(1).ecx >> 27 & 1);
    EXPECT_TRUE(leaf(1).edx >> 9 & 1);
    EXPECT_FALSE(model().cpuid(1, 0, state(), 0, false).edx >> 9 & 1);
    EXPECT_EQ(leaf(1, 0, 1).ebx >> 24, 1u);
}

TEST_F(CpuModelTest, TopologyCountsVcpus) {
    EXPECT_EQ(leaf(0xb, 0, 1).edx, 1u);
    EXPECT_EQ(leaf(0xb, 0).ebx, 1u);
    EXPECT_EQ(leaf(0xb, 1).ebx, 2u);
    EXPECT_EQ(leaf(0xb, 1).eax, 1u);
    EXPECT_EQ(leaf(0xb, 1).ecx >> 8, 2u);
    EXPECT_EQ(leaf(0xb, 2).ecx >> 8, 0u);
    EXPECT_EQ(bits(leaf(1).ebx, 23, 16), 2u);
}

TEST_F(CpuModelTest, XsaveSizes) {
    if (!model().features().xsave) GTEST_SKIP() << "no XSAVE here";
    EXPECT_EQ(leaf(0xd).eax, model().supported_xcr0());
    EXPECT_EQ(leaf(0xd).ebx, 576u);
    if (!model().features().avx) return;
    state().xcr0 = 7;
    EXPECT_EQ(leaf(0xd).ebx, 832u);
    EXPECT_EQ(leaf(0xd).ecx, 832u);
    EXPECT_EQ(leaf(0xd, 2).eax, 256u);
    EXPECT_EQ(leaf(0xd, 2).ebx, 576u);
}

TEST_F(CpuModelTest, ClocksAgree) {
    const CpuidLeaf crystal = leaf(0x15);
    ASSERT_NE(crystal.eax, 0u);
    EXPECT_EQ(u64{crystal.ecx} * crystal.ebx / crystal.eax, test_tsc_hz);
    EXPECT_EQ(u64{crystal.ecx} * crystal.ebx % crystal.eax, 0u);
    EXPECT_EQ(leaf(0x16).eax, 2500u);
    EXPECT_EQ(leaf(0x40000010).eax, 2'500'000u);
    EXPECT_EQ(leaf(0x40000010).ebx, 1'000'000u);
    // A ratio that 32-bit arithmetic could not hold is not shown.
    EXPECT_EQ(CpuModel::host(1, 2'499'998'001).cpuid(0x15, 0, state(), 0, true).eax, 0u);
}

TEST_F(CpuModelTest, HypervisorSignature) {
    const CpuidLeaf l = leaf(0x40000000);
    std::string text(12, ' ');
    std::memcpy(&text[0], &l.ebx, 4);
    std::memcpy(&text[4], &l.ecx, 4);
    std::memcpy(&text[8], &l.edx, 4);
    EXPECT_EQ(text, "SoftmetalVMM");
    EXPECT_EQ(l.eax, 0x40000010u);
    EXPECT_EQ(leaf(0x40000001).eax, 0u);
    EXPECT_EQ(leaf(0x40000100).eax, 0x40000101u);
    EXPECT_EQ(leaf(0x40000100).edx, u32{'M'}) << "KVMKVMKVM";
    EXPECT_EQ(leaf(0x40000101).eax, bit(3) | bit(24)) << "its clock, the same on all processors";
    EXPECT_EQ(leaf(0x40000102).eax, 0u);
}

TEST_F(CpuModelTest, LeavesBeyondTheHighest) {
    const CpuidLeaf beyond = leaf(0x1000), highest = leaf(leaf(0).eax);
    EXPECT_EQ(beyond.eax, model().is_amd() ? 0 : highest.eax);
    EXPECT_EQ(leaf(0x80000008).eax & 0xff, model().physical_address_bits());
}

TEST_F(CpuModelTest, SyscallBitFollowsTheMode) {
    if (model().is_amd()) GTEST_SKIP() << "AMD shows it always";
    EXPECT_FALSE(leaf(0x80000001).edx >> 11 & 1);
    enter_long_mode();
    EXPECT_TRUE(leaf(0x80000001).edx >> 11 & 1);
}

TEST_F(CpuModelTest, RequestWakesASleeper) {
    std::thread sleeper([&] { vcpu_.wait_for_attention(); });
    vcpu_.request(attention::stop);
    sleeper.join();
    EXPECT_EQ(vcpu_.block.attention.load(), attention::stop);
}

}  // namespace
}  // namespace softmetal::testing
