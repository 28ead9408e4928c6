#include "escape_keys.hpp"

#include <gtest/gtest.h>
#include <string>

namespace softmetal {
namespace {

using Action = EscapeKeys::Action;

struct Filtered {
    std::string to_guest;
    std::vector<Action> actions;
};

Filtered filter(EscapeKeys& keys, const std::string& typed) {
    std::vector<u8> to_guest;
    auto actions = keys.filter({reinterpret_cast<const u8*>(typed.data()), typed.size()}, to_guest);
    return {std::string(to_guest.begin(), to_guest.end()), std::move(actions)};
}

TEST(EscapeKeys, OrdinaryKeysPass) {
    EscapeKeys keys;
    const auto [to_guest, actions] = filter(keys, "ls\r\x03");
    EXPECT_EQ(to_guest, "ls\r\x03");
    EXPECT_TRUE(actions.empty());
}

TEST(EscapeKeys, CommandsAreTakenOut) {
    EscapeKeys keys;
    const auto [to_guest, actions] = filter(keys, "a\x01pb\x01xc\x01?");
    EXPECT_EQ(to_guest, "abc");
    EXPECT_EQ(actions, (std::vector{Action::press_power_button, Action::quit, Action::help}));
}

TEST(EscapeKeys, EscapeMaySpanReads) {
    EscapeKeys keys;
    EXPECT_TRUE(filter(keys, "\x01").actions.empty());
    EXPECT_EQ(filter(keys, "x").actions, std::vector{Action::quit});
    EXPECT_EQ(filter(keys, "x").to_guest, "x");
}

TEST(EscapeKeys, TwiceIsItself) {
    EscapeKeys keys;
    EXPECT_EQ(filter(keys, "\x01\x01x").to_guest, "\x01x");
}

}  // namespace
}  // namespace softmetal
