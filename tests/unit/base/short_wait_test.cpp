#include "base/short_wait.hpp"

#include <gtest/gtest.h>

namespace softmetal {
namespace {

/// A clock that moves by itself, as one does between two looks at it.
struct TickingClock {
    u64 time = 0;
    u64 operator()() { return time += 100; }
};

class ShortWaitTest : public ::testing::Test {
 protected:
    void SetUp() override {
        if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "one processor only";
    }
    bool look(bool comes) {
        return wait.look([this] { return clock(); }, [comes] { return comes; });
    }
    ShortWait wait;
    TickingClock clock;
};

TEST_F(ShortWaitTest, WhoIdlesSleepsAtOnce) {
    for (int n = 0; n < 100; n++) {
        EXPECT_FALSE(wait.worth_looking());
        wait.slept(4'000'000);
    }
}

TEST_F(ShortWaitTest, LooksAfterShortWaitsForAsLongAsThatSucceeds) {
    wait.slept(60'000);
    ASSERT_TRUE(wait.worth_looking());
    for (int n = 0; n < 100; n++) {
        EXPECT_TRUE(look(true));
        EXPECT_TRUE(wait.worth_looking());
    }
    wait.slept(4'000'000);
    EXPECT_FALSE(wait.worth_looking());
}

TEST_F(ShortWaitTest, GivesUpInTime) {
    wait.slept(60'000);
    const u64 begin = clock.time;
    EXPECT_FALSE(look(false));
    EXPECT_GE(clock.time - begin, ShortWait::longest);
    EXPECT_LE(clock.time - begin, ShortWait::longest + 1000);
}

TEST_F(ShortWaitTest, GivesUpWhereTheClockStands) {
    EXPECT_FALSE(wait.look([] { return u64{7}; }, [] { return false; }));
}

/// Waits that are short, but not short enough: each failure is followed by twice as many sleeps.
TEST_F(ShortWaitTest, LooksEverMoreSeldomWhereItFails) {
    unsigned looks = 0;
    for (int n = 0; n < 10'000; n++) {
        if (wait.worth_looking()) {
            looks++;
            EXPECT_FALSE(look(false));
        }
        wait.slept(150'000);
    }
    EXPECT_GE(looks, 10u);
    EXPECT_LE(looks, 20u);
}

}  // namespace
}  // namespace softmetal
