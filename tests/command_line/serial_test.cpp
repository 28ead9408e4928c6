// Serial lines that lead elsewhere than to the terminal.
#include "command.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace softmetal {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class SerialLines : public ::testing::Test {
 protected:
    fs::path folder = fs::temp_directory_path() / ("softmetal-serial-" + std::to_string(getpid()));
    void SetUp() override { fs::create_directory(folder); }
    void TearDown() override { fs::remove_all(folder); }
    [[nodiscard]] std::string at(const char* kind, const char* name) const {
        return kind + (folder / name).string();
    }
    [[nodiscard]] std::string content(const char* name) const {
        std::ifstream file(folder / name);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    [[nodiscard]] int connect_to(const char* name) const {
        const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        (folder / name).string().copy(address.sun_path, sizeof address.sun_path - 1);
        for (int i = 0; i < 1000; ++i) {
            if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return -1;
    }
};

/// Until `text` has come, or the end.
std::string read_until(int fd, const std::string& text) {
    std::string all;
    char c = 0;
    while (all.find(text) == std::string::npos && read(fd, &c, 1) == 1) all += c;
    return all;
}

TEST_F(SerialLines, AFileHasWhatTheGuestSays) {
    Command command(run_guest("hello", {"--serial", at("file:", "log")}));
    EXPECT_EQ(command.status(), 0);
    EXPECT_EQ(command.output(), "");
    EXPECT_THAT(content("log"), HasSubstr("hello, command line"));
}

TEST_F(SerialLines, NowhereIsAPlaceToo) {
    Command command(run_guest("hello", {"--serial", "none"}));
    EXPECT_EQ(command.status(), 0);
    EXPECT_EQ(command.output(), "");
}

TEST_F(SerialLines, ASocketCarriesBothWaysToOneVisitorAfterAnother) {
    Command command(run_guest("echo", {"--serial", at("unix:", "line")}));
    const int first = connect_to("line");
    ASSERT_EQ(write(first, "abc", 3), 3);
    EXPECT_THAT(read_until(first, "abc"), HasSubstr("abc"));
    close(first);
    // The door learns in a moment that the first is gone; until then another is turned away.
    std::string heard;
    for (int i = 0; i < 100 && heard.empty(); ++i) {
        const int second = connect_to("line");
        (void)!write(second, "again", 5);
        heard = read_until(second, "again");
        if (!heard.empty()) (void)!write(second, "Q", 1);
        if (heard.empty()) close(second);
    }
    EXPECT_EQ(heard, "again");
    EXPECT_EQ(command.status(), 0);
}

TEST_F(SerialLines, WhatNobodyListensToIsLostAndDoesNotStopTheGuest) {
    Command command(run_guest("hello", {"--serial", at("unix:", "line")}));
    EXPECT_EQ(command.status(), 0);
    EXPECT_FALSE(fs::exists(folder / "line"));
}

TEST_F(SerialLines, ASocketOutlivesAReset) {
    Command command(run_guest("echo", {"--serial", at("unix:", "line")}));
    const int visitor = connect_to("line");
    ASSERT_EQ(write(visitor, "x", 1), 1);
    EXPECT_THAT(read_until(visitor, "x"), HasSubstr("x"));
    ASSERT_EQ(write(visitor, "R", 1), 1);
    EXPECT_THAT(read_until(visitor, "ready"), HasSubstr("ready"));
    ASSERT_EQ(write(visitor, "Q", 1), 1);
    EXPECT_EQ(command.status(), 0);
}

TEST_F(SerialLines, TheDebugConsoleIsWrittenFromTheJail) {
    std::ofstream(folder / "floppy").close();
    fs::resize_file(folder / "floppy", 1440 * 1024);
    Command command({"run", "--debug-console", (folder / "log").string(), (folder / "floppy").string()});
    for (int i = 0; i < 3000 && content("log").find("SeaBIOS") == std::string::npos; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_THAT(content("log"), HasSubstr("SeaBIOS"));
    command.signal(SIGTERM);
    EXPECT_EQ(command.status(), 128 + SIGTERM);
}

TEST_F(SerialLines, MistakesAreNamed) {
    const auto error = [](const std::vector<std::string>& options) {
        Command command(run_guest("hello", options));
        EXPECT_EQ(command.status(), 2);
        return command.errors();
    };
    EXPECT_THAT(error({"--serial", "somewhere"}),
                HasSubstr("--serial: 'somewhere' is not terminal, none, file:PATH or unix:PATH"));
    EXPECT_THAT(error({"--serial", "terminal", "--console", "terminal"}),
                HasSubstr("--console: the terminal is taken"));
    EXPECT_THAT(error({"--serial", "file:/nowhere/at/all"}), HasSubstr("--serial: cannot create"));
    EXPECT_THAT(error({"--serial", "none", "--serial", "none", "--serial", "none", "--serial", "none",
                       "--serial", "none"}),
                HasSubstr("a machine has 4 serial ports, not 5"));
}

}  // namespace
}  // namespace softmetal
