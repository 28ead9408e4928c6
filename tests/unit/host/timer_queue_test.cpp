// What arming costs: the timerfd is touched only where it must wake up earlier than it is set to.
#include "host/timer_queue.hpp"

#include "host/monotonic_time.hpp"

#include <gtest/gtest.h>
#include <sys/timerfd.h>

namespace softmetal::host {
namespace {

constexpr u64 second = 1'000'000'000;

class TimerQueueTest : public ::testing::Test {
 protected:
    std::unique_ptr<TimerQueue> queue = TimerQueue::create().value();
    std::shared_ptr<TimerQueue::Entry> first = std::make_shared<TimerQueue::Entry>([] {});
    std::shared_ptr<TimerQueue::Entry> second_entry = std::make_shared<TimerQueue::Entry>([] {});
    u64 now = monotonic_nanoseconds();

    void SetUp() override {
        queue->add(first);
        queue->add(second_entry);
    }
    /// In how many whole seconds the timerfd fires, rounded; 0 where it is not armed.
    [[nodiscard]] u64 fires_in() const {
        itimerspec spec{};
        timerfd_gettime(queue->fd(), &spec);
        return static_cast<u64>(spec.it_value.tv_sec) + (spec.it_value.tv_nsec > 500'000'000);
    }
    std::vector<TimerQueue::Entry*> run() {
        std::vector<TimerQueue::Entry*> called;
        queue->run_due([&](const auto& entry) { called.push_back(entry.get()); });
        return called;
    }
};

TEST_F(TimerQueueTest, WaitsForTheEarliest) {
    queue->arm(*first, now + 500 * second);
    EXPECT_EQ(fires_in(), 500u);
    queue->arm(*second_entry, now + 300 * second);
    EXPECT_EQ(fires_in(), 300u);
}

TEST_F(TimerQueueTest, LaterDeadlinesLeaveTheTimerAlone) {
    queue->arm(*first, now + 100 * second);
    queue->arm(*second_entry, now + 400 * second);
    EXPECT_EQ(fires_in(), 100u);
    queue->arm(*first, now + 200 * second);
    EXPECT_EQ(fires_in(), 100u);
    queue->disarm(*first);
    EXPECT_EQ(fires_in(), 100u);
}

TEST_F(TimerQueueTest, EarlyWakeUpCallsNobodyAndCatchesUp) {
    queue->arm(*first, now + 100 * second);
    queue->arm(*first, now + 200 * second);
    EXPECT_TRUE(run().empty());
    EXPECT_EQ(fires_in(), 200u);
}

TEST_F(TimerQueueTest, CallbacksThatRearmProgramOnce) {
    queue->arm(*first, 1);
    queue->arm(*second_entry, 2);
    std::vector<u64> seen;
    queue->run_due([&](const auto& entry) {
        queue->arm(*entry, now + (600 - 100 * seen.size()) * second);
        seen.push_back(fires_in());
    });
    EXPECT_EQ(seen, (std::vector<u64>{0, 0}));  // not touched while callbacks run
    EXPECT_EQ(fires_in(), 500u);
}

TEST_F(TimerQueueTest, DueEntriesAreCalledOnceInOrder) {
    queue->arm(*first, 20);
    queue->arm(*second_entry, 10);
    EXPECT_EQ(run(), (std::vector{second_entry.get(), first.get()}));
    EXPECT_TRUE(run().empty());
    EXPECT_EQ(fires_in(), 0u);
}

TEST_F(TimerQueueTest, RemovedEntryIsNotCalled) {
    queue->arm(*first, 10);
    queue->remove(*first);
    EXPECT_TRUE(run().empty());
}

}  // namespace
}  // namespace softmetal::host
