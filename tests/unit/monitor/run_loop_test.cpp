// One vCPU's thread: sleeping, waking, shutting down, stopping.
#include "monitor/run_loop.hpp"

#include "fake_engine.hpp"

#include <gtest/gtest.h>
#include <stdexcept>
#include <thread>

namespace softmetal::monitor {
namespace {

using namespace std::chrono_literals;
using testing::BareVcpu;
using testing::FakeEngine;

TEST(RunLoop, EndsWhereTheCpuShutsDown) {
    BareVcpu bare;
    StopGate gate;
    gate.add(bare.vcpu);
    unsigned left = 3;
    FakeEngine engine([&] {
        std::this_thread::sleep_for(1ms);
        if (--left == 0) bare.vcpu.state.activity = Activity::shutdown;
    });
    EXPECT_EQ(run_vcpu(bare.vcpu, engine, gate), RunEnd::shutdown);
    EXPECT_EQ(left, 0u);
    EXPECT_GE(bare.vcpu.counters.nanoseconds_translated, 3'000'000u);
    EXPECT_EQ(bare.vcpu.counters.nanoseconds_halted, 0u);
    gate.pause();  // a vCPU that is gone holds nobody up
}

TEST(RunLoop, SleepsInHaltUntilStopped) {
    BareVcpu bare;
    StopGate gate;
    gate.add(bare.vcpu);
    std::atomic<unsigned> runs = 0;
    FakeEngine engine([&] {
        runs++;
        bare.vcpu.state.activity = Activity::halted;
    });
    std::jthread stopper([&] {
        std::this_thread::sleep_for(30ms);
        gate.end();
    });
    EXPECT_EQ(run_vcpu(bare.vcpu, engine, gate), RunEnd::stopped);
    EXPECT_EQ(runs, 1u);
    EXPECT_GE(bare.vcpu.counters.nanoseconds_halted, 10'000'000u);
}

TEST(RunLoop, SleepsOnWhereTheInterruptIsNotDeliverable) {
    BareVcpu bare;
    StopGate gate;
    gate.add(bare.vcpu);
    std::atomic<unsigned> runs = 0;
    FakeEngine engine([&] {
        runs++;
        bare.vcpu.state.activity = Activity::halted;
    });
    std::jthread waker([&] {
        std::this_thread::sleep_for(20ms);
        bare.vcpu.interrupt_pending();  // there is no APIC that has one
        std::this_thread::sleep_for(20ms);
        gate.end();
    });
    EXPECT_EQ(run_vcpu(bare.vcpu, engine, gate), RunEnd::stopped);
    EXPECT_EQ(runs, 1u);
    EXPECT_GE(bare.vcpu.counters.nanoseconds_halted, 20'000'000u);
}

TEST(RunLoop, StartsAnApplicationProcessorByItsStartupInterrupt) {
    BareVcpu bare(1);
    StopGate gate;
    gate.add(bare.vcpu);
    u64 code_base = 0;
    FakeEngine engine([&] {
        code_base = bare.vcpu.state.seg(x86::Segment::cs).base + bare.vcpu.state.rip;
        bare.vcpu.state.activity = Activity::shutdown;
    });
    std::jthread starter([&] {
        std::this_thread::sleep_for(10ms);
        bare.vcpu.startup(0x9a);
    });
    EXPECT_EQ(run_vcpu(bare.vcpu, engine, gate), RunEnd::shutdown);
    EXPECT_EQ(code_base, 0x9a000u);
}

TEST(RunLoop, LeavesTheGateWhereTheEngineThrows) {
    BareVcpu bare;
    StopGate gate;
    gate.add(bare.vcpu);
    FakeEngine engine([] { throw std::runtime_error("broken"); });
    EXPECT_THROW((void)run_vcpu(bare.vcpu, engine, gate), std::runtime_error);
    gate.pause();
}

TEST(RunLoop, DoesNotBeginAfterTheEnd) {
    BareVcpu bare;
    StopGate gate;
    gate.add(bare.vcpu);
    gate.end();
    FakeEngine engine([] { FAIL() << "ran"; });
    EXPECT_EQ(run_vcpu(bare.vcpu, engine, gate), RunEnd::stopped);
}

}  // namespace
}  // namespace softmetal::monitor
