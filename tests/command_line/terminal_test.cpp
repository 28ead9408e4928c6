// On a terminal: raw while it runs, given back as it was however it ends, Ctrl-A for us and the rest for the
// guest.
#include "command.hpp"

#include <csignal>
#include <cstring>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <termios.h>

namespace softmetal {
namespace {

class Terminal : public ::testing::Test {
 protected:
    Command command{run_guest("echo"), Streams::terminal};

    [[nodiscard]] termios mode() const {
        termios mode{};
        tcgetattr(command.terminal(), &mode);
        return mode;
    }
    [[nodiscard]] bool is_raw() const { return !(mode().c_lflag & (ICANON | ECHO | ISIG)); }
    void SetUp() override {
        ASSERT_TRUE(command.shows("Ctrl-A x quits"));
        ASSERT_TRUE(command.shows("ready"));
        ASSERT_TRUE(is_raw());
    }
};

TEST_F(Terminal, GuestGetsControlKeysAndEchoes) {
    command.type("a\x03z");
    EXPECT_TRUE(command.shows("a\x03z"));
    command.type("Q");
    EXPECT_EQ(command.status(), 0);
    EXPECT_FALSE(is_raw());
}

TEST_F(Terminal, CtrlAThenXQuits) {
    command.type("\x01x");
    EXPECT_EQ(command.status(), 0);
    EXPECT_FALSE(is_raw());
}

TEST_F(Terminal, CtrlATwiceReachesTheGuest) {
    command.type("\x01\x01.");
    EXPECT_TRUE(command.shows("\x01."));
}

TEST_F(Terminal, CtrlAThenHHelps) {
    command.type("\x01h");
    EXPECT_TRUE(command.shows("Ctrl-A p  press its power button\r\n"));
}

TEST_F(Terminal, IsRestoredAfterASignal) {
    command.signal(SIGTERM);
    EXPECT_EQ(command.status(), 143);
    EXPECT_FALSE(is_raw());
}

TEST_F(Terminal, IsRestoredWhenTheVmProcessDies) {
    kill(command.vm_process_id(), SIGKILL);
    EXPECT_EQ(command.status(), 4);
    EXPECT_FALSE(is_raw());
}

TEST_F(Terminal, IsRestoredWhenTheProgramCrashes) {
    command.signal(SIGSEGV);
    EXPECT_NE(command.status(), 0);
    EXPECT_FALSE(is_raw());
}

TEST_F(Terminal, IsLentBackWhileStopped) {
    command.signal(SIGTSTP);
    ASSERT_TRUE(eventually([&] { return !is_raw(); }));
    command.signal(SIGCONT);
    ASSERT_TRUE(eventually([&] { return is_raw(); }));
    command.type("on");
    EXPECT_TRUE(command.shows("on"));
}

}  // namespace
}  // namespace softmetal
