// Two vCPUs under a debugger's control.
#include "monitor/debug_control.hpp"

#include "fake_engine.hpp"
#include "monitor/run_loop.hpp"

#include <condition_variable>
#include <gtest/gtest.h>
#include <thread>

namespace softmetal::monitor {
namespace {

using namespace std::chrono_literals;
using Reason = DebuggerStop::Reason;
using enum DebugControl::Resumption;

struct FakeTime final : bus::TimeControl {
    void pause() override { paused = true; }
    void resume() override { paused = false; }
    bool paused = false;
};

struct Debugged : ::testing::Test {
    testing::BareVcpu first{0}, second{0};
    std::atomic<u64> first_steps = 0, second_steps = 0;
    std::atomic<bool> second_hits = false, second_shuts_down = false;
    testing::FakeEngine first_engine{[this] { first_steps++; }};
    testing::FakeEngine second_engine{[this] {
        second_steps++;
        if (second_hits.exchange(false)) second.vcpu.stop_for_debugger({Reason::watchpoint, {}});
        if (second_shuts_down.exchange(false)) second.vcpu.state.activity = Activity::shutdown;
    }};
    StopGate gate;
    FakeTime time;
    DebugControl control{gate, &time};
    std::mutex mutex;
    std::condition_variable changed;
    unsigned announced = 0;
    std::optional<RunEnd> second_end;
    std::vector<std::jthread> threads;

    Debugged() {
        for (Vcpu* vcpu : {&first.vcpu, &second.vcpu}) {
            gate.add(*vcpu);
            control.add(*vcpu);
        }
        control.attach([this] {
            const std::lock_guard lock(mutex);
            announced++;
            changed.notify_all();
        });
        threads.emplace_back([this] { (void)run_vcpu(first.vcpu, first_engine, gate, &control); });
        threads.emplace_back([this] {
            const RunEnd end = run_vcpu(second.vcpu, second_engine, gate, &control);
            const std::lock_guard lock(mutex);
            second_end = end;
            changed.notify_all();
        });
    }
    ~Debugged() override { gate.end(); }

    bool is_told() {
        std::unique_lock lock(mutex);
        if (!changed.wait_for(lock, 10s, [this] { return announced != 0; })) return false;
        announced = 0;
        return true;
    }
    void resume(DebugControl::Resumption a, DebugControl::Resumption b) { control.resume(std::array{a, b}); }
    void expect_standstill() {
        const u64 a = first_steps, b = second_steps;
        std::this_thread::sleep_for(5ms);
        EXPECT_EQ(first_steps, a);
        EXPECT_EQ(second_steps, b);
    }
    static void wait_for_more(const std::atomic<u64>& steps) {
        const u64 before = steps;
        for (int n = 0; n < 10'000 && steps == before; n++) std::this_thread::sleep_for(1ms);
        EXPECT_GT(steps, before);
    }
};

TEST_F(Debugged, HaltsAllAndTimeWithThem) {
    wait_for_more(first_steps);
    control.halt();
    EXPECT_TRUE(time.paused);
    expect_standstill();
    EXPECT_FALSE(control.take_stop());
    resume(run, run);
    EXPECT_FALSE(time.paused);
    wait_for_more(first_steps);
    wait_for_more(second_steps);
}

TEST_F(Debugged, OneThatStopsHaltsTheOther) {
    second_hits = true;
    ASSERT_TRUE(is_told());
    control.halt();
    expect_standstill();
    const auto stop = control.take_stop();
    ASSERT_TRUE(stop);
    EXPECT_EQ(stop->vcpu, 1u);
    EXPECT_EQ(stop->why.reason, Reason::watchpoint);
    EXPECT_FALSE(control.take_stop());
    resume(run, run);
    wait_for_more(first_steps);
}

TEST_F(Debugged, AStepIsOneRunOfTheEngine) {
    control.halt();
    const u64 before = second_steps;
    resume(stay, step);
    ASSERT_TRUE(is_told());
    control.halt();
    EXPECT_EQ(second_steps, before + 1);
    const auto stop = control.take_stop();
    ASSERT_TRUE(stop);
    EXPECT_EQ(stop->vcpu, 1u);
    EXPECT_EQ(stop->why.reason, Reason::step);
}

TEST_F(Debugged, WhoStaysStaysWhileTheOtherRuns) {
    control.halt();
    const u64 before = first_steps;
    resume(stay, run);
    wait_for_more(second_steps);
    EXPECT_EQ(first_steps, before);
    control.halt();
    resume(run, run);
    wait_for_more(first_steps);
}

TEST_F(Debugged, AStepFromHaltEndsWithTheNextEvent) {
    control.halt();
    second.vcpu.state.activity = Activity::halted;
    const u64 before = second_steps;
    resume(stay, step);
    std::this_thread::sleep_for(5ms);
    EXPECT_EQ(second_steps, before);
    second.vcpu.init();
    ASSERT_TRUE(is_told());
    control.halt();
    EXPECT_EQ(second_steps, before);
    EXPECT_EQ(second.vcpu.state.activity, Activity::running);
}

TEST_F(Debugged, AStopNobodyHasHeardOfIsAnnouncedInsteadOfRunningOn) {
    control.halt();
    second.vcpu.debugger.note({Reason::watchpoint, {}});
    announced = 0;
    resume(run, run);
    ASSERT_TRUE(is_told());
    expect_standstill();
    EXPECT_TRUE(control.take_stop());
    resume(run, run);
    wait_for_more(second_steps);
}

TEST_F(Debugged, ShutdownIsCaughtOnce) {
    second_shuts_down = true;
    ASSERT_TRUE(is_told());
    control.halt();
    const auto stop = control.take_stop();
    ASSERT_TRUE(stop);
    EXPECT_EQ(stop->why.reason, Reason::shutdown);
    resume(run, run);
    std::unique_lock lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, 10s, [this] { return second_end.has_value(); }));
    EXPECT_EQ(second_end, RunEnd::shutdown);
}

TEST_F(Debugged, WithoutADebuggerNothingIsCaught) {
    control.detach();
    second_shuts_down = true;
    std::unique_lock lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, 10s, [this] { return second_end.has_value(); }));
    EXPECT_EQ(announced, 0u);
}

TEST_F(Debugged, PointsAreBounded) {
    control.halt();
    for (u64 n = 0; n < DebugControl::maximum_breakpoints; n++) EXPECT_TRUE(control.add_breakpoint(n));
    EXPECT_FALSE(control.add_breakpoint(1 << 20));
    EXPECT_TRUE(control.add_breakpoint(0)) << "it is there already";
    EXPECT_TRUE(control.remove_breakpoint(0));
    EXPECT_FALSE(control.remove_breakpoint(0));
    EXPECT_TRUE(control.add_breakpoint(1 << 20));
}

}  // namespace
}  // namespace softmetal::monitor
