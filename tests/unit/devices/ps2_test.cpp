// PS/2 keyboard and mouse by their commands.
#include "devices/i8042/ps2_keyboard.hpp"
#include "devices/i8042/ps2_mouse.hpp"
#include "devices/i8042/scan_codes.hpp"

#include <gtest/gtest.h>
#include <set>
#include <vector>

namespace softmetal::devices {
namespace {

using Bytes = std::vector<u8>;

template <class Device>
Bytes all(Device& device) {
    Bytes bytes;
    while (device.has_byte()) bytes.push_back(device.take_byte());
    return bytes;
}
template <class Device>
Bytes ask(Device& device, std::initializer_list<u8> commands) {
    Bytes answers;
    for (const u8 command : commands) {
        device.write(command);
        for (const u8 byte : all(device)) answers.push_back(byte);
    }
    return answers;
}
Bytes code(std::span<const u8> bytes) { return {bytes.begin(), bytes.end()}; }

TEST(ScanCodes, KeysWithPrefixesAndSequences) {
    EXPECT_EQ(code(scan_code_set_2(bus::Key{0x04}, true).bytes()), (Bytes{0x1c}));
    EXPECT_EQ(code(scan_code_set_2(bus::Key{0x4f}, false).bytes()), (Bytes{0xe0, 0xf0, 0x74}));
    EXPECT_EQ(code(scan_code_set_1(bus::Key{0x4f}, false).bytes()), (Bytes{0xe0, 0xcd}));
    EXPECT_EQ(code(scan_code_set_1(bus::Key{0x40}, true).bytes()), (Bytes{0x41}));  // F7, the odd one
    EXPECT_EQ(code(scan_code_set_1(bus::Key{0x48}, true).bytes()),
              (Bytes{0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5}));  // Pause
    EXPECT_TRUE(scan_code_set_2(bus::Key{0x48}, false).bytes().empty());
    EXPECT_EQ(code(scan_code_set_1(bus::Key{0x46}, true).bytes()), (Bytes{0xe0, 0x2a, 0xe0, 0x37}));
    EXPECT_TRUE(scan_code_set_2(bus::Key{0xff}, true).bytes().empty());
    EXPECT_TRUE(scan_code_set_2(bus::Key{0x03}, true).bytes().empty());
}

TEST(ScanCodes, NoTwoKeysAreTheSame) {
    std::set<Bytes> seen_1, seen_2;
    unsigned keys = 0;
    for (unsigned usage = 0; usage < 256; ++usage) {
        const auto set_2 = code(scan_code_set_2(bus::Key{static_cast<u8>(usage)}, true).bytes());
        if (set_2.empty() || usage == 0x32) continue;  // 0x32 is 0x31 on keyboards that have no 0x31
        ++keys;
        seen_2.insert(set_2);
        seen_1.insert(code(scan_code_set_1(bus::Key{static_cast<u8>(usage)}, true).bytes()));
    }
    EXPECT_EQ(keys, 106u);
    EXPECT_EQ(seen_2.size(), keys);
    EXPECT_EQ(seen_1.size(), keys);
}

TEST(Keyboard, AnswersWhatDriversAsk) {
    Ps2Keyboard keyboard;
    EXPECT_EQ(ask(keyboard, {0xff}), (Bytes{0xfa, 0xaa}));
    EXPECT_EQ(ask(keyboard, {0xf2}), (Bytes{0xfa, 0xab, 0x83}));
    EXPECT_EQ(ask(keyboard, {0xed, 0x02}), (Bytes{0xfa, 0xfa}));
    EXPECT_EQ(keyboard.state().leds, 2);
    EXPECT_EQ(ask(keyboard, {0xf3, 0x00}), (Bytes{0xfa, 0xfa}));
    EXPECT_EQ(ask(keyboard, {0xee}), (Bytes{0xee}));
    EXPECT_EQ(ask(keyboard, {0xf0, 0x00}), (Bytes{0xfa, 0xfa, 0x02}));
    EXPECT_EQ(ask(keyboard, {0xfe}), (Bytes{0x02}));  // once more
    EXPECT_EQ(ask(keyboard, {0xf0, 0x03}), (Bytes{0xfa, 0xfe}));
    EXPECT_EQ(ask(keyboard, {0x12}), (Bytes{0xfe}));
    EXPECT_EQ(ask(keyboard, {0xed, 0xf4}), (Bytes{0xfa, 0xfa}));  // a command in place of data
}

TEST(Keyboard, KeepsKeysInOrderAndForgetsThemWhenToldTo) {
    Ps2Keyboard keyboard;
    keyboard.key(bus::Key{0x04}, true);
    keyboard.key(bus::Key{0x04}, false);
    keyboard.write(0xee);
    EXPECT_EQ(all(keyboard), (Bytes{0xee, 0x1c, 0xf0, 0x1c}));  // answers first
    keyboard.key(bus::Key{0x04}, true);
    EXPECT_EQ(ask(keyboard, {0xf5}), (Bytes{0xfa}));
    keyboard.key(bus::Key{0x04}, true);
    EXPECT_FALSE(keyboard.has_byte());
    EXPECT_EQ(ask(keyboard, {0xf4}), (Bytes{0xfa}));
    EXPECT_EQ(ask(keyboard, {0xf0, 0x01}), (Bytes{0xfa, 0xfa}));
    keyboard.key(bus::Key{0x04}, false);
    EXPECT_EQ(all(keyboard), (Bytes{0x9e}));
}

TEST(Keyboard, ARunOverKeepsReleases) {
    Ps2Keyboard keyboard;
    for (int i = 0; i < 100; ++i) keyboard.key(bus::Key{0x04}, true);
    keyboard.key(bus::Key{0x04}, false);
    const Bytes bytes = all(keyboard);
    ASSERT_GE(bytes.size(), 2u);
    EXPECT_EQ(Bytes(bytes.end() - 2, bytes.end()), (Bytes{0xf0, 0x1c}));
}

struct Mouse : ::testing::Test {
    Ps2Mouse mouse;
    void at(u16 x, u16 y, u8 buttons = 0, i8 wheel = 0) {
        mouse.pointer({.x = x, .y = y, .width = 640, .height = 480, .buttons = buttons, .wheel = wheel});
    }
    void knock(std::initializer_list<u8> rates) {
        for (const u8 rate : rates) EXPECT_EQ(ask(mouse, {0xf3, rate}), (Bytes{0xfa, 0xfa}));
    }
};

TEST_F(Mouse, AnswersWhatDriversAsk) {
    EXPECT_EQ(ask(mouse, {0xff}), (Bytes{0xfa, 0xaa, 0x00}));
    EXPECT_EQ(ask(mouse, {0xe9}), (Bytes{0xfa, 0x00, 2, 100}));
    EXPECT_EQ(ask(mouse, {0xe8, 3, 0xe7, 0xf4, 0xe9}), (Bytes{0xfa, 0xfa, 0xfa, 0xfa, 0xfa, 0x30, 3, 100}));
    EXPECT_EQ(ask(mouse, {0xee, 0x55, 0xec}), (Bytes{0xfa, 0x55, 0xfa}));
    EXPECT_EQ(ask(mouse, {0xe1}), (Bytes{0xfe}));
}

TEST_F(Mouse, ReportsMovementUpwardsAndButtons) {
    at(100, 100);
    EXPECT_EQ(ask(mouse, {0xf4}), (Bytes{0xfa}));
    EXPECT_FALSE(mouse.has_byte());
    at(110, 95, bus::pointer_button::right);
    EXPECT_EQ(all(mouse), (Bytes{0x0a, 10, 5}));
    at(100, 105);
    EXPECT_EQ(all(mouse), (Bytes{0x38, 0xf6, 0xf6}));
    at(500, 105);  // further than one packet goes
    EXPECT_EQ(all(mouse), (Bytes{0x08, 255, 0, 0x08, 145, 0}));
    at(500, 105, 0, 1);  // it has no wheel
    EXPECT_FALSE(mouse.has_byte());
}

TEST_F(Mouse, WakesItsDriverWithoutMoving) {
    mouse.report_nothing();
    EXPECT_FALSE(mouse.has_byte()) << "nobody listens";
    EXPECT_EQ(ask(mouse, {0xf4}), Bytes{0xfa});
    mouse.report_nothing();
    mouse.report_nothing();
    EXPECT_EQ(all(mouse), (Bytes{0x08, 0, 0}));
}

TEST_F(Mouse, LosesNoClick) {
    at(100, 100);
    EXPECT_EQ(ask(mouse, {0xf4}), (Bytes{0xfa}));
    at(110, 100);
    at(110, 100, bus::pointer_button::left);
    at(110, 100);
    at(115, 100);
    EXPECT_EQ(all(mouse), (Bytes{0x08, 10, 0, 0x09, 0, 0, 0x08, 5, 0}));
}

TEST_F(Mouse, KnockingGivesItAWheelAndMoreButtons) {
    knock({200, 100, 80});
    EXPECT_EQ(ask(mouse, {0xf2}), (Bytes{0xfa, 3}));
    EXPECT_EQ(ask(mouse, {0xf4}), (Bytes{0xfa}));
    at(1, 1);
    at(1, 1, 0, -1);
    EXPECT_EQ(all(mouse), (Bytes{0x08, 0, 0, 0xff}));
    knock({200, 200, 80});
    EXPECT_EQ(ask(mouse, {0xf2}), (Bytes{0xfa, 4}));
    at(1, 1, bus::pointer_button::back | bus::pointer_button::left, 2);
    EXPECT_EQ(all(mouse), (Bytes{0x09, 0, 0, 0x12}));
    EXPECT_EQ(ask(mouse, {0xff}), (Bytes{0xfa, 0xaa, 0}));
}

TEST_F(Mouse, SpeaksOnlyWhenAskedInRemoteMode) {
    EXPECT_EQ(ask(mouse, {0xf0, 0xf4}), (Bytes{0xfa, 0xfa}));
    at(1, 1);
    at(3, 1);
    EXPECT_FALSE(mouse.has_byte());
    EXPECT_EQ(ask(mouse, {0xeb}), (Bytes{0xfa, 0x08, 2, 0}));
}

}  // namespace
}  // namespace softmetal::devices
