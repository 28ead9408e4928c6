// VMware's absolute pointer, as Linux' vmmouse driver talks to it.
#include "devices/vmware_pointer/vmware_pointer.hpp"

#include <gtest/gtest.h>

namespace softmetal::devices {
namespace {

using namespace vmware;
using Registers = VmwarePointerChip::Registers;

struct Mouse final : bus::InputSink {
    void key(bus::Key, bool) override { keys++; }
    void pointer(const bus::PointerState& state) override { last = state, movements++; }
    unsigned keys = 0, movements = 0;
    bus::PointerState last;
};

struct VmwarePointerTest : testing::Test {
    Mouse mouse;
    unsigned wakes = 0;
    VmwarePointer::Resources resources{mouse, [this] { wakes++; }};
    std::unique_ptr<VmwarePointer> device = std::make_unique<VmwarePointer>(resources);

    Registers call(u16 command, u32 ebx = 0) {
        Registers r{magic, ebx, 0xabcd0000u | command, backdoor_port};
        EXPECT_TRUE(device->call(r));
        return r;
    }
    u32 status() { return call(command::pointer_status).eax; }
    void enable() {
        call(command::pointer_command, pointer::enable);
        EXPECT_EQ(status(), 1u);
        EXPECT_EQ(call(command::pointer_data, 1).eax, pointer::version_id);
        call(command::pointer_restrict, 1);
        call(command::pointer_command, pointer::request_absolute);
    }
};

TEST_F(VmwarePointerTest, TheMouseMovesUntilADriverAsks) {
    device->pointer({.x = 3, .y = 4, .width = 100, .height = 100});
    EXPECT_EQ(mouse.last.x, 3);
    EXPECT_EQ(wakes, 0u);
    EXPECT_EQ(status(), pointer::error);
    call(command::pointer_command, pointer::request_absolute);
    device->pointer({.x = 5, .y = 4, .width = 100, .height = 100});
    EXPECT_EQ(mouse.movements, 2u) << "it is not enabled";
    device->key(bus::Key{4}, true);
    EXPECT_EQ(mouse.keys, 1u);
    Registers other{magic, 0, command::get_version, 0};
    EXPECT_FALSE(device->call(other));
}

TEST_F(VmwarePointerTest, SaysWhereItIs) {
    enable();
    device->pointer(
        {.x = 1023, .y = 0, .width = 1024, .height = 768, .buttons = bus::pointer_button::left, .wheel = -1});
    device->pointer({.x = 0, .y = 767, .width = 1024, .height = 768, .buttons = bus::pointer_button::right});
    EXPECT_EQ(mouse.movements, 0u);
    EXPECT_EQ(wakes, 2u);
    EXPECT_EQ(status(), 8u);
    EXPECT_EQ(call(command::pointer_data, 4), (Registers{pointer::left, 0xffff, 0, 0xffff'ffff}));
    EXPECT_EQ(call(command::pointer_data, 4), (Registers{pointer::right, 0, 0xffff, 0}));
    EXPECT_EQ(status(), 0u);
    EXPECT_EQ(call(command::pointer_data, 4).eax, pointer::error);
    call(command::pointer_command, pointer::request_relative);
    device->pointer({.x = 9, .width = 1024, .height = 768});
    EXPECT_EQ(mouse.movements, 1u);
    call(command::pointer_command, pointer::disable);
    EXPECT_EQ(status(), pointer::error);
}

TEST_F(VmwarePointerTest, AQueueThatNobodyEmptiesStaysShort) {
    enable();
    for (unsigned i = 0; i < 5000; i++)
        device->pointer({.x = static_cast<u16>(i), .width = 8192, .height = 1});
    EXPECT_LE(status(), 1024u);
    EXPECT_GE(status(), 4u);
}

TEST_F(VmwarePointerTest, RestoresWithMovementsWaiting) {
    enable();
    device->pointer({.x = 1, .y = 1, .width = 2, .height = 2});
    const auto saved = device->save();
    auto restored = VmwarePointer::restore(resources, saved);
    ASSERT_TRUE(restored) << restored.error().message;
    device = std::move(*restored);
    EXPECT_EQ(device->save().fields, saved.fields);
    EXPECT_EQ(call(command::pointer_data, 4), (Registers{0, 0xffff, 0xffff, 0}));
    device->pointer({.x = 1, .y = 1, .width = 2, .height = 2});
    EXPECT_EQ(wakes, 2u);
    auto bad = saved;
    bad.fields["enabled"] = false;
    EXPECT_FALSE(VmwarePointer::restore(resources, bad));
    bad = saved;
    bad.fields["queue"] = std::vector<u32>(1025);
    EXPECT_FALSE(VmwarePointer::restore(resources, bad));
}

}  // namespace
}  // namespace softmetal::devices
