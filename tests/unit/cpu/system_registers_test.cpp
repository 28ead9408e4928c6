#include "machine_fixture.hpp"

namespace softmetal::testing {
namespace {

namespace cr0 = x86::cr0;
namespace cr4 = x86::cr4;
namespace msr = x86::msr;
using x86::Vector;

class SystemRegistersTest : public MachineTest {
 protected:
    std::optional<Raised> write_cr(unsigned n, u64 value) {
        return raised_by([&] { write_control_register(vcpu_, n, value); });
    }
    std::optional<Raised> write(u32 index, u64 value) {
        return raised_by([&] { write_msr(vcpu_, index, value); });
    }
};

TEST_F(SystemRegistersTest, ResetState) {
    EXPECT_EQ(state().cr0, 0x60000010u);
    EXPECT_EQ(state().rip, 0xfff0u);
    EXPECT_EQ(state().seg(x86::Segment::cs).base, 0xffff0000u);
    EXPECT_EQ(gpr(x86::rdx), model().cpuid(1, 0, state(), 0, true).eax);
    EXPECT_EQ(state().dr6, 0xffff0ff0u);
}

// Linux complains of firmware that has not set it.
TEST_F(SystemRegistersTest, TheTscOfAnAmdProcessorDoesNotChangeItsRate) {
    constexpr u32 hardware_configuration = 0xc0010015;
    if (!model().shows_amd()) {
        EXPECT_EQ(raised_by([&] { static_cast<void>(read_msr(vcpu_, hardware_configuration)); }), gp());
        return;
    }
    EXPECT_EQ(read_msr(vcpu_, hardware_configuration), bit(24));
    EXPECT_EQ(write(hardware_configuration, 0), std::nullopt);
    EXPECT_EQ(read_msr(vcpu_, hardware_configuration), bit(24));
}

TEST_F(SystemRegistersTest, Cr0Combinations) {
    EXPECT_EQ(write_cr(0, cr0::pg), gp());
    EXPECT_EQ(write_cr(0, cr0::nw), gp());
    EXPECT_EQ(write_cr(0, bit(32)), gp());
    EXPECT_EQ(write_cr(0, cr0::pe | bit(20)), std::nullopt);
    EXPECT_EQ(state().cr0, cr0::pe | cr0::et);
    EXPECT_EQ(write_cr(1, 0)->vector, Vector::invalid_opcode);
}

TEST_F(SystemRegistersTest, EnteringAndLeavingLongMode) {
    enter_protected_mode();
    state().cr3 = new_table();
    EXPECT_EQ(write(msr::efer, x86::efer::lme), std::nullopt);
    EXPECT_EQ(write_cr(0, state().cr0 | cr0::pg), gp());  // no PAE
    EXPECT_EQ(write_cr(4, cr4::pae), std::nullopt);
    EXPECT_EQ(write_cr(0, state().cr0 | cr0::pg), std::nullopt);
    EXPECT_TRUE(state().long_mode_active());
    EXPECT_FALSE(state().code64());
    EXPECT_EQ(write(msr::efer, 0), gp());  // LME with paging on
    EXPECT_EQ(write_cr(4, 0), gp());       // PAE in long mode
    use(code64, kernel_data);
    EXPECT_EQ(write_cr(0, state().cr0 & ~cr0::pg), gp());  // from 64-bit code
    use(code32, kernel_data);
    EXPECT_EQ(write_cr(0, state().cr0 & ~cr0::pg), std::nullopt);
    EXPECT_FALSE(state().long_mode_active());
}

TEST_F(SystemRegistersTest, LongModeIsNotEnteredFromCodeMarkedLong) {
    enter_protected_mode();
    use(code64, kernel_data);
    state().efer = x86::efer::lme;
    state().cr4 = cr4::pae;
    EXPECT_EQ(write_cr(0, state().cr0 | cr0::pg), gp());
}

TEST_F(SystemRegistersTest, Cr4AcceptsWhatCpuidShows) {
    enter_long_mode();
    EXPECT_EQ(write_cr(4, state().cr4 | cr4::la57), gp());
    EXPECT_EQ(write_cr(4, state().cr4 | cr4::vmxe), gp());
    EXPECT_EQ(write_cr(4, state().cr4 | cr4::pke), gp());
    EXPECT_EQ(write_cr(4, state().cr4 | cr4::smep | cr4::smap | cr4::umip), std::nullopt);
    const u64 tables = state().cr3;
    state().cr3 |= 1;
    EXPECT_EQ(write_cr(4, state().cr4 | cr4::pcide), gp());  // a PCID already in CR3
    state().cr3 = tables;
    EXPECT_EQ(write_cr(4, state().cr4 | cr4::pcide), std::nullopt);
}

TEST_F(SystemRegistersTest, Cr3ReservedBits) {
    enter_long_mode();
    EXPECT_EQ(write_cr(3, state().cr3 | bit(46)), gp());
    EXPECT_EQ(write_cr(3, state().cr3 | bit(63)), gp());  // no-flush needs PCIDE
}

TEST_F(SystemRegistersTest, Cr8IsTheTaskPriority) {
    EXPECT_EQ(write_cr(8, 5), std::nullopt);
    EXPECT_EQ(apic_.tpr, 0x50);
    EXPECT_EQ(read_control_register(vcpu_, 8), 5u);
    EXPECT_EQ(write_cr(8, 16), gp());
}

TEST_F(SystemRegistersTest, WriteProtectTakesEffectAtOnce) {
    enter_long_mode();
    map(0x7f0000001000, 0x200000, x86::pte::present);
    const auto store = [&] { vcpu_.linear.write<u8>({0x7f0000001000}, 1, Privilege::supervisor_any); };
    EXPECT_EQ(raised_by(store), pf(3));
    EXPECT_EQ(write_cr(0, state().cr0 & ~cr0::wp), std::nullopt);
    EXPECT_EQ(raised_by(store), std::nullopt);
    EXPECT_EQ(write_cr(0, state().cr0 | cr0::wp), std::nullopt);
    EXPECT_EQ(raised_by(store), pf(3));
}

TEST_F(SystemRegistersTest, LmswSetsButNeverClearsPe) {
    load_machine_status_word(vcpu_, 1);
    EXPECT_TRUE(state().cr0 & cr0::pe);
    load_machine_status_word(vcpu_, cr0::ts);
    EXPECT_EQ(state().cr0 & 0xf, cr0::pe | cr0::ts);
}

TEST_F(SystemRegistersTest, DebugRegisters) {
    write_debug_register(vcpu_, 4, 0xffffffff);
    EXPECT_EQ(read_debug_register(vcpu_, 6), 0xffffefffu);
    write_debug_register(vcpu_, 5, 0);
    EXPECT_EQ(state().dr7, 0x400u);
    state().cr4 |= cr4::de;
    EXPECT_EQ(raised_by([&] { write_debug_register(vcpu_, 4, 0); })->vector, Vector::invalid_opcode);
    EXPECT_EQ(raised_by([&] { write_debug_register(vcpu_, 7, bit(32)); }), gp());
    write_debug_register(vcpu_, 7, bit(13));
    EXPECT_EQ(raised_by([&] { static_cast<void>(read_debug_register(vcpu_, 0)); })->vector, Vector::debug);
}

TEST_F(SystemRegistersTest, Xcr0) {
    EXPECT_EQ(raised_by([&] { write_extended_control_register(vcpu_, 0, 3); })->vector,
              Vector::invalid_opcode);
    if (!model().features().xsave) GTEST_SKIP() << "no XSAVE here";
    write_control_register(vcpu_, 4, cr4::osxsave);
    write_extended_control_register(vcpu_, 0, 3);
    EXPECT_EQ(read_extended_control_register(vcpu_, 0), 3u);
    EXPECT_EQ(raised_by([&] { write_extended_control_register(vcpu_, 0, 2); }), gp());
    EXPECT_EQ(raised_by([&] { write_extended_control_register(vcpu_, 0, 5); }), gp());
    EXPECT_EQ(raised_by([&] { write_extended_control_register(vcpu_, 0, 0xe7); }), gp());
    EXPECT_EQ(raised_by([&] { write_extended_control_register(vcpu_, 1, 1); }), gp());
}

// --- MSRs

TEST_F(SystemRegistersTest, UnknownMsrsAreGeneralProtectionFaults) {
    EXPECT_EQ(raised_by([&] { static_cast<void>(read_msr(vcpu_, 0x12345)); }), gp());
    EXPECT_EQ(write(0x12345, 0), gp());
    EXPECT_EQ(write(msr::arch_capabilities, 0), gp());
    EXPECT_EQ(write(msr::mtrr_cap, 0), gp());
}

TEST_F(SystemRegistersTest, StoredMsrsAndTheirChecks) {
    for (const u32 index : {msr::lstar, msr::kernel_gs_base, msr::fs_base, msr::gs_base, msr::sysenter_eip}) {
        EXPECT_EQ(write(index, 0xffff800000001000), std::nullopt);
        EXPECT_EQ(read_msr(vcpu_, index), 0xffff800000001000u);
        EXPECT_EQ(write(index, bit(50)), gp());
    }
    EXPECT_EQ(state().seg(x86::Segment::gs).base, 0xffff800000001000u);
    EXPECT_EQ(write(msr::pat, 0x0007040600070406), std::nullopt);
    EXPECT_EQ(write(msr::pat, 2), gp());
    EXPECT_EQ(write(msr::mtrr_def_type, 0xc06), std::nullopt);
    EXPECT_EQ(write(msr::mtrr_def_type, 7), gp());
    EXPECT_EQ(write(msr::mtrr_phys_base0 + 3, 0x3fff80000800), std::nullopt);
    EXPECT_EQ(read_msr(vcpu_, msr::mtrr_phys_base0 + 3), 0x3fff80000800u);
    EXPECT_EQ(write(0x26f, 0x0606060606060606), std::nullopt);
    EXPECT_EQ(read_msr(vcpu_, 0x26f), 0x0606060606060606u);
    EXPECT_EQ(read_msr(vcpu_, 0x268), 0u);
    EXPECT_EQ(write(0x250, 0x02), gp());
    EXPECT_EQ(write(msr::efer, bit(12)), gp());
    EXPECT_EQ(write(msr::spec_ctrl, 0x401), std::nullopt);
    EXPECT_EQ(read_msr(vcpu_, msr::spec_ctrl), 0x401u);
    EXPECT_EQ(write(msr::spec_ctrl, 8), gp());
}

TEST_F(SystemRegistersTest, TimeStampCounterFollowsTheClockAndItsAdjustment) {
    clock_.time = 1'000'000'003;
    EXPECT_EQ(read_msr(vcpu_, msr::time_stamp_counter), test_tsc_hz + 7);
    EXPECT_EQ(write(msr::time_stamp_counter, 1000), std::nullopt);
    EXPECT_EQ(read_msr(vcpu_, msr::time_stamp_counter), 1000u);
    EXPECT_EQ(read_msr(vcpu_, msr::tsc_adjust), 1000 - (test_tsc_hz + 7));
    EXPECT_EQ(write(msr::tsc_deadline, 2000), std::nullopt);
    EXPECT_EQ(apic_.deadline, test_tsc_hz + 7 + 1000);  // the APIC counts without the adjustment
    EXPECT_EQ(read_msr(vcpu_, msr::tsc_deadline), 2000u);
    EXPECT_EQ(write(msr::tsc_deadline, 0), std::nullopt);
    EXPECT_EQ(apic_.deadline, 0u);
}

TEST_F(SystemRegistersTest, ApicBaseIsTheApics) {
    EXPECT_EQ(read_msr(vcpu_, msr::apic_base), 0xfee00900u);
    EXPECT_EQ(write(msr::apic_base, 0xfee00d01), gp());
    EXPECT_EQ(write(0x802, 0), gp());
}

TEST_F(SystemRegistersTest, TicksNeverOverflow) {
    const u64 century = u64{100} * 365 * 86400 * bus::nanoseconds_per_second;
    EXPECT_EQ(ticks_at(century, 5'000'000'000), u64{100} * 365 * 86400 * 5'000'000'000);
    EXPECT_EQ(ticks_at(999'999'999, 1'000'000'000), 999'999'999u);
}

// --- I/O permission

TEST_F(SystemRegistersTest, PortBitmap) {
    enter_protected_mode();
    const auto check = [&](u16 port, unsigned width) {
        return raised_by([&] { check_port_permission(vcpu_, port, width); });
    };
    EXPECT_EQ(check(0x60, 1), std::nullopt);
    use(user_code32, user_data);
    poke<u16>(tss + 0x66, 0x68);
    EXPECT_EQ(check(0x60, 1), gp());  // the TSS ends before its bitmap
    state().tr.limit = 0x68 + 0x20;
    std::memset(memory_->pointer({tss + 0x68}), 0xff, 0x21);
    poke<u8>(tss + 0x68 + 0xc, 0xf0);  // 0x60 to 0x63 allowed
    EXPECT_EQ(check(0x60, 4), std::nullopt);
    EXPECT_EQ(check(0x61, 4), gp());
    EXPECT_EQ(check(0x64, 1), gp());
    EXPECT_EQ(check(0xfff8, 1), gp());
    state().rflags |= x86::flags::iopl;
    EXPECT_EQ(check(0x64, 1), std::nullopt);
}

}  // namespace
}  // namespace softmetal::testing
