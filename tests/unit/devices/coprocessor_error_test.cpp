// FERR#, IRQ 13, port 0xf0 and IGNNE#.
#include "devices/coprocessor_error/coprocessor_error.hpp"

#include "fakes.hpp"

#include <gtest/gtest.h>

namespace softmetal::devices {
namespace {

using namespace testing;

struct FakeProcessor final : bus::NumericErrorPort {
    void ignore_numeric_error() override { ignored++; }
    unsigned ignored = 0;
};

class CoprocessorErrorTest : public ::testing::Test {
 protected:
    FakeLine line;
    FakeProcessor processor;
    CoprocessorError device{{line, processor}};
};

TEST_F(CoprocessorErrorTest, AnErrorIsAnInterruptUntilTheRegisterIsWrittenTo) {
    device.numeric_error();
    EXPECT_TRUE(line.high());
    EXPECT_EQ(processor.ignored, 0u);
    device.write_io(0, 1, 0);
    EXPECT_FALSE(line.high());
    EXPECT_EQ(processor.ignored, 1u);
    device.numeric_error();
    EXPECT_EQ(line.rises(), 2u);
}

TEST_F(CoprocessorErrorTest, WithoutAnErrorTheRegisterDoesNothing) {
    device.write_io(0, 1, 0);
    EXPECT_EQ(processor.ignored, 0u);
    EXPECT_EQ(device.read_io(0, 1), 0xffu);
}

TEST_F(CoprocessorErrorTest, RestoresWithItsInterrupt) {
    device.numeric_error();
    FakeLine other;
    const auto again = CoprocessorError::restore({other, processor}, device.save());
    ASSERT_TRUE(again);
    EXPECT_TRUE(other.high());
    (*again)->reset();
    EXPECT_FALSE(other.high());
    bus::SavedState bad = device.save();
    bad.fields["latched"] = 7;
    EXPECT_FALSE(CoprocessorError::restore({other, processor}, bad));
}

}  // namespace
}  // namespace softmetal::devices
