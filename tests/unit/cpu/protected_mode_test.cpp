// 16- and 32-bit protected mode and V86: delivery, far transfers, task switches.
#include "machine_fixture.hpp"

namespace softmetal::testing {
namespace {

namespace flags = x86::flags;
using x86::Segment;
using x86::Vector;

constexpr u64 interrupt_gate32 = 0x8e, interrupt_gate16 = 0x86, task_gate = 0x85;
constexpr u32 handler = 0x12345;

class ProtectedModeTest : public MachineTest {
 protected:
    void SetUp() override {
        enter_protected_mode();
        state().rip = 0x8000;
        state().rflags = flags::always_one | flags::interrupt;
    }
    void become_user() {
        use(user_code32, user_data);
        gpr(x86::rsp) = user_stack;
    }
    void become_v86(u64 iopl = 3) {
        state().rflags |= flags::vm | iopl << flags::iopl_shift;
        for (const auto s : {Segment::es, Segment::cs, Segment::ss, Segment::ds, Segment::fs, Segment::gs})
            load_real_mode_segment(state(), s, static_cast<u16>(0x1000 + 0x100 * static_cast<unsigned>(s)));
        state().rip = 0x100;
        gpr(x86::rsp) = 0x800;
    }
    std::vector<u32> frame(unsigned count) {
        std::vector<u32> values;
        values.reserve(count);
        for (unsigned i = 0; i < count; i++) values.push_back(peek<u32>(gpr(x86::rsp) + 4 * i));
        return values;
    }
};

TEST_F(ProtectedModeTest, SameLevelInterruptAndReturn) {
    set_gate32(0x40, code32, handler, interrupt_gate32);
    deliver_interrupt(vcpu_, 0x40);
    EXPECT_EQ(state().rip, handler);
    EXPECT_EQ(gpr(x86::rsp), kernel_stack - 12);
    EXPECT_EQ(frame(3), (std::vector<u32>{0x8000, code32, 0x202}));
    EXPECT_FALSE(state().rflags & flags::interrupt);
    interrupt_return(vcpu_, 4);
    EXPECT_EQ(state().rip, 0x8000u);
    EXPECT_EQ(gpr(x86::rsp), kernel_stack);
    EXPECT_TRUE(state().rflags & flags::interrupt);
}

TEST_F(ProtectedModeTest, InnerLevelInterruptAndReturn) {
    set_gate32(13, code32, handler, interrupt_gate32);
    become_user();
    deliver_exception(vcpu_, {.vector = Vector::general_protection, .error_code = 0x18});
    EXPECT_EQ(state().cpl(), 0u);
    EXPECT_EQ(seg(Segment::ss).selector, kernel_data);
    EXPECT_EQ(frame(6),
              (std::vector<u32>{0x18, 0x8000, user_code32, 0x202 | flags::rf, user_stack, user_data}));
    load_segment(vcpu_, Segment::ds, kernel_data);
    load_segment(vcpu_, Segment::fs, 2);
    gpr(x86::rsp) += 4;
    interrupt_return(vcpu_, 4);
    EXPECT_EQ(state().cpl(), 3u);
    EXPECT_EQ(gpr(x86::rsp), user_stack);
    EXPECT_FALSE(seg(Segment::ds).usable());  // the kernel's, out of reach now
    EXPECT_EQ(seg(Segment::fs).selector, 0u);
    EXPECT_TRUE(seg(Segment::es).usable());
}

TEST_F(ProtectedModeTest, SixteenBitGatePushesWords) {
    set_gate32(0x40, code16, 0x2345, interrupt_gate16);
    deliver_interrupt(vcpu_, 0x40);
    EXPECT_EQ(gpr(x86::rsp), kernel_stack - 6);
    EXPECT_EQ(peek<u16>(kernel_stack - 6), 0x8000);
    EXPECT_EQ(state().code_size(), 2u);
    EXPECT_EQ(state().rip, 0x2345u);
}

TEST_F(ProtectedModeTest, BadInnerStacksAreInvalidTss) {
    set_gate32(0x40, code32, handler, 0xee);
    become_user();
    const auto deliver = [&] { deliver_software_interrupt(vcpu_, 0x40, SoftwareInterrupt::int_n); };
    poke<u32>(tss + 8, 0);
    EXPECT_EQ(raised_by(deliver), (Raised{Vector::invalid_tss, 0}));
    poke<u32>(tss + 8, user_data);
    EXPECT_EQ(raised_by(deliver), (Raised{Vector::invalid_tss, user_data & ~3u}));
    poke<u32>(tss + 8, kernel_data);
    set_descriptor(kernel_data, descriptor(0, 0xfffff, 0xc013));
    EXPECT_EQ(raised_by(deliver), (Raised{Vector::stack_fault, kernel_data}));
    set_descriptor(kernel_data, descriptor(0, 0x1f, 0xc093));  // limit 0x1ffff, just below the stack's top
    poke<u32>(tss + 4, 0x20004);
    EXPECT_EQ(raised_by(deliver), (Raised{Vector::stack_fault, kernel_data}));
    EXPECT_EQ(state().cpl(), 3u);
}

TEST_F(ProtectedModeTest, V86InterruptSavesAllSegmentsAndIretRestoresThem) {
    set_gate32(0x40, code32, handler, 0xee);
    become_v86();
    EXPECT_EQ(state().cpl(), 3u);
    deliver_interrupt(vcpu_, 0x40);
    EXPECT_EQ(frame(9),
              (std::vector<u32>{0x100, 0x1100, 0x23202, 0x800, 0x1200, 0x1000, 0x1300, 0x1400, 0x1500}));
    EXPECT_FALSE(seg(Segment::ds).usable());
    EXPECT_FALSE(state().v86_mode());
    EXPECT_EQ(state().cpl(), 0u);
    interrupt_return(vcpu_, 4);
    EXPECT_TRUE(state().v86_mode());
    EXPECT_EQ(state().rip, 0x100u);
    EXPECT_EQ(gpr(x86::rsp), 0x800u);
    EXPECT_EQ(seg(Segment::gs).base, 0x15000u);
    EXPECT_EQ(seg(Segment::cs).limit, 0xffffu);
}

TEST_F(ProtectedModeTest, V86NeedsIoplForIntAndIret) {
    set_gate32(0x40, code32, handler, 0xee);
    become_v86(0);
    EXPECT_EQ(raised_by([&] { deliver_software_interrupt(vcpu_, 0x40, SoftwareInterrupt::int_n); }), gp());
    EXPECT_EQ(raised_by([&] { interrupt_return(vcpu_, 2); }), gp());
}

// --- far transfers

TEST_F(ProtectedModeTest, FarCallAndReturnAtTheSameLevel) {
    far_call(vcpu_, code16, 0x4000, 4);
    EXPECT_EQ(state().rip, 0x4000u);
    EXPECT_EQ(seg(Segment::cs).selector, code16);
    EXPECT_EQ(frame(2), (std::vector<u32>{0x8000, code32}));
    far_return(vcpu_, 4, 8);
    EXPECT_EQ(state().rip, 0x8000u);
    EXPECT_EQ(seg(Segment::cs).selector, code32);
    EXPECT_EQ(gpr(x86::rsp), kernel_stack + 8);
}

TEST_F(ProtectedModeTest, FarJumpChecks) {
    EXPECT_EQ(raised_by([&] { far_jump(vcpu_, 0, 0, 4); }), gp());
    EXPECT_EQ(raised_by([&] { far_jump(vcpu_, kernel_data, 0, 4); }), gp(kernel_data));
    EXPECT_EQ(raised_by([&] { far_jump(vcpu_, user_code32, 0, 4); }), gp(user_code32 & ~3u));
    EXPECT_EQ(raised_by([&] { far_jump(vcpu_, 0x108, 0, 4); }), gp(0x108));
    EXPECT_EQ(raised_by([&] { far_jump(vcpu_, 0x0c, 0, 4); }), gp(0x0c));  // no LDT
    EXPECT_EQ(raised_by([&] { far_jump(vcpu_, code16, 0x10000, 4); }), gp());
    set_descriptor(code16, descriptor(0, 0xffff, 0x001b));
    EXPECT_EQ(raised_by([&] { far_jump(vcpu_, code16, 0, 4); }),
              (Raised{Vector::segment_not_present, code16}));
    EXPECT_EQ(seg(Segment::cs).selector, code32);
}

TEST_F(ProtectedModeTest, CallGateCopiesParametersToTheInnerStack) {
    constexpr u16 gate = 0x60;
    set_descriptor(gate, 0x2345 | u64{code32} << 16 | u64{2} << 32 | u64{0xec} << 40 | u64{0x1} << 48);
    become_user();
    poke<u32>(user_stack, 0x11111111);
    poke<u32>(user_stack + 4, 0x22222222);
    far_call(vcpu_, gate | 3, 0xdeadbeef, 4);
    EXPECT_EQ(state().cpl(), 0u);
    EXPECT_EQ(state().rip, 0x12345u);
    EXPECT_EQ(frame(6),
              (std::vector<u32>{0x8000, user_code32, 0x11111111, 0x22222222, user_stack, user_data}));
    far_return(vcpu_, 4, 8);
    EXPECT_EQ(state().cpl(), 3u);
    EXPECT_EQ(gpr(x86::rsp), user_stack + 8);
    EXPECT_EQ(state().rip, 0x8000u);
    // A jump may not change the level.
    EXPECT_EQ(raised_by([&] { far_jump(vcpu_, gate | 3, 0, 4); }), gp(code32));
    set_descriptor(gate, 0x2345 | u64{code32} << 16 | u64{0x8c} << 40);
    EXPECT_EQ(raised_by([&] { far_call(vcpu_, gate | 3, 0, 4); }), gp(gate));
}

TEST_F(ProtectedModeTest, ReturnsNeverGoInward) {
    become_user();
    poke<u32>(user_stack, 0x100);
    poke<u32>(user_stack + 4, code32);
    EXPECT_EQ(raised_by([&] { far_return(vcpu_, 4, 0); }), gp(code32));
    EXPECT_EQ(raised_by([&] { interrupt_return(vcpu_, 4); }), gp(code32));
    EXPECT_EQ(gpr(x86::rsp), user_stack);
}

TEST_F(ProtectedModeTest, IretToSixteenBitStackKeepsTheUpperHalf) {
    constexpr u16 data16 = 0x68;
    set_descriptor(data16, descriptor(0, 0xffff, 0x00f3));
    gpr(x86::rsp) = kernel_stack - 20;
    const u32 values[]{0x100, user_code32, 0x202, 0x99991234, data16 | 3};
    for (unsigned i = 0; i < 5; i++) poke<u32>(kernel_stack - 20 + 4 * i, values[i]);
    interrupt_return(vcpu_, 4);
    EXPECT_EQ(state().stack_size(), 2u);
    EXPECT_EQ(gpr(x86::rsp), ((kernel_stack - 20) & 0xffff0000) | 0x1234);
}

TEST_F(ProtectedModeTest, PopfRulesOfIretAtUserLevel) {
    become_user();
    poke<u32>(user_stack, 0x100);
    poke<u32>(user_stack + 4, user_code32);
    poke<u32>(user_stack + 8, static_cast<u32>(flags::iopl | flags::cf | flags::ac));
    interrupt_return(vcpu_, 4);
    EXPECT_EQ(state().rflags, flags::always_one | flags::interrupt | flags::cf | flags::ac);  // IF, IOPL kept
}

// --- tasks

class TaskTest : public ProtectedModeTest {
 protected:
    static constexpr u16 second_task = 0x70;
    static constexpr u64 second_tss = 0x3400;
    void SetUp() override {
        ProtectedModeTest::SetUp();
        set_descriptor(second_task, descriptor(second_tss, 0x67, 0x89));
        poke<u32>(second_tss + 0x20, 0x9000);
        poke<u32>(second_tss + 0x24, 0x2);
        for (unsigned i = 0; i < 8; i++) poke<u32>(second_tss + 0x28 + 4 * i, 0x100 + i);
        poke<u32>(second_tss + 0x38, 0x40000);
        const u16 segments[]{kernel_data, code32, kernel_data, kernel_data, 0, 0};
        for (unsigned i = 0; i < 6; i++) poke<u32>(second_tss + 0x48 + 4 * i, segments[i]);
        gpr(x86::rbx) = 0xbbbb;
    }
    bool busy(u16 selector) { return peek(gdt + selector) >> 41 & 1; }
};

TEST_F(TaskTest, CallLinksAndIretReturns) {
    far_call(vcpu_, second_task, 0, 4);
    EXPECT_EQ(state().tr.selector, second_task);
    EXPECT_EQ(state().rip, 0x9000u);
    EXPECT_EQ(gpr(x86::rbx), 0x103u);
    EXPECT_EQ(gpr(x86::rsp), 0x40000u);
    EXPECT_TRUE(state().rflags & flags::nt);
    EXPECT_TRUE(state().cr0 & x86::cr0::ts);
    EXPECT_EQ(peek<u16>(second_tss), task);
    EXPECT_EQ(peek<u32>(tss + 0x20), 0x8000u);
    EXPECT_TRUE(busy(task) && busy(second_task));
    state().rip = 0x9004;
    interrupt_return(vcpu_, 4);
    EXPECT_EQ(state().tr.selector, task);
    EXPECT_EQ(state().rip, 0x8000u);
    EXPECT_EQ(gpr(x86::rbx), 0xbbbbu);
    EXPECT_FALSE(state().rflags & flags::nt);
    EXPECT_FALSE(busy(second_task));
    EXPECT_EQ(peek<u32>(second_tss + 0x20), 0x9004u);
    EXPECT_FALSE(peek<u32>(second_tss + 0x24) & flags::nt);
}

TEST_F(TaskTest, JumpFreesTheOldTask) {
    far_jump(vcpu_, second_task, 0, 4);
    EXPECT_FALSE(busy(task));
    EXPECT_TRUE(busy(second_task));
    EXPECT_FALSE(state().rflags & flags::nt);
    EXPECT_EQ(raised_by([&] { far_jump(vcpu_, second_task, 0, 4); }), gp(second_task));  // busy
}

TEST_F(TaskTest, TaskGatePushesTheErrorCodeOnTheNewStack) {
    set_gate32(8, second_task, 0, task_gate);
    gpr(x86::rsp) = 0;
    state().idtr.limit = 8 * 8 + 7;  // #GP's own gate is missing: double fault
    deliver_exception(vcpu_, {.vector = Vector::general_protection});
    EXPECT_EQ(state().activity, Activity::running);
    EXPECT_EQ(state().rip, 0x9000u);
    EXPECT_EQ(gpr(x86::rsp), 0x3fffcu);
    EXPECT_EQ(peek<u32>(0x3fffc), 0u);
}

TEST_F(TaskTest, FaultsOfTheNewTaskAreItsOwn) {
    set_gate32(10, code32, handler, interrupt_gate32);
    poke<u32>(second_tss + 0x54, 0x108);  // DS outside the GDT
    far_call(vcpu_, second_task, 0, 4);
    EXPECT_EQ(state().tr.selector, second_task);
    EXPECT_EQ(state().rip, handler);
    EXPECT_EQ(frame(2), (std::vector<u32>{0x108, 0x9000}));
}

TEST_F(TaskTest, ShortTssIsInvalidAndChangesNothing) {
    set_descriptor(second_task, descriptor(second_tss, 0x66, 0x89));
    EXPECT_EQ(raised_by([&] { far_call(vcpu_, second_task, 0, 4); }),
              (Raised{Vector::invalid_tss, second_task}));
    EXPECT_EQ(state().tr.selector, task);
    EXPECT_FALSE(busy(second_task));
}

}  // namespace
}  // namespace softmetal::testing
