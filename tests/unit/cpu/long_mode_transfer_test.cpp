// IRET, far transfers and fast system calls in 64-bit and compatibility mode.
#include "machine_fixture.hpp"

#include <array>

namespace softmetal::testing {
namespace {

namespace flags = x86::flags;
using x86::Segment;
using x86::Vector;

class LongModeTransfer : public MachineTest {
 protected:
    void SetUp() override {
        enter_long_mode();
        state().rip = 0x8000;
        state().star = u64{kernel_data | 3} << 48 | u64{code64} << 32;
        state().lstar = 0xffff800000100000;
        state().sfmask = flags::interrupt | flags::tf;
    }
    void become_user() {
        use(user_code64, user_data);
        gpr(x86::rsp) = user_stack;
    }
    void push_frame(u64 rip, u64 cs, u64 value, u64 rsp, u64 ss) {
        gpr(x86::rsp) = kernel_stack - 40;
        const u64 values[]{rip, cs, value, rsp, ss};
        for (unsigned i = 0; i < 5; i++) poke(kernel_stack - 40 + 8 * i, values[i]);
    }
};

TEST_F(LongModeTransfer, IretToUserMode) {
    push_frame(0x400123, user_code64, 0x246, user_stack, user_data);
    interrupt_return(vcpu_, 8);
    EXPECT_EQ(state().rip, 0x400123u);
    EXPECT_EQ(state().cpl(), 3u);
    EXPECT_TRUE(state().code64());
    EXPECT_EQ(gpr(x86::rsp), user_stack);
    EXPECT_EQ(state().rflags, 0x246u);
    EXPECT_FALSE(seg(Segment::ds).usable());
}

TEST_F(LongModeTransfer, IretToCompatibilityModeAndBackOut) {
    push_frame(0x400123, user_code32, 0x202, user_stack, user_data);
    interrupt_return(vcpu_, 8);
    EXPECT_EQ(state().code_size(), 4u);
    EXPECT_TRUE(state().long_mode_active());
    set_gate64(0x80, code64, 0x9000, 0xee);
    deliver_software_interrupt(vcpu_, 0x80, SoftwareInterrupt::int_n);
    EXPECT_TRUE(state().code64());
    EXPECT_EQ(peek(gpr(x86::rsp) + 8), user_code32);
}

TEST_F(LongModeTransfer, IretToUserModeTakesInnerSelectorsButNoBases) {
    for (const Segment s : {Segment::ds, Segment::gs}) load_segment(vcpu_, s, kernel_data);
    seg(Segment::gs).base = 0x123456;
    push_frame(0x400123, user_code64, 0x202, user_stack, user_data);
    interrupt_return(vcpu_, 8);
    EXPECT_EQ(seg(Segment::gs).selector, 0u);
    EXPECT_FALSE(seg(Segment::gs).usable());
    EXPECT_EQ(seg(Segment::gs).base, 0x123456u);
    EXPECT_FALSE(seg(Segment::ds).usable());
}

TEST_F(LongModeTransfer, ReturnsToAnOuterLevelTakeTheRplOfNullSelectors) {
    constexpr std::array data{Segment::es, Segment::fs, Segment::gs, Segment::ds};
    for (const Segment s : data) load_segment(vcpu_, s, 3);
    push_frame(0x9000, code64, flags::interrupt, kernel_stack - 40, 0);
    interrupt_return(vcpu_, 8);
    for (const Segment s : data) EXPECT_EQ(seg(s).selector, 3u);
    push_frame(0x400123, user_code64, 0x202, user_stack, user_data);
    interrupt_return(vcpu_, 8);
    for (const Segment s : data) EXPECT_EQ(seg(s).selector, 0u);
}

TEST_F(LongModeTransfer, IretAtTheSameLevelAlwaysLoadsTheStack) {
    push_frame(0x9000, code64, flags::interrupt, 0x24000, 0);
    interrupt_return(vcpu_, 8);
    EXPECT_EQ(gpr(x86::rsp), 0x24000u);
    EXPECT_EQ(seg(Segment::ss).selector, 0u);
    EXPECT_EQ(state().cpl(), 0u);
    EXPECT_EQ(state().rflags, flags::always_one | flags::interrupt);
}

TEST_F(LongModeTransfer, IretChecksItsFrame) {
    const auto iret = [&] { interrupt_return(vcpu_, 8); };
    push_frame(u64{1} << 47, user_code64, 2, user_stack, user_data);
    EXPECT_EQ(raised_by(iret), gp());
    push_frame(0x9000, 0, 2, user_stack, user_data);
    EXPECT_EQ(raised_by(iret), gp());
    push_frame(0x9000, user_code64, 2, user_stack, 3);  // null SS at level 3
    EXPECT_EQ(raised_by(iret), gp());
    push_frame(0x9000, user_code64, 2, user_stack, kernel_data);
    EXPECT_EQ(raised_by(iret), gp(kernel_data));
    push_frame(0x9000, user_data, 2, user_stack, user_data);
    EXPECT_EQ(raised_by(iret), gp(user_data & ~3u));
    push_frame(0x9000, user_code64, 2, user_stack, user_data);
    state().rflags |= flags::nt;
    EXPECT_EQ(raised_by(iret), gp());
    EXPECT_EQ(state().rip, 0x8000u);
    EXPECT_EQ(gpr(x86::rsp), kernel_stack - 40);
}

TEST_F(LongModeTransfer, FarReturnReloadsCs) {
    gpr(x86::rsp) = kernel_stack - 16;
    poke<u64>(kernel_stack - 16, 0x9000);
    poke<u64>(kernel_stack - 8, code64);
    far_return(vcpu_, 8, 0);
    EXPECT_EQ(state().rip, 0x9000u);
    EXPECT_EQ(gpr(x86::rsp), kernel_stack);
}

TEST_F(LongModeTransfer, AlignmentOfUserStacksIsChecked) {
    become_user();
    state().cr0 |= x86::cr0::am;
    gpr(x86::rsp) = user_stack - 60;
    const Raised misaligned{Vector::alignment_check, 0};
    const auto all = [&] {
        return std::array{raised_by([&] { far_return(vcpu_, 8, 0); }),
                          raised_by([&] { interrupt_return(vcpu_, 8); }),
                          raised_by([&] { interrupt_return(vcpu_, 4); }),
                          raised_by([&] { far_call(vcpu_, user_code64, 0x9000, 8); })};
    };
    for (const auto& raised : all()) EXPECT_NE(raised, misaligned);
    become_user();
    gpr(x86::rsp) = user_stack - 62;
    state().rflags |= flags::ac;
    for (const auto& raised : all()) EXPECT_EQ(raised, misaligned);
}

TEST_F(LongModeTransfer, FarPointersOfAmdHave32BitOffsets) {
    EXPECT_EQ(far_offset_size(vcpu_, 8), vcpu_.model.is_amd() ? 4u : 8u);
    EXPECT_EQ(far_offset_size(vcpu_, 4), 4u);
    EXPECT_EQ(far_offset_size(vcpu_, 2), 2u);
}

TEST_F(LongModeTransfer, CallGateIs64Bits) {
    constexpr u16 gate = 0x60;
    poke(gdt + gate, 0x2345 | u64{code64} << 16 | u64{0xec} << 40 | u64{0x1} << 48);
    poke<u64>(gdt + gate + 8, 0xffff8000);
    become_user();
    far_call(vcpu_, gate | 3, 0, 4);
    EXPECT_EQ(state().rip, 0xffff800000012345u);
    EXPECT_EQ(state().cpl(), 0u);
    EXPECT_EQ(gpr(x86::rsp), kernel_stack - 32);
    EXPECT_EQ(peek(kernel_stack - 32), 0x8000u);
    EXPECT_EQ(peek(kernel_stack - 16), user_stack);
    EXPECT_FALSE(seg(Segment::ss).usable());
    EXPECT_EQ(raised_by([&] { far_call(vcpu_, task, 0, 4); }), gp(task));  // no task switches here
}

TEST_F(LongModeTransfer, SystemCallAndReturn) {
    become_user();
    state().rflags = flags::always_one | flags::interrupt | flags::cf;
    system_call(vcpu_);
    EXPECT_EQ(state().rip, 0xffff800000100000u);
    EXPECT_EQ(state().cpl(), 0u);
    EXPECT_EQ(gpr(x86::rcx), 0x8000u);
    EXPECT_EQ(gpr(x86::r11), flags::always_one | flags::interrupt | flags::cf);
    EXPECT_EQ(state().rflags, flags::always_one | flags::cf);
    EXPECT_EQ(seg(Segment::cs).selector, code64);
    EXPECT_EQ(seg(Segment::ss).selector, kernel_data);
    EXPECT_EQ(gpr(x86::rsp), user_stack);
    system_return(vcpu_, 8);
    EXPECT_EQ(state().rip, 0x8000u);
    EXPECT_EQ(state().cpl(), 3u);
    EXPECT_EQ(seg(Segment::cs).selector, (kernel_data + 16) | 3);
    EXPECT_TRUE(state().code64());
    EXPECT_TRUE(state().rflags & flags::interrupt);
}

TEST_F(LongModeTransfer, SystemReturnChecks) {
    gpr(x86::rcx) = u64{1} << 47;
    EXPECT_EQ(raised_by([&] { system_return(vcpu_, 8); }), gp());
    system_return(vcpu_, 4);
    EXPECT_EQ(state().code_size(), 4u);
    state().efer &= ~x86::efer::sce;
    EXPECT_EQ(raised_by([&] { system_call(vcpu_); })->vector, Vector::invalid_opcode);
}

TEST_F(LongModeTransfer, SysenterAndSysexit) {
    if (model().is_amd()) GTEST_SKIP() << "AMD has no SYSENTER in long mode";
    become_user();
    EXPECT_EQ(raised_by([&] { sysenter(vcpu_); }), gp());
    state().sysenter_cs = code64;
    state().sysenter_esp = kernel_stack;
    state().sysenter_eip = 0xffff800000200000;
    sysenter(vcpu_);
    EXPECT_EQ(state().rip, 0xffff800000200000u);
    EXPECT_EQ(gpr(x86::rsp), kernel_stack);
    EXPECT_EQ(state().cpl(), 0u);
    gpr(x86::rdx) = 0x9000;
    gpr(x86::rcx) = user_stack;
    sysexit(vcpu_, 4);
    EXPECT_EQ(state().cpl(), 3u);
    EXPECT_EQ(state().code_size(), 4u);
    EXPECT_EQ(state().rip, 0x9000u);
    EXPECT_EQ(raised_by([&] { sysexit(vcpu_, 4); }), gp());  // level 3
}

}  // namespace
}  // namespace softmetal::testing
