// --gdb as a debugger's side of the socket meets it. A real gdb is in tests/gdb.
#include "command.hpp"

#include <csignal>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace softmetal {
namespace {

using ::testing::HasSubstr;

class Debugger {
 public:
    explicit Debugger(const std::string& path) : socket_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        path.copy(name.sun_path, sizeof name.sun_path - 1);
        EXPECT_TRUE(eventually(
            [&] { return connect(socket_, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0; }));
    }
    ~Debugger() { close(socket_); }
    Debugger(const Debugger&) = delete;
    Debugger& operator=(const Debugger&) = delete;

    void say(std::string_view packet) {
        unsigned sum = 0;
        for (const char c : packet) sum += static_cast<unsigned char>(c);
        char tail[4];
        std::snprintf(tail, sizeof tail, "#%02x", sum & 0xff);
        const std::string text = "$" + std::string(packet) + tail;
        EXPECT_EQ(send(socket_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    }
    /// Waits until these bytes have come.
    [[nodiscard]] bool hears(std::string_view text) {
        while (heard_.find(text) == std::string::npos)
            if (!listen()) return false;
        heard_.erase(0, heard_.find(text) + text.size());
        return true;
    }
    [[nodiscard]] bool sees_the_end() {
        while (listen()) {
        }
        return ended_;
    }

 private:
    bool listen() {
        pollfd ready{socket_, POLLIN, 0};
        if (ended_ || poll(&ready, 1, 60'000) <= 0) return false;
        char buffer[4096];
        const ssize_t count = recv(socket_, buffer, sizeof buffer, 0);
        ended_ = count <= 0;
        if (!ended_) heard_.append(buffer, static_cast<std::size_t>(count));
        return !ended_;
    }
    int socket_;
    std::string heard_;
    bool ended_ = false;
};

struct GdbOption : ::testing::Test {
    std::string path =
        (std::filesystem::temp_directory_path() / ("softmetal-gdb-" + std::to_string(getpid()))).string();
    std::vector<std::string> run(const std::string& guest, bool wait) {
        std::vector<std::string> arguments = run_guest(guest, {"--gdb", "unix:" + path});
        if (wait) arguments.emplace_back("--gdb-wait");
        return arguments;
    }
};

TEST_F(GdbOption, TheGuestWaitsForTheDebuggerAndTellsItsEnd) {
    Command command(run("hello", true));
    ASSERT_TRUE(command.shows("target remote " + path));
    Debugger debugger(path);
    debugger.say("?");
    EXPECT_TRUE(debugger.hears("$T02thread:1;#"));
    EXPECT_EQ(command.output(), "");
    debugger.say("c");
    EXPECT_TRUE(command.shows("hello"));
    EXPECT_TRUE(debugger.hears("$W00#b7"));
    EXPECT_TRUE(debugger.sees_the_end());
    EXPECT_EQ(command.status(), 0);
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(GdbOption, AttachesToARunningGuestAndLetsItGo) {
    Command command(run("echo", false));
    ASSERT_TRUE(command.shows("ready"));
    {
        Debugger debugger(path);
        debugger.say("?");
        EXPECT_TRUE(debugger.hears("$T02thread:1;#"));
        Debugger another(path);
        EXPECT_TRUE(another.sees_the_end()) << "one at a time";
    }
    // Gone without a word: the guest goes on.
    command.type("x");
    EXPECT_TRUE(command.shows("x"));
    Debugger again(path);
    again.say("k");
    EXPECT_EQ(command.status(), 0);
}

TEST_F(GdbOption, ATripleFaultIsShownToTheDebuggerFirst) {
    Command command(run("triple_fault", true));
    Debugger debugger(path);
    debugger.say("c");
    EXPECT_TRUE(debugger.hears("$T0bthread:1;#"));
    debugger.say("c");
    EXPECT_TRUE(debugger.hears("$X0b#"));
    EXPECT_EQ(command.status(), 3);
    EXPECT_THAT(command.errors(), HasSubstr("triple fault"));
}

TEST_F(GdbOption, AQuittingUserNeedNotAskTheDebugger) {
    Command command(run("echo", true));
    Debugger debugger(path);
    debugger.say("?");
    EXPECT_TRUE(debugger.hears("$T02"));
    command.signal(SIGTERM);
    EXPECT_EQ(command.status(), 128 + SIGTERM);
}

}  // namespace
}  // namespace softmetal
