// Stopping all vCPUs for a while and for good.
#include "monitor/stop_gate.hpp"

#include "fake_engine.hpp"
#include "monitor/run_loop.hpp"

#include <gtest/gtest.h>
#include <thread>

namespace softmetal::monitor {
namespace {

using namespace std::chrono_literals;

struct Gate : ::testing::Test {
    testing::BareVcpu first{0}, second{0};
    std::atomic<u64> first_steps = 0, second_steps = 0;
    testing::FakeEngine first_engine{[this] { first_steps++; }}, second_engine{[this] { second_steps++; }};
    StopGate gate;
    std::vector<std::jthread> threads;

    void start() {
        gate.add(first.vcpu);
        gate.add(second.vcpu);
        threads.emplace_back([this] { (void)run_vcpu(first.vcpu, first_engine, gate); });
        threads.emplace_back([this] { (void)run_vcpu(second.vcpu, second_engine, gate); });
    }
    void expect_progress() {
        const u64 a = first_steps, b = second_steps;
        const auto deadline = std::chrono::steady_clock::now() + 10s;
        while ((first_steps == a || second_steps == b) && std::chrono::steady_clock::now() < deadline)
            std::this_thread::sleep_for(1ms);
        EXPECT_NE(first_steps, a);
        EXPECT_NE(second_steps, b);
    }
    void expect_standstill() {
        const u64 a = first_steps, b = second_steps;
        std::this_thread::sleep_for(5ms);
        EXPECT_EQ(first_steps, a);
        EXPECT_EQ(second_steps, b);
    }
    ~Gate() override { gate.end(); }
};

TEST_F(Gate, PausesAndResumesEverybody) {
    start();
    expect_progress();
    for (int round = 0; round < 20; round++) {
        gate.pause();
        expect_standstill();
        gate.resume();
        expect_progress();
    }
}

TEST_F(Gate, PausesNest) {
    start();
    gate.pause();
    gate.pause();
    gate.resume();
    expect_standstill();
    gate.resume();
    expect_progress();
}

TEST_F(Gate, HoldsBackThreadsThatBeginWhilePaused) {
    gate.pause();  // nobody runs yet
    start();
    EXPECT_EQ(first_steps, 0u);
    expect_standstill();
    gate.resume();
    expect_progress();
}

TEST_F(Gate, EndReleasesThePaused) {
    start();
    gate.pause();
    gate.end();
    threads.clear();  // joins
}

}  // namespace
}  // namespace softmetal::monitor
