// The device for test kernels.
#include "devices/test_device/test_device.hpp"

#include "fakes.hpp"

#include <gtest/gtest.h>

namespace softmetal::devices {
namespace {

using namespace testing;

TEST(TestDevice, GivesBackWhatWasWritten) {
    TestDevice device({});
    device.data_port().write_io(0, 4, 0x1234'5678);
    device.data_port().write_io(0, 1, 0xff);
    EXPECT_EQ(device.data_port().read_io(0, 4), 0x1234'56ffu);
    EXPECT_EQ(device.data_port().read_io(0, 2), 0x56ffu);
}

TEST(TestDevice, DrivesLines) {
    FakeLine line;
    TestDevice device({nullptr, &line});
    EXPECT_EQ(device.line_port_count(), 2u);
    device.line_ports().write_io(1, 1, 1);
    EXPECT_TRUE(line.high());
    device.line_ports().write_io(0, 1, 1);
    device.line_ports().write_io(2, 1, 1);
    device.line_ports().write_io(1, 1, 0);
    EXPECT_FALSE(line.high());
}

TEST(TestDevice, KeepsMemory) {
    TestDevice device({});
    device.memory().write_io(TestDevice::memory_size - 8, 8, 0x1122'3344'5566'7788);
    EXPECT_EQ(device.memory().read_io(TestDevice::memory_size - 4, 2), 0x3344u);
    device.memory().write_io(TestDevice::memory_size - 1, 8, 0);
    EXPECT_EQ(device.memory().read_io(TestDevice::memory_size - 1, 1), 0x11u);
    EXPECT_EQ(device.memory().read_io(TestDevice::memory_size - 1, 2), 0xffffu);
}

TEST(TestDevice, Restores) {
    TestDevice device({});
    device.data_port().write_io(0, 4, 7);
    device.memory().write_io(100, 1, 9);
    auto restored = TestDevice::restore({}, device.save());
    ASSERT_TRUE(restored) << restored.error().message;
    EXPECT_EQ((*restored)->data_port().read_io(0, 4), 7u);
    EXPECT_EQ((*restored)->memory().read_io(100, 1), 9u);
    bus::SavedState bad = device.save();
    bad.fields.erase("memory");
    EXPECT_FALSE(TestDevice::restore({}, bad));
}

}  // namespace
}  // namespace softmetal::devices
