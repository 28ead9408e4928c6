#include "cpu/extended_state.hpp"

#include "machine_fixture.hpp"

namespace softmetal::testing {
namespace {

namespace cr0 = x86::cr0;
namespace cr4 = x86::cr4;
using x86::Vector;

class ExtendedStateTest : public MachineTest {
 protected:
    static constexpr GuestLinear area{0x50000};
    static constexpr u64 header = 512;

    void SetUp() override {
        enter_long_mode();
        state().cr4 |= cr4::osxsave;
        state().xcr0 = 7;
        fill_registers();
    }
    void fill_registers() {
        ExtendedState& e = state().extended;
        // With an exception pending: AMD's processors save no pointers without one.
        e.fcw = 0x27e;
        e.fsw = 0xb881;
        e.ftw = 0x80;
        e.fop = 0x123;
        e.fip = 0x1122334455667788;
        e.fdp = 0x99aabbccddeeff00;
        e.mxcsr = 0x1fa0;
        for (u64 i = 0; i < 16; i++) {
            if (i < 8) e.x87[i] = {0x1000 + i, 0x2000 + i};
            e.xmm[i] = {0x3000 + i, 0x4000 + i};
            e.ymm_high[i] = {0x5000 + i, 0x6000 + i};
        }
    }
    void poison() { std::memset(memory_->pointer({area.value}), 0xcc, page_size); }
    void save(u64 mask, XsaveForm form) { xsave(vcpu_, area, mask, form, true); }
    void restore(u64 mask) { xrstor(vcpu_, area, mask, true); }
    std::optional<Raised> restore_fault(u64 mask = 7) {
        return raised_by([&] { restore(mask); });
    }
    u64 at(u64 offset) { return peek(area.value + offset); }
};

TEST_F(ExtendedStateTest, FxsaveLayout) {
    poison();
    fxsave(vcpu_, area, true);
    EXPECT_EQ(peek<u16>(area.value), 0x27e);
    EXPECT_EQ(peek<u16>(area.value + 2), 0xb881);
    EXPECT_EQ(peek<u8>(area.value + 4), 0x80);
    EXPECT_EQ(peek<u16>(area.value + 6), 0x123);
    EXPECT_EQ(at(8), 0x1122334455667788u);
    EXPECT_EQ(at(16), 0x99aabbccddeeff00u);
    EXPECT_EQ(peek<u32>(area.value + 24), 0x1fa0u);
    EXPECT_EQ(peek<u32>(area.value + 28), model().mxcsr_mask());
    EXPECT_EQ(at(32), 0x1000u);
    EXPECT_EQ(at(160 + 15 * 16 + 8), 0x400fu);
    EXPECT_EQ(at(416), 0xccccccccccccccccu);
    fxsave(vcpu_, area, false);
    EXPECT_EQ(at(8), 0x55667788u);
    EXPECT_EQ(at(16), 0xddeeff00u);
}

TEST_F(ExtendedStateTest, WithoutPendingExceptionAmdSavesNoPointers) {
    state().extended.fcw = 0x27f;
    state().extended.fsw = 0x3800;
    fxsave(vcpu_, area, true);
    const bool amd = model().is_amd();
    EXPECT_EQ(peek<u16>(area.value + 6), amd ? 0 : 0x123);
    EXPECT_EQ(at(8), amd ? 0 : 0x1122334455667788u);
    EXPECT_EQ(at(16), amd ? 0 : 0x99aabbccddeeff00u);
}

TEST_F(ExtendedStateTest, MisalignedMaskWhereTheModelHasIt) {
    fxsave(vcpu_, area, true);
    poke<u32>(area.value + 24, 0x21f80);
    const bool allowed = model().features().misalignsse;
    EXPECT_EQ(raised_by([&] { fxrstor(vcpu_, area, true); }), allowed ? std::nullopt : std::optional(gp()));
    EXPECT_EQ(state().extended.mxcsr, allowed ? 0x21f80u : 0x1fa0u);
}

TEST_F(ExtendedStateTest, FxrstorReversesFxsave) {
    fxsave(vcpu_, area, true);
    const ExtendedState before = state().extended;
    state().extended = {};
    state().extended.ymm_high = before.ymm_high;
    fxrstor(vcpu_, area, true);
    EXPECT_EQ(std::memcmp(&state().extended.fcw, &before.fcw, 2), 0);
    EXPECT_EQ(state().extended.mxcsr, before.mxcsr);
    EXPECT_EQ(state().extended.xmm[15].high, before.xmm[15].high);
    EXPECT_EQ(state().extended.x87[3].low, before.x87[3].low);
    poke<u32>(area.value + 24, 0x10000);
    EXPECT_EQ(raised_by([&] { fxrstor(vcpu_, area, true); }), gp());
}

TEST_F(ExtendedStateTest, XsaveWritesInitialComponentsToo) {
    poison();
    poke<u64>(area.value + header, 0xf0);
    state().extended.ymm_high = {};
    save(7, XsaveForm::xsave);
    EXPECT_EQ(at(header), 0xf3u);
    EXPECT_EQ(at(576), 0u);
    EXPECT_EQ(at(header + 8), 0xccccccccccccccccu);  // the rest of the header is left alone
    EXPECT_EQ(at(160), 0x3000u);
}

TEST_F(ExtendedStateTest, XsaveoptLeavesInitialComponentsAlone) {
    poison();
    poke<u64>(area.value + header, 0);
    state().extended.ymm_high = {};
    save(6, XsaveForm::xsaveopt);
    EXPECT_EQ(at(header), 2u);
    EXPECT_EQ(at(576), 0xccccccccccccccccu);
    EXPECT_EQ(at(0), 0xccccccccccccccccu);  // x87 was not asked for
    EXPECT_EQ(peek<u32>(area.value + 24), 0x1fa0u);
}

TEST_F(ExtendedStateTest, XsavecMarksItsFormat) {
    poison();
    state().extended.xmm = {};
    state().extended.mxcsr = 0x1f80;
    save(7, XsaveForm::xsavec);
    EXPECT_EQ(at(header), 5u);
    EXPECT_EQ(at(header + 8), bit(63) | 7);
    EXPECT_EQ(peek<u32>(area.value + 24), 0xccccccccu);
    state().extended.mxcsr = 0x1fa0;
    save(7, XsaveForm::xsavec);
    EXPECT_EQ(at(header), 7u);
    EXPECT_EQ(peek<u32>(area.value + 24), 0x1fa0u);
}

TEST_F(ExtendedStateTest, XrstorBothFormats) {
    for (const XsaveForm form : {XsaveForm::xsave, XsaveForm::xsavec}) {
        fill_registers();
        std::memset(memory_->pointer({area.value}), 0, page_size);
        save(7, form);
        const ExtendedState before = state().extended;
        state().extended = {};
        restore(7);
        EXPECT_EQ(std::memcmp(&state().extended, &before, sizeof before), 0);
    }
}

TEST_F(ExtendedStateTest, XrstorInitializesAbsentComponents) {
    std::memset(memory_->pointer({area.value}), 0, page_size);
    poke<u32>(area.value + 24, 0x1fc0);
    restore(7);
    EXPECT_EQ(state().extended.fcw, 0x37f);
    EXPECT_EQ(state().extended.xmm[3].low, 0u);
    EXPECT_EQ(state().extended.ymm_high[3].low, 0u);
    EXPECT_EQ(state().extended.mxcsr, 0x1fc0u);  // the standard format loads it all the same
    fill_registers();
    poke<u64>(area.value + header + 8, bit(63) | 7);
    restore(7);
    EXPECT_EQ(state().extended.mxcsr, 0x1f80u);
    fill_registers();
    restore(4);
    EXPECT_EQ(state().extended.xmm[3].low, 0x3003u);
    EXPECT_EQ(state().extended.mxcsr, 0x1fa0u);
    EXPECT_EQ(state().extended.ymm_high[3].low, 0u);
}

TEST_F(ExtendedStateTest, XrstorChecksTheHeader) {
    const auto clean = [&] { std::memset(memory_->pointer({area.value}), 0, page_size); };
    clean();
    poke<u64>(area.value + header, 8);
    EXPECT_EQ(restore_fault(), gp());
    clean();
    poke<u64>(area.value + header + 8, 1);
    EXPECT_EQ(restore_fault(), gp());
    clean();
    poke<u64>(area.value + header + 16, 1);
    EXPECT_EQ(restore_fault(), gp());
    clean();
    poke<u64>(area.value + header + 24, 1);  // reserved in the compacted format only
    EXPECT_EQ(restore_fault(), std::nullopt);
    poke<u64>(area.value + header + 8, bit(63) | 7);
    EXPECT_EQ(restore_fault(), gp());
    clean();
    poke<u64>(area.value + header, 4);
    poke<u64>(area.value + header + 8, bit(63) | 3);
    EXPECT_EQ(restore_fault(), gp());
    clean();
    poke<u32>(area.value + 24, 0x10000);
    EXPECT_EQ(restore_fault(), gp());
    EXPECT_EQ(restore_fault(1), std::nullopt);  // MXCSR not asked for
}

TEST_F(ExtendedStateTest, AreasThatStraddlePages) {
    constexpr GuestLinear straddling{0x50fc0};
    xsave(vcpu_, straddling, 7, XsaveForm::xsavec, true);
    const ExtendedState before = state().extended;
    state().extended = {};
    xrstor(vcpu_, straddling, 7, true);
    EXPECT_EQ(std::memcmp(&state().extended, &before, sizeof before), 0);
    EXPECT_EQ(peek<u16>(straddling.value), 0x27e);
}

TEST_F(ExtendedStateTest, OutsideLongModeTheUpperRegistersStay) {
    use(code32, kernel_data);
    std::memset(memory_->pointer({area.value}), 0, page_size);
    save(7, XsaveForm::xsave);
    EXPECT_EQ(at(160 + 7 * 16), 0x3007u);
    EXPECT_EQ(at(160 + 8 * 16), 0u);
    std::memset(memory_->pointer({area.value}), 0, page_size);
    restore(7);
    EXPECT_EQ(state().extended.xmm[7].low, 0u);
    EXPECT_EQ(state().extended.xmm[8].low, 0x3008u);
}

TEST_F(ExtendedStateTest, AlignmentAndControlBits) {
    EXPECT_EQ(raised_by([&] { fxsave(vcpu_, {0x50008}, true); }), gp());
    EXPECT_EQ(raised_by([&] { xsave(vcpu_, {0x50020}, 7, XsaveForm::xsave, true); }), gp());
    state().cr0 |= cr0::ts;
    EXPECT_EQ(raised_by([&] { fxsave(vcpu_, area, true); })->vector, Vector::device_not_available);
    EXPECT_EQ(raised_by([&] { save(7, XsaveForm::xsave); })->vector, Vector::device_not_available);
    state().cr4 &= ~cr4::osxsave;
    EXPECT_EQ(raised_by([&] { save(7, XsaveForm::xsave); })->vector, Vector::invalid_opcode);
}

TEST_F(ExtendedStateTest, UnitsAsControlBitsAllowThem) {
    const auto check = [&](ExtendedUnit unit) -> int {
        const auto r = raised_by([&] { require_unit(state(), unit); });
        return r ? static_cast<int>(r->vector) : -1;
    };
    EXPECT_EQ(check(ExtendedUnit::x87), -1);
    EXPECT_EQ(check(ExtendedUnit::avx), -1);
    state().cr0 |= cr0::ts;
    EXPECT_EQ(check(ExtendedUnit::x87), 7);
    EXPECT_EQ(check(ExtendedUnit::sse), 7);
    EXPECT_EQ(check(ExtendedUnit::avx), 7);
    EXPECT_EQ(check(ExtendedUnit::wait), -1);
    state().cr0 |= cr0::mp;
    EXPECT_EQ(check(ExtendedUnit::wait), 7);
    state().cr0 = (state().cr0 & ~cr0::ts) | cr0::em;
    EXPECT_EQ(check(ExtendedUnit::x87), 7);
    EXPECT_EQ(check(ExtendedUnit::mmx), 6);
    EXPECT_EQ(check(ExtendedUnit::sse), 6);
    state().xcr0 = 3;
    EXPECT_EQ(check(ExtendedUnit::avx), 6);
}

}  // namespace
}  // namespace softmetal::testing
