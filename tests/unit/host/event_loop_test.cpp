#include "host/event_loop.hpp"

#include "host/byte_socket.hpp"
#include "host/monotonic_time.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace softmetal::host {
namespace {

constexpr u64 millisecond = 1'000'000;

class EventLoopTest : public ::testing::Test {
 protected:
    std::unique_ptr<EventLoop> loop = EventLoop::create().value();
    /// A test that hangs must fail instead.
    std::unique_ptr<EventLoop::Timer> watchdog = loop->create_timer([this] {
        ADD_FAILURE() << "nothing happened for 10 seconds";
        loop->stop();
    });
    void SetUp() override { watchdog->arm(monotonic_nanoseconds() + 10'000 * millisecond); }
};

TEST_F(EventLoopTest, TimerFiresNotBeforeItsDeadline) {
    const u64 deadline = monotonic_nanoseconds() + 5 * millisecond;
    u64 fired_at = 0;
    auto timer = loop->create_timer([&] {
        fired_at = monotonic_nanoseconds();
        loop->stop();
    });
    timer->arm(deadline);
    loop->run();
    EXPECT_GE(fired_at, deadline);
}

TEST_F(EventLoopTest, DeadlineThatHasPassedFiresAtOnce) {
    auto timer = loop->create_timer([&] { loop->stop(); });
    timer->arm(0);
    const u64 begun = monotonic_nanoseconds();
    loop->run();
    EXPECT_LT(monotonic_nanoseconds() - begun, 1000 * millisecond);
}

TEST_F(EventLoopTest, TimersFireInTheOrderOfTheirDeadlines) {
    std::vector<int> order;
    std::vector<std::unique_ptr<EventLoop::Timer>> timers;
    const u64 now = monotonic_nanoseconds();
    for (int i = 0; i < 5; ++i)
        timers.push_back(loop->create_timer([&order, i, this] {
            order.push_back(i);
            if (order.size() == 5) loop->stop();
        }));
    for (u64 i : {3, 0, 4, 1, 2}) timers[i]->arm(now + (i + 1) * millisecond);
    loop->run();
    EXPECT_EQ(order, (std::vector{0, 1, 2, 3, 4}));
}

TEST_F(EventLoopTest, RearmingLaterPostpones) {
    const u64 now = monotonic_nanoseconds();
    u64 fired_at = 0;
    auto timer = loop->create_timer([&] {
        fired_at = monotonic_nanoseconds();
        loop->stop();
    });
    timer->arm(now + 2 * millisecond);
    timer->arm(now + 20 * millisecond);
    loop->run();
    EXPECT_GE(fired_at, now + 20 * millisecond);
}

TEST_F(EventLoopTest, RearmingEarlierWakesTheLoop) {
    const u64 begun = monotonic_nanoseconds();
    auto timer = loop->create_timer([&] { loop->stop(); });
    timer->arm(begun + 5000 * millisecond);
    std::jthread other([&] { timer->arm(begun + millisecond); });
    loop->run();
    EXPECT_LT(monotonic_nanoseconds() - begun, 2000 * millisecond);
}

TEST_F(EventLoopTest, DisarmedTimerStaysSilent) {
    const u64 now = monotonic_nanoseconds();
    auto silent = loop->create_timer([] { ADD_FAILURE() << "was disarmed"; });
    silent->arm(now + millisecond);
    silent->disarm();
    auto end = loop->create_timer([&] { loop->stop(); });
    end->arm(now + 5 * millisecond);
    loop->run();
}

TEST_F(EventLoopTest, TimerMayRearmItselfInItsCallback) {
    int count = 0;
    std::unique_ptr<EventLoop::Timer> timer;
    timer = loop->create_timer([&] {
        if (++count == 10) return loop->stop();
        timer->arm(monotonic_nanoseconds() + 100'000);
    });
    timer->arm(0);
    loop->run();
    EXPECT_EQ(count, 10);
}

TEST_F(EventLoopTest, TimerMayDestroyItselfAndOthersDueInTheSameRound) {
    std::unique_ptr<EventLoop::Timer> first, second;
    int calls = 0;
    first = loop->create_timer([&] {
        ++calls;
        first.reset();
        second.reset();
        loop->post([&] { loop->stop(); });
    });
    second = loop->create_timer([&] { ++calls; });
    first->arm(1);
    second->arm(2);
    loop->run();
    EXPECT_EQ(calls, 1);
}

TEST_F(EventLoopTest, DestroyingATimerWaitsForItsCallback) {
    std::atomic<bool> started = false, finished = false;
    auto timer = loop->create_timer([&] {
        started = true;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        finished = true;
    });
    timer->arm(0);
    std::jthread runner([&] { loop->run(); });
    while (!started) std::this_thread::yield();
    timer.reset();
    EXPECT_TRUE(finished);
    loop->stop();
}

TEST_F(EventLoopTest, PostedTasksRunInOrderOnTheLoopsThread) {
    std::vector<int> order;
    const auto here = std::this_thread::get_id();
    std::jthread other([&] {
        for (int i = 0; i < 100; ++i)
            loop->post([&, i] {
                EXPECT_EQ(std::this_thread::get_id(), here);
                order.push_back(i);
            });
        loop->post([&] { loop->stop(); });
    });
    loop->run();
    ASSERT_EQ(order.size(), 100u);
    EXPECT_TRUE(std::ranges::is_sorted(order));
}

TEST_F(EventLoopTest, StopBeforeRunEndsItAndItCanRunAgain) {
    loop->stop();
    loop->run();
    bool ran = false;
    loop->post([&] {
        ran = true;
        loop->stop();
    });
    loop->run();
    EXPECT_TRUE(ran);
}

TEST_F(EventLoopTest, WatchReportsBytesAndHangUp) {
    auto [mine, theirs] = create_byte_socket_pair().value();
    std::string seen;
    std::unique_ptr<EventLoop::Watch> watch;
    watch = loop->watch(mine.get(), {.read = true},
                        [&](Readiness) {
                            std::array<u8, 8> buffer;
                            const Transfer got = receive_now(mine.get(), buffer);
                            if (got.status == TransferStatus::ended) {
                                watch.reset();
                                return loop->stop();
                            }
                            seen.append(buffer.begin(), buffer.begin() + static_cast<long>(got.count));
                        })
                .value();
    std::jthread other([fd = std::move(theirs)] {
        const std::array<u8, 3> bytes = {'a', 'b', 'c'};
        EXPECT_EQ(send_now(fd.get(), bytes).count, 3u);
    });
    loop->run();
    EXPECT_EQ(seen, "abc");
}

TEST_F(EventLoopTest, WatchWithoutInterestIsSilentEvenAfterAHangUp) {
    auto [mine, theirs] = create_byte_socket_pair().value();
    auto watch = loop->watch(mine.get(), {}, [](Readiness) { ADD_FAILURE(); }).value();
    theirs = UniqueFd();
    auto end = loop->create_timer([&] { loop->stop(); });
    end->arm(monotonic_nanoseconds() + 5 * millisecond);
    loop->run();
}

TEST_F(EventLoopTest, RegularFilesAreAlwaysReady) {
    const UniqueFd file(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    int calls = 0;
    std::unique_ptr<EventLoop::Watch> watch;
    watch = loop->watch(file.get(), {.read = true},
                        [&](Readiness ready) {
                            EXPECT_TRUE(ready.read);
                            EXPECT_FALSE(ready.write);
                            if (++calls == 3) {
                                watch->set_interest({});
                                loop->post([&] { loop->stop(); });
                            }
                        })
                .value();
    loop->run();
    EXPECT_EQ(calls, 3);
}

TEST_F(EventLoopTest, WatchingAClosedDescriptorIsAnError) {
    EXPECT_FALSE(loop->watch(987, {.read = true}, [](Readiness) {}).has_value());
}

}  // namespace
}  // namespace softmetal::host
