#include "machine_fixture.hpp"

namespace softmetal::testing {
namespace {

namespace flags = x86::flags;
using x86::Segment;
using x86::Vector;

constexpr u64 interrupt_gate = 0x8e, trap_gate = 0x8f, user_gate = 0xee;
constexpr u64 handler = 0x123456;

class LongModeDelivery : public MachineTest {
 protected:
    void SetUp() override {
        enter_long_mode();
        state().rip = 0x400000;
        state().rflags = flags::always_one | flags::interrupt | flags::zf;
    }
    void become_user() {
        use(user_code64, user_data);
        gpr(x86::rsp) = user_stack;
    }
    /// The frame's qwords from RSP up.
    std::vector<u64> frame(unsigned count) {
        std::vector<u64> values;
        values.reserve(count);
        for (unsigned i = 0; i < count; i++) values.push_back(peek(gpr(x86::rsp) + 8 * i));
        return values;
    }
};

TEST_F(LongModeDelivery, InterruptFromUserModeSwitchesStacks) {
    set_gate64(0x40, code64, 0xffff800000123456, interrupt_gate);
    become_user();
    deliver_interrupt(vcpu_, 0x40);
    EXPECT_EQ(state().rip, 0xffff800000123456u);
    EXPECT_EQ(state().cpl(), 0u);
    EXPECT_EQ(seg(Segment::cs).selector, code64);
    EXPECT_EQ(seg(Segment::ss).selector, 0u);
    EXPECT_FALSE(seg(Segment::ss).usable());
    EXPECT_EQ(gpr(x86::rsp), kernel_stack - 40);
    EXPECT_EQ(frame(5),
              (std::vector<u64>{0x400000, user_code64, flags::always_one | flags::interrupt | flags::zf,
                                user_stack, user_data}));
    EXPECT_EQ(state().rflags, flags::always_one | flags::zf);
    EXPECT_EQ(vcpu_.counters.interrupts, 1u);
}

TEST_F(LongModeDelivery, SameLevelAlignsTheStackAndKeepsSs) {
    set_gate64(0x40, code64, handler, trap_gate);
    gpr(x86::rsp) = kernel_stack - 3;
    deliver_interrupt(vcpu_, 0x40);
    EXPECT_EQ(gpr(x86::rsp), ((kernel_stack - 3) & ~u64{15}) - 40);
    EXPECT_EQ(frame(5)[3], kernel_stack - 3);
    EXPECT_EQ(frame(5)[4], kernel_data);
    EXPECT_EQ(seg(Segment::ss).selector, kernel_data);
    EXPECT_TRUE(state().rflags & flags::interrupt);
}

TEST_F(LongModeDelivery, InterruptStackTable) {
    poke(tss + 0x24 + 8, ist_stack);
    set_gate64(2, code64, handler, interrupt_gate, 2);
    deliver_nmi(vcpu_);
    EXPECT_EQ(gpr(x86::rsp), ist_stack - 40);
    EXPECT_TRUE(state().nmi_blocked);
}

TEST_F(LongModeDelivery, PageFaultPushesItsCodeAndSetsCr2) {
    set_gate64(14, code64, handler, interrupt_gate);
    become_user();
    deliver_exception(vcpu_, {.vector = Vector::page_fault, .error_code = 6, .cr2 = 0x7f0000001234});
    EXPECT_EQ(state().cr2, 0x7f0000001234u);
    EXPECT_EQ(gpr(x86::rsp), kernel_stack - 48);
    EXPECT_EQ(frame(2), (std::vector<u64>{6, 0x400000}));
    EXPECT_TRUE(frame(4)[3] & flags::rf);  // a fault: the instruction is tried again
    EXPECT_FALSE(state().rflags & flags::rf);
    EXPECT_EQ(vcpu_.counters.page_faults, 1u);
}

TEST_F(LongModeDelivery, DebugTrapUpdatesDebugRegisters) {
    set_gate64(1, code64, handler, interrupt_gate);
    state().dr6 |= 3;
    state().dr7 |= bit(13);
    state().rflags |= flags::tf;
    deliver_exception(vcpu_, {.vector = Vector::debug, .trap = true, .dr6 = bit(14)});
    EXPECT_EQ(state().dr6, 0xffff0ff0u | bit(14));
    EXPECT_EQ(state().dr7, 0x400u);
    EXPECT_EQ(frame(3)[2] & (flags::rf | flags::tf), flags::tf);
    EXPECT_FALSE(state().rflags & flags::tf);
}

TEST_F(LongModeDelivery, AbsentGateBecomesItsOwnException) {
    set_gate64(11, code64, handler, interrupt_gate);
    set_gate64(0x40, code64, handler, 0x0e);
    deliver_interrupt(vcpu_, 0x40);
    EXPECT_EQ(state().rip, handler);
    EXPECT_EQ(frame(1)[0], 0x40u * 8 + 2 + 1);  // names the IDT entry, external event
}

TEST_F(LongModeDelivery, SecondContributoryFaultIsADoubleFault) {
    set_gate64(8, code64, handler, interrupt_gate);
    deliver_exception(vcpu_, {.vector = Vector::general_protection, .error_code = 0x28});
    EXPECT_EQ(state().rip, handler);
    EXPECT_EQ(frame(1)[0], 0u);
}

TEST_F(LongModeDelivery, PageFaultOnTheStackIsADoubleFaultOnItsOwnStack) {
    set_gate64(14, code64, handler, interrupt_gate);
    set_gate64(8, code64, handler + 16, interrupt_gate, 1);
    poke(tss + 0x24, ist_stack);
    gpr(x86::rsp) = 0xffff800000005000;  // not mapped
    deliver_exception(vcpu_, {.vector = Vector::page_fault, .error_code = 2, .cr2 = 0x1});
    EXPECT_EQ(state().rip, handler + 16);
    EXPECT_EQ(state().cr2, 0xffff800000004fd0u);  // what overflowed
    EXPECT_EQ(frame(5)[4], 0xffff800000005000u);
}

TEST_F(LongModeDelivery, BenignFirstEventIsFollowedBySecondSerially) {
    set_gate64(13, code64, handler, interrupt_gate);
    deliver_exception(vcpu_, {.vector = Vector::device_not_available});
    EXPECT_EQ(state().rip, handler);
    EXPECT_EQ(frame(1)[0], 7u * 8 + 2 + 1);
}

TEST_F(LongModeDelivery, TripleFaultShutsDown) {
    const u64 rip = state().rip;
    deliver_exception(vcpu_, {.vector = Vector::general_protection});
    EXPECT_EQ(state().activity, Activity::shutdown);
    EXPECT_EQ(state().rip, rip);
}

TEST_F(LongModeDelivery, SoftwareInterruptsNeedTheGatesConsent) {
    set_gate64(0x80, code64, handler, user_gate);
    set_gate64(0x81, code64, handler, interrupt_gate);
    set_gate64(1, code64, handler, interrupt_gate);
    become_user();
    EXPECT_EQ(raised_by([&] { deliver_software_interrupt(vcpu_, 0x81, SoftwareInterrupt::int_n); }),
              gp(0x81 * 8 + 2));
    EXPECT_EQ(state().cpl(), 3u);
    deliver_software_interrupt(vcpu_, 0x80, SoftwareInterrupt::int_n);
    EXPECT_EQ(state().rip, handler);
    EXPECT_FALSE(frame(3)[2] & flags::rf);
    become_user();
    deliver_software_interrupt(vcpu_, 1, SoftwareInterrupt::int1);  // ICEBP asks no gate
    EXPECT_EQ(state().cpl(), 0u);
}

TEST_F(LongModeDelivery, GatesAreChecked) {
    const auto deliver = [&] { deliver_software_interrupt(vcpu_, 0x80, SoftwareInterrupt::int_n); };
    state().idtr.limit = 0x80 * 16 + 14;
    EXPECT_EQ(raised_by(deliver), gp(0x80 * 8 + 2));
    state().idtr.limit = 0xfff;
    set_gate64(0x80, code64, handler, 0x85);  // a task gate
    EXPECT_EQ(raised_by(deliver), gp(0x80 * 8 + 2));
    set_gate64(0x80, 0, handler, interrupt_gate);
    EXPECT_EQ(raised_by(deliver), gp());
    set_gate64(0x80, kernel_data, handler, interrupt_gate);
    EXPECT_EQ(raised_by(deliver), gp(kernel_data));
    set_gate64(0x80, code32, handler, interrupt_gate);
    EXPECT_EQ(raised_by(deliver), gp(code32));
    set_gate64(0x80, user_code64 & ~3, handler, interrupt_gate);
    EXPECT_EQ(raised_by(deliver), gp(user_code64 & ~3u));
    set_gate64(0x80, code64, u64{1} << 50, interrupt_gate);
    EXPECT_EQ(raised_by(deliver), gp());
    set_gate64(0x80, 0x108, handler, interrupt_gate);
    EXPECT_EQ(raised_by(deliver), gp(0x108));
    set_gate64(0x80, code64, handler, interrupt_gate, 1);
    state().tr.limit = 0x24 + 6;
    EXPECT_EQ(raised_by(deliver), (Raised{Vector::invalid_tss, task}));
}

// --- pending events

TEST_F(LongModeDelivery, PendingInterruptWaitsForIfAndShadow) {
    set_gate64(0x40, code64, handler, interrupt_gate);
    apic_.pending = 0x40;
    vcpu_.interrupt_pending();
    state().rflags &= ~flags::interrupt;
    EXPECT_FALSE(take_pending_event(vcpu_));
    EXPECT_EQ(vcpu_.block.attention.load(), 0u);  // so the engine runs on until IF is set
    vcpu_.notice_interrupt_window();
    EXPECT_EQ(vcpu_.block.attention.load(), 0u);
    state().rflags |= flags::interrupt;
    vcpu_.notice_interrupt_window();
    EXPECT_TRUE(vcpu_.block.attention.load() & attention::interrupt);
    state().shadow = InterruptShadow::sti;
    EXPECT_FALSE(take_pending_event(vcpu_));
    EXPECT_TRUE(vcpu_.block.attention.load() & attention::interrupt);
    state().shadow = InterruptShadow::none;
    EXPECT_TRUE(take_pending_event(vcpu_));
    EXPECT_EQ(state().rip, handler);
    EXPECT_EQ(vcpu_.block.attention.load(), 0u);
}

TEST_F(LongModeDelivery, SpuriousAttentionIsCleared) {
    vcpu_.interrupt_pending();
    EXPECT_FALSE(take_pending_event(vcpu_));
    EXPECT_EQ(vcpu_.block.attention.load(), 0u);
}

TEST_F(LongModeDelivery, HaltedWithInterruptsOffSleepsOnUntilNmi) {
    set_gate64(2, code64, handler, interrupt_gate);
    state().rflags &= ~flags::interrupt;
    state().activity = Activity::halted;
    apic_.pending = 0x40;
    vcpu_.interrupt_pending();
    EXPECT_FALSE(take_pending_event(vcpu_));
    EXPECT_EQ(vcpu_.block.attention.load(), 0u);  // so the thread can sleep
    vcpu_.nonmaskable_interrupt();
    EXPECT_TRUE(take_pending_event(vcpu_));
    EXPECT_EQ(state().activity, Activity::running);
    EXPECT_TRUE(vcpu_.block.attention.load() & attention::interrupt);  // not forgotten
}

TEST_F(LongModeDelivery, NmiIsBlockedUntilIret) {
    set_gate64(2, code64, handler, interrupt_gate);
    vcpu_.nonmaskable_interrupt();
    EXPECT_TRUE(take_pending_event(vcpu_));
    vcpu_.nonmaskable_interrupt();
    EXPECT_FALSE(take_pending_event(vcpu_));
    EXPECT_TRUE(vcpu_.block.attention.load() & attention::nmi);
    interrupt_return(vcpu_, 8);
    for (const InterruptShadow shadow : {InterruptShadow::mov_ss, InterruptShadow::sti}) {
        state().shadow = shadow;
        EXPECT_FALSE(take_pending_event(vcpu_));
    }
    state().shadow = InterruptShadow::none;
    EXPECT_TRUE(take_pending_event(vcpu_));
}

TEST_F(LongModeDelivery, TwoNmisAreTwoButOneWhileAnotherIsServed) {
    set_gate64(2, code64, handler, interrupt_gate);
    const auto three_arrive = [&] {
        for (int i = 0; i < 3; i++) vcpu_.nonmaskable_interrupt();
    };
    three_arrive();
    EXPECT_TRUE(take_pending_event(vcpu_));
    interrupt_return(vcpu_, 8);
    EXPECT_TRUE(take_pending_event(vcpu_));
    three_arrive();
    EXPECT_FALSE(take_pending_event(vcpu_)) << "blocked";
    interrupt_return(vcpu_, 8);
    EXPECT_TRUE(take_pending_event(vcpu_));
    interrupt_return(vcpu_, 8);
    EXPECT_FALSE(take_pending_event(vcpu_));
    EXPECT_FALSE(vcpu_.block.attention.load() & attention::nmi);
}

TEST_F(LongModeDelivery, InitThenStartupReachesRealModeCode) {
    Vcpu second(1, model(), {*memory_, ports_, mmio_, clock_});
    EXPECT_EQ(second.state.activity, Activity::wait_for_startup);
    second.state.kernel_gs_base = 0x1234;
    second.init();
    EXPECT_TRUE(take_pending_event(second));
    second.startup(0x9a);
    EXPECT_TRUE(take_pending_event(second));
    EXPECT_EQ(second.state.activity, Activity::running);
    EXPECT_EQ(second.state.seg(Segment::cs).selector, 0x9a00);
    EXPECT_EQ(second.state.seg(Segment::cs).base, 0x9a000u);
    EXPECT_EQ(second.state.rip, 0u);
    EXPECT_EQ(second.state.kernel_gs_base, 0x1234u);
    second.startup(0x55);  // running already
    EXPECT_FALSE(take_pending_event(second));
    EXPECT_EQ(second.state.seg(Segment::cs).selector, 0x9a00);
}

// --- real mode

class RealModeDelivery : public MachineTest {
 protected:
    void SetUp() override {
        load_real_mode_segment(state(), Segment::cs, 0x1000);
        load_real_mode_segment(state(), Segment::ss, 0x2000);
        state().rip = 0x1234;
        gpr(x86::rsp) = 0xdead0100;
        poke<u32>(0x21 * 4, 0x30005678);
    }
};

TEST_F(RealModeDelivery, PushesThreeWords) {
    state().rflags = flags::always_one | flags::interrupt | flags::tf | flags::cf;
    deliver_interrupt(vcpu_, 0x21);
    EXPECT_EQ(seg(Segment::cs).base, 0x30000u);
    EXPECT_EQ(state().rip, 0x5678u);
    EXPECT_EQ(gpr(x86::rsp), 0xdead00fau);
    EXPECT_EQ(peek<u16>(0x200fa), 0x1234);
    EXPECT_EQ(peek<u16>(0x200fc), 0x1000);
    EXPECT_EQ(peek<u16>(0x200fe), 0x303);
    EXPECT_EQ(state().rflags, flags::always_one | flags::cf);
    interrupt_return(vcpu_, 2);
    EXPECT_EQ(state().rip, 0x1234u);
    EXPECT_EQ(seg(Segment::cs).selector, 0x1000);
    EXPECT_EQ(gpr(x86::rsp), 0xdead0100u);
    EXPECT_EQ(state().rflags, flags::always_one | flags::interrupt | flags::tf | flags::cf);
}

TEST_F(RealModeDelivery, StackPointerWraps) {
    gpr(x86::rsp) = 0;
    deliver_interrupt(vcpu_, 0x21);
    EXPECT_EQ(gpr(x86::rsp), 0xfffau);
    EXPECT_EQ(peek<u16>(0x2fffa), 0x1234);
}

TEST_F(RealModeDelivery, ShortVectorTableEndsInShutdown) {
    state().idtr.limit = 3;
    deliver_interrupt(vcpu_, 0x21);
    EXPECT_EQ(state().activity, Activity::shutdown);
}

}  // namespace
}  // namespace softmetal::testing
