// On a terminal: raw while it runs, given back as it was however it ends, Ctrl-A for us and the rest for the
// guest.
#include "command.hpp"

#include <algorithm>
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
    /// What `stty -g` would print is as before: every flag, every control character, the speed.
    [[nodiscard]] bool is_restored() const {
        const termios now = mode(), before = Command::former_mode();
        return now.c_iflag == before.c_iflag && now.c_oflag == before.c_oflag &&
               now.c_cflag == before.c_cflag && now.c_lflag == before.c_lflag &&
               std::ranges::equal(now.c_cc, before.c_cc);
    }
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
    EXPECT_TRUE(is_restored());
}

TEST_F(Terminal, CtrlAThenXQuits) {
    command.type("\x01x");
    EXPECT_EQ(command.status(), 0);
    EXPECT_TRUE(is_restored());
}

TEST_F(Terminal, CtrlATwiceReachesTheGuest) {
    command.type("\x01\x01.");
    EXPECT_TRUE(command.shows("\x01."));
}

TEST_F(Terminal, CtrlAThenHHelps) {
    command.type("\x01h");
    EXPECT_TRUE(command.shows("Ctrl-A p  press its power button\r\n"));
}

TEST_F(Terminal, IsRestoredWhenTheGuestCrashes) {
    command.type("T");
    EXPECT_EQ(command.status(), 3);
    EXPECT_TRUE(is_restored());
}

class TerminalAfterSignal : public Terminal, public ::testing::WithParamInterface<int> {};
TEST_P(TerminalAfterSignal, IsRestored) {
    command.signal(GetParam());
    EXPECT_NE(command.status(), 0);
    EXPECT_TRUE(is_restored());
}
INSTANTIATE_TEST_SUITE_P(Signals, TerminalAfterSignal,
                         ::testing::Values(SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGSEGV, SIGABRT, SIGUSR1,
                                           SIGUSR2, SIGALRM));

TEST_F(Terminal, IsRestoredWhenTheVmProcessDies) {
    kill(command.vm_process_id(), SIGKILL);
    EXPECT_EQ(command.status(), 4);
    EXPECT_TRUE(is_restored());
}

TEST_F(Terminal, IsLentBackWhileStopped) {
    command.signal(SIGTSTP);
    ASSERT_TRUE(eventually([&] { return is_restored(); }));
    command.signal(SIGCONT);
    ASSERT_TRUE(eventually([&] { return is_raw(); }));
    command.type("on");
    EXPECT_TRUE(command.shows("on"));
}

}  // namespace
}  // namespace softmetal
