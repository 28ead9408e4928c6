#include "machine/vm_process/virtual_time.hpp"

#include <atomic>
#include <chrono>
#include <gtest/gtest.h>
#include <thread>

namespace softmetal::machine {
namespace {

using namespace std::chrono_literals;
constexpr u64 millisecond = 1'000'000;

class VirtualTimeTest : public ::testing::Test {
 protected:
    std::unique_ptr<host::EventLoop> loop = host::EventLoop::create().value();
    VirtualTime time{*loop};
    std::thread runner{[this] { loop->run(); }};
    void TearDown() override {
        loop->stop();
        runner.join();
    }
};

TEST_F(VirtualTimeTest, BeginsAtZeroAndRuns) {
    EXPECT_LT(time.now(), 10'000 * millisecond);
    const u64 before = time.now();
    std::this_thread::sleep_for(2ms);
    EXPECT_GE(time.now(), before + 2 * millisecond);
}

TEST_F(VirtualTimeTest, TimerFiresOnceItsTimeHasCome) {
    std::atomic<u64> fired_at = 0;
    auto timer = time.create_timer([&] { fired_at = time.now(); });
    const u64 deadline = time.now() + 3 * millisecond;
    timer->arm(deadline);
    while (fired_at == 0) std::this_thread::sleep_for(1ms);
    EXPECT_GE(fired_at, deadline);
}

TEST_F(VirtualTimeTest, FarthestDeadlineIsNever) {
    std::atomic<bool> fired = false;
    auto timer = time.create_timer([&] { fired = true; });
    timer->arm(~u64{0} - 1);
    std::this_thread::sleep_for(5ms);
    EXPECT_FALSE(fired);
}

TEST_F(VirtualTimeTest, StandsStillWhilePausedAndGoesOnFromThere) {
    std::atomic<u64> fired_at = 0;
    auto timer = time.create_timer([&] { fired_at = time.now(); });
    const u64 deadline = time.now() + 20 * millisecond;
    timer->arm(deadline);
    time.pause();
    const u64 paused_at = time.now();
    std::this_thread::sleep_for(40ms);
    EXPECT_EQ(time.now(), paused_at);
    EXPECT_EQ(fired_at, 0u);
    time.resume();
    EXPECT_LT(time.now(), paused_at + 30 * millisecond * 100);
    EXPECT_GE(time.now(), paused_at);
    while (fired_at == 0) std::this_thread::sleep_for(1ms);
    EXPECT_GE(fired_at, deadline);
}

TEST_F(VirtualTimeTest, ArmedWhilePausedFiresAfterwards) {
    time.pause();
    std::atomic<bool> fired = false;
    auto timer = time.create_timer([&] { fired = true; });
    timer->arm(0);
    std::this_thread::sleep_for(5ms);
    EXPECT_FALSE(fired);
    time.resume();
    while (!fired) std::this_thread::sleep_for(1ms);
}

TEST_F(VirtualTimeTest, DisarmedTimerStaysSilent) {
    std::atomic<bool> fired = false;
    auto timer = time.create_timer([&] { fired = true; });
    timer->arm(time.now() + 5 * millisecond);
    timer->disarm();
    std::this_thread::sleep_for(10ms);
    EXPECT_FALSE(fired);
}

}  // namespace
}  // namespace softmetal::machine
