// The line driver keeps every edge, in order.
#include "devices/line_driver.hpp"

#include "fakes.hpp"

#include <gtest/gtest.h>
#include <thread>

namespace softmetal::devices {
namespace {

using namespace testing;

TEST(LineDriver, TellsEdgesThatWereOverBeforeTheFlush) {
    FakeLine line;
    LineDriver driver(line);
    driver.set(true);
    EXPECT_FALSE(line.high());
    driver.flush();
    driver.rise();
    driver.rise();
    driver.set(true);
    driver.flush();
    EXPECT_EQ(line.rises(), 3u);
    EXPECT_TRUE(line.high());
    driver.set(false);
    EXPECT_FALSE(driver.level());
    driver.flush();
    EXPECT_FALSE(line.high());
}

TEST(LineDriver, EndsWithTheLastLevelWhoeverFlushes) {
    FakeLine line;
    LineDriver driver(line);
    std::mutex device;
    const auto work = [&] {
        for (int i = 0; i < 20'000; ++i) {
            {
                const std::lock_guard lock(device);
                driver.rise();
            }
            driver.flush();
        }
    };
    { std::jthread one(work), two(work); }
    EXPECT_EQ(line.rises(), 40'000u);
    EXPECT_EQ(line.falls(), 39'999u);
    EXPECT_TRUE(line.high());
}

}  // namespace
}  // namespace softmetal::devices
