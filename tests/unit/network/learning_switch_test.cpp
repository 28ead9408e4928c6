#include "network/learning_switch.hpp"

#include <array>
#include <gtest/gtest.h>

namespace softmetal::network {
namespace {

using Frame = std::array<std::byte, 60>;

/// Addresses that differ in their last byte; `to` 0xff is everybody.
Frame frame(u8 to, u8 from) {
    Frame f{};
    for (unsigned i = 0; i < 6; i++) f[i] = to == 0xff ? std::byte{0xff} : std::byte{0x52};
    for (unsigned i = 6; i < 12; i++) f[i] = std::byte{0x52};
    f[5] = std::byte{to};
    f[11] = std::byte{from};
    return f;
}

TEST(LearningSwitch, UnknownAddressesAreEverywhere) {
    LearningSwitch s;
    EXPECT_EQ(s.destination(1, frame(2, 1)), std::nullopt);
    EXPECT_EQ(s.destination(1, frame(0xff, 1)), std::nullopt);
}

TEST(LearningSwitch, LearnsFromSenders) {
    LearningSwitch s;
    static_cast<void>(s.destination(7, frame(0xff, 1)));
    EXPECT_EQ(s.destination(8, frame(1, 2)), 7u);
    EXPECT_EQ(s.destination(7, frame(2, 1)), 8u);
    static_cast<void>(s.destination(9, frame(0xff, 1)));  // it has moved
    EXPECT_EQ(s.destination(8, frame(1, 2)), 9u);
}

TEST(LearningSwitch, ForgetsWhoIsGone) {
    LearningSwitch s;
    static_cast<void>(s.destination(7, frame(0xff, 1)));
    s.forget(7);
    EXPECT_EQ(s.destination(8, frame(1, 2)), std::nullopt);
}

TEST(LearningSwitch, GroupsAreNoSenders) {
    LearningSwitch s;
    Frame f = frame(1, 2);
    f[6] = std::byte{0x53};
    static_cast<void>(s.destination(7, f));
    std::copy_n(f.begin() + 6, 6, f.begin());
    f[6] = std::byte{0x52};
    EXPECT_EQ(s.destination(8, f), std::nullopt);
}

TEST(LearningSwitch, WhatIsNoFrameGoesNowhere) {
    const Frame short_one = frame(1, 2);
    LearningSwitch s;
    EXPECT_EQ(s.destination(3, std::span(short_one).first(13)), 3u);
}

TEST(LearningSwitch, MemoryIsBounded) {
    LearningSwitch s;
    Frame f = frame(0xff, 0);
    for (unsigned i = 0; i < 2 * LearningSwitch::most_addresses; i++) {
        f[10] = static_cast<std::byte>(i >> 8);
        f[11] = static_cast<std::byte>(i);
        static_cast<void>(s.destination(1, f));
    }
    Frame last = frame(0, 9);
    last[4] = f[10], last[5] = f[11];
    EXPECT_EQ(s.destination(2, last), std::nullopt);  // not learnt
}

}  // namespace
}  // namespace softmetal::network
