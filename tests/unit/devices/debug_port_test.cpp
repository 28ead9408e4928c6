// Port 0x80.
#include "devices/debug_port/debug_port.hpp"

#include "fakes.hpp"

#include <gtest/gtest.h>

namespace softmetal::devices {
namespace {

using namespace testing;

TEST(DebugPort, KeepsTheLastCode) {
    DebugPort port;
    EXPECT_EQ(port.last(), 0);
    out(port, 0, 0x12);
    out(port, 0, 0x34);
    EXPECT_EQ(port.last(), 0x34);
    EXPECT_EQ(in(port, 0), 0x34);
    EXPECT_EQ(port.read_io(0, 2), 0xff34u);
    port.reset();
    EXPECT_EQ(port.last(), 0);
}

TEST(DebugPort, Restores) {
    DebugPort port;
    out(port, 0, 0x77);
    auto restored = DebugPort::restore(port.save());
    ASSERT_TRUE(restored) << restored.error().message;
    EXPECT_EQ((*restored)->last(), 0x77);
    bus::SavedState bad = port.save();
    bad.fields["last"] = 256;
    EXPECT_FALSE(DebugPort::restore(bad));
}

}  // namespace
}  // namespace softmetal::devices
