// The debug exit port.
#include "devices/debug_exit/debug_exit.hpp"

#include "fakes.hpp"

#include <gtest/gtest.h>

namespace softmetal::devices {
namespace {

using namespace testing;

TEST(DebugExit, PassesOnWhatIsWrittenInItsWidth) {
    FakePlatform platform;
    DebugExit port(platform);
    EXPECT_FALSE(platform.exit_value);
    EXPECT_EQ(port.read_io(0, 1), 0u);
    port.write_io(0, 1, 0x1234'5678);
    EXPECT_EQ(platform.exit_value, 0x78u);
    port.write_io(0, 4, 0x1234'5678);
    EXPECT_EQ(platform.exit_value, 0x1234'5678u);
}

TEST(DebugExit, Restores) {
    FakePlatform platform;
    const DebugExit port(platform);
    EXPECT_TRUE(DebugExit::restore(platform, port.save()));
    bus::SavedState bad = port.save();
    bad.version = 2;
    EXPECT_FALSE(DebugExit::restore(platform, bad));
}

}  // namespace
}  // namespace softmetal::devices
