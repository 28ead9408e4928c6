// The keyboard controller and system control port A. Keyboard and mouse have tests of their own.
#include "devices/i8042/i8042.hpp"

#include "devices/i8042/scan_codes.hpp"
#include "fakes.hpp"

#include <gtest/gtest.h>

namespace softmetal::devices {
namespace {

using namespace testing;
using namespace kbc;
using ::testing::Test;

struct Controller : Test {
    FakeLine irq1, irq12, a20;
    FakePlatform platform;
    FakeClock clock;
    FakeTimerFactory timers{clock};
    std::unique_ptr<I8042> kbc =
        std::make_unique<I8042>(I8042::Resources{irq1, irq12, a20, platform, clock, timers});

    void command(u8 value) { out(kbc->command_port(), 0, value); }
    void data(u8 value) { out(kbc->data_port(), 0, value); }
    u8 data() { return in(kbc->data_port(), 0); }
    u8 state() { return in(kbc->command_port(), 0); }
    u8 ask(u8 value) {
        command(value);
        EXPECT_TRUE(state() & status::output_full);
        return data();
    }
    void set_command_byte(u8 value) {
        command(command::write_memory);
        data(value);
    }
};

TEST_F(Controller, SelfTestAndInterfaceTestsPass) {
    EXPECT_FALSE(state() & status::output_full);
    EXPECT_FALSE(state() & status::system_flag);
    EXPECT_EQ(ask(command::self_test), 0x55);
    EXPECT_TRUE(state() & status::system_flag);
    EXPECT_EQ(ask(command::test_keyboard_interface), 0);
    EXPECT_EQ(ask(command::test_mouse_interface), 0);
    EXPECT_EQ(ask(command::test_password), 0xf1);
    EXPECT_FALSE(state() & status::output_full);
}

TEST_F(Controller, CommandByteAndMemory) {
    set_command_byte(0x47);
    EXPECT_EQ(ask(command::read_memory), 0x47);
    command(command::disable_mouse);
    EXPECT_EQ(ask(command::read_memory), 0x67);
    command(command::disable_keyboard);
    EXPECT_EQ(ask(command::read_memory), 0x77);
    command(command::enable_mouse);
    command(command::enable_keyboard);
    EXPECT_EQ(ask(command::read_memory), 0x47);
    command(0x7f);
    data(0x12);
    EXPECT_EQ(ask(0x3f), 0x12);
    EXPECT_EQ(ask(command::read_memory), 0x47);
}

TEST_F(Controller, StatusTellsCommandsFromData) {
    command(command::write_memory);
    EXPECT_TRUE(state() & status::last_was_command);
    data(0);
    EXPECT_FALSE(state() & status::last_was_command);
    EXPECT_TRUE(state() & status::not_inhibited);
}

TEST_F(Controller, LoopedBytesLookLikeTheDevices) {
    set_command_byte(command_byte::keyboard_interrupt | command_byte::mouse_interrupt);
    command(command::write_mouse_output);
    data(0x5a);
    EXPECT_EQ(state() & (status::output_full | status::from_mouse), status::output_full | status::from_mouse);
    EXPECT_TRUE(irq12.high());
    EXPECT_FALSE(irq1.high());
    EXPECT_EQ(data(), 0x5a);
    EXPECT_FALSE(irq12.high());
    command(command::write_keyboard_output);
    data(0xa5);
    EXPECT_FALSE(state() & status::from_mouse);
    EXPECT_TRUE(irq1.high());
    EXPECT_EQ(data(), 0xa5);
    EXPECT_FALSE(irq1.high());
    EXPECT_EQ(irq1.rises(), 1u);
}

TEST_F(Controller, DevicesTakeTheirTimeOnTheWire) {
    set_command_byte(command_byte::keyboard_interrupt | command_byte::mouse_interrupt);
    data(0xf2);  // the keyboard's identity: acknowledged, then two bytes
    EXPECT_FALSE(state() & status::output_full);
    timers.advance(I8042::byte_time);
    EXPECT_TRUE(irq1.high());
    EXPECT_EQ(data(), 0xfa);
    EXPECT_FALSE(irq1.high());
    EXPECT_EQ(data(), 0xfa);  // until the next comes
    timers.advance(I8042::byte_time - 1);
    EXPECT_FALSE(state() & status::output_full);
    timers.advance(1);
    EXPECT_EQ(data(), 0xab);
    timers.advance(I8042::byte_time);
    EXPECT_EQ(data(), 0x83);
    EXPECT_EQ(irq1.rises(), 3u);
    timers.advance(10 * I8042::byte_time);
    EXPECT_FALSE(state() & status::output_full);
    command(command::write_to_mouse);
    data(0xf2);
    timers.advance(I8042::byte_time);
    EXPECT_EQ(state() & (status::output_full | status::from_mouse), status::output_full | status::from_mouse);
    EXPECT_TRUE(irq12.high());
    EXPECT_EQ(data(), 0xfa);
    timers.advance(I8042::byte_time);
    EXPECT_EQ(data(), 0x00);
    EXPECT_EQ(irq1.rises(), 3u);
}

TEST_F(Controller, TranslatesTheKeyboardsBytes) {
    set_command_byte(command_byte::translation);
    kbc->key(bus::Key{0x04}, true);
    kbc->key(bus::Key{0x04}, false);
    kbc->key(bus::Key{0xe6}, false);  // the right Alt
    for (const unsigned expected : {0x1e, 0x9e, 0xe0, 0xb8}) {
        timers.advance(I8042::byte_time);
        EXPECT_EQ(data(), expected);
    }
    set_command_byte(0);
    kbc->key(bus::Key{0x04}, false);
    for (const unsigned expected : {0xf0, 0x1c}) {
        timers.advance(I8042::byte_time);
        EXPECT_EQ(data(), expected);
    }
}

TEST_F(Controller, TextArrivesHoweverFastItIsTyped) {
    set_command_byte(command_byte::translation);
    std::vector<u8> expected, got;
    for (unsigned i = 0; i < 1000; ++i) {
        const u8 usage = static_cast<u8>(0x04 + i % 26);
        kbc->key(bus::Key{usage}, true);
        kbc->key(bus::Key{usage}, false);
        const u8 code = scan_code_set_1(bus::Key{usage}, true).bytes()[0];
        expected.push_back(code), expected.push_back(code | 0x80);
    }
    for (unsigned i = 0; i < 2001; ++i) {
        timers.advance(I8042::byte_time);
        if (state() & status::output_full) got.push_back(data());
    }
    EXPECT_EQ(got, expected);
}

TEST_F(Controller, ADisabledInterfaceHoldsTheDevice) {
    set_command_byte(command_byte::keyboard_disabled);
    kbc->key(bus::Key{0x04}, true);
    timers.advance(10 * I8042::byte_time);
    EXPECT_FALSE(state() & status::output_full);
    command(command::enable_keyboard);
    timers.advance(I8042::byte_time);
    EXPECT_EQ(data(), 0x1c);
}

TEST_F(Controller, AnAnswerLosesNoKey) {
    set_command_byte(command_byte::keyboard_interrupt);
    kbc->key(bus::Key{0x04}, true);
    timers.advance(I8042::byte_time);
    command(command::read_memory);  // the key is not read yet
    EXPECT_EQ(data(), command_byte::keyboard_interrupt);
    timers.advance(I8042::byte_time);
    EXPECT_EQ(data(), 0x1c);
}

TEST_F(Controller, SendingOpensTheInterface) {
    EXPECT_TRUE(ask(command::read_memory) & command_byte::keyboard_disabled);
    data(0xed);
    timers.advance(I8042::byte_time);
    (void)data();
    EXPECT_FALSE(ask(command::read_memory) & command_byte::keyboard_disabled);
}

TEST_F(Controller, PulseResetsTheMachine) {
    command(0xff);  // no line pulsed
    command(0xf1);
    EXPECT_EQ(platform.resets, 0u);
    command(0xfe);
    EXPECT_EQ(platform.resets, 1u);
}

TEST_F(Controller, OutputPortHoldsA20AndReset) {
    EXPECT_TRUE(a20.high());
    EXPECT_EQ(ask(command::read_output_port) & 3, 3);
    out(kbc->system_control_a(), 0, 0);  // its half of the gate
    EXPECT_TRUE(a20.high());
    command(command::write_output_port);
    data(0xdd);
    EXPECT_FALSE(a20.high());
    EXPECT_EQ(ask(command::read_output_port) & 3, 1);
    command(command::write_output_port);
    data(0xdf);
    EXPECT_TRUE(a20.high());
    EXPECT_EQ(platform.resets, 0u);
    command(command::write_output_port);
    data(0x02);
    EXPECT_EQ(platform.resets, 1u);
}

TEST_F(Controller, PortAOpensA20AndResetsOnARise) {
    command(command::write_output_port);
    data(0xdd);
    EXPECT_TRUE(a20.high());  // port A's half is open
    out(kbc->system_control_a(), 0, 0);
    EXPECT_FALSE(a20.high());
    out(kbc->system_control_a(), 0, port_a::fast_a20);
    EXPECT_TRUE(a20.high());
    EXPECT_EQ(in(kbc->system_control_a(), 0), port_a::fast_a20);
    out(kbc->system_control_a(), 0, port_a::fast_a20 | port_a::fast_reset);
    out(kbc->system_control_a(), 0, port_a::fast_a20 | port_a::fast_reset);
    EXPECT_EQ(platform.resets, 1u);
}

TEST_F(Controller, ANewCommandForgetsTheDataOfTheLast) {
    command(command::write_output_port);
    command(command::disable_keyboard);
    data(0x00);  // for the keyboard, not the output port
    EXPECT_EQ(platform.resets, 0u);
    timers.advance(I8042::byte_time);
    EXPECT_EQ(data(), 0xfe);  // the keyboard knows no such command
}

TEST_F(Controller, UnknownCommandsDoNothing) {
    for (unsigned value = 0x80; value < 0xf0; ++value)
        if (value != 0xd1) command(static_cast<u8>(value));
    EXPECT_EQ(platform.resets, 0u);
    EXPECT_TRUE(a20.high());
}

TEST_F(Controller, RestoresBetweenCommandAndData) {
    set_command_byte(command_byte::mouse_interrupt | command_byte::system_flag);
    command(command::write_mouse_output);
    auto restored = I8042::restore({irq1, irq12, a20, platform, clock, timers}, kbc->save());
    ASSERT_TRUE(restored) << restored.error().message;
    kbc = std::move(*restored);
    data(0x42);
    EXPECT_TRUE(irq12.high());

    FakeLine line1, line12, gate;
    auto again = I8042::restore({line1, line12, gate, platform, clock, timers}, kbc->save());
    ASSERT_TRUE(again);
    kbc = std::move(*again);
    EXPECT_TRUE(line12.high());
    EXPECT_TRUE(gate.high());
    EXPECT_EQ(data(), 0x42);
    EXPECT_FALSE(line12.high());
}

TEST_F(Controller, RefusesImpossibleStates) {
    const bus::SavedState good = kbc->save();
    const auto refuses = [&](const char* field, nlohmann::json value) {
        bus::SavedState bad = good;
        bad.fields[field] = std::move(value);
        return !I8042::restore({irq1, irq12, a20, platform, clock, timers}, bad).has_value();
    };
    EXPECT_TRUE(refuses("output_source", 3));
    EXPECT_TRUE(refuses("port_a", 4));
    EXPECT_TRUE(refuses("memory", 1));
    EXPECT_FALSE(refuses("a20", false));
}

TEST_F(Controller, ResetForgetsEverything) {
    set_command_byte(command_byte::keyboard_interrupt);
    command(command::write_keyboard_output);
    data(1);
    EXPECT_TRUE(irq1.high());
    kbc->reset();
    EXPECT_FALSE(irq1.high());
    EXPECT_FALSE(state() & status::output_full);
    EXPECT_EQ(ask(command::read_memory), command_byte::keyboard_disabled | command_byte::mouse_disabled);
}

}  // namespace
}  // namespace softmetal::devices
