// Against a server of nbdkit's; skipped where it is not installed.
#include "disk/nbd_store.hpp"

#include "host/listening_socket.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <future>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace softmetal::disk {
namespace {

using bus::BlockStatus;

/// nbdkit with these arguments behind a socket file, killed at the end.
class Server {
 public:
    explicit Server(std::vector<std::string> arguments) {
        std::string folder = "/tmp/softmetal-nbd-XXXXXX";
        if (!mkdtemp(folder.data())) return;
        folder_ = folder;
        const std::string socket = folder + "/socket";
        std::vector<std::string> words = {"nbdkit", "-f", "-U", socket};
        words.insert(words.end(), arguments.begin(), arguments.end());
        pid_ = fork();
        if (pid_ == 0) {
            std::vector<char*> argv;
            for (std::string& word : words) argv.push_back(word.data());
            argv.push_back(nullptr);
            execvp(argv[0], argv.data());
            _exit(127);
        }
        for (int i = 0; i < 500 && !socket_.valid(); i++) {
            if (auto connected = host::connect_socket_file(socket)) socket_ = std::move(*connected);
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
    }
    ~Server() {
        kill();
        std::error_code error;
        if (!folder_.empty()) std::filesystem::remove_all(folder_, error);
    }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    void kill() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }
    [[nodiscard]] std::unique_ptr<NbdStore> store(bool read_only = false) {
        auto store = NbdStore::open(std::move(socket_), "", read_only);
        EXPECT_TRUE(store.has_value()) << store.error().message;
        return store ? std::move(*store) : nullptr;
    }

 private:
    std::string folder_;
    pid_t pid_ = -1;
    host::UniqueFd socket_;
};

template <class Start>
BlockStatus wait(Start&& start) {
    std::promise<BlockStatus> done;
    start([&](BlockStatus s) { done.set_value(s); });
    return done.get_future().get();
}

struct NbdStoreTest : ::testing::Test {
    void SetUp() override {
        if (std::system("nbdkit --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "nbdkit is not installed";
    }
    static BlockStatus read(NbdStore& s, u64 at, std::span<std::byte> into) {
        return wait([&](auto done) { s.read(at, into, done); });
    }
    static BlockStatus write(NbdStore& s, u64 at, std::span<const std::byte> from) {
        return wait([&](auto done) { s.write(at, from, done); });
    }
    std::vector<std::byte> data = std::vector<std::byte>(3 << 20, std::byte{0x5a});
    std::vector<std::byte> back = std::vector<std::byte>(3 << 20);
};

TEST_F(NbdStoreTest, ReadsBackWhatWasWritten) {
    Server server({"memory", "8M"});
    const auto store = server.store();
    ASSERT_TRUE(store);
    EXPECT_EQ(store->size_bytes(), 8u << 20);
    EXPECT_FALSE(store->read_only());
    EXPECT_EQ(write(*store, 512, data), BlockStatus::ok);
    EXPECT_EQ(wait([&](auto done) { store->flush(done); }), BlockStatus::ok);
    EXPECT_EQ(wait([&](auto done) { store->write_zeroes(1024, 1 << 20, true, done); }), BlockStatus::ok);
    EXPECT_EQ(wait([&](auto done) { store->discard(7 << 20, 1 << 20, done); }), BlockStatus::ok);
    EXPECT_EQ(read(*store, 512, back), BlockStatus::ok);
    std::fill_n(data.begin() + 512, 1 << 20, std::byte{0});
    EXPECT_EQ(back, data);
    EXPECT_EQ(read(*store, (8 << 20) - 512, back), BlockStatus::io_error);  // beyond the end
    EXPECT_EQ(read(*store, 0, {}), BlockStatus::ok);
    EXPECT_EQ(store->first_failure(), "");
}

TEST_F(NbdStoreTest, ServersThatCanLittle) {
    Server server({"--filter=nozero", "memory", "8M", "zeromode=none"});
    const auto store = server.store();
    ASSERT_TRUE(store);
    EXPECT_EQ(write(*store, 0, data), BlockStatus::ok);
    EXPECT_EQ(wait([&](auto done) { store->write_zeroes(0, 5 << 19, false, done); }), BlockStatus::ok);
    EXPECT_EQ(read(*store, 0, back), BlockStatus::ok);
    std::fill_n(data.begin(), 5 << 19, std::byte{0});
    EXPECT_EQ(back, data);
}

TEST_F(NbdStoreTest, ErrorsArriveAndAreRemembered) {
    Server server({"--filter=error", "memory", "8M", "error-pwrite-rate=100%", "error-pwrite=ENOSPC"});
    const auto store = server.store();
    ASSERT_TRUE(store);
    EXPECT_EQ(read(*store, 0, back), BlockStatus::ok);
    EXPECT_EQ(write(*store, 0, data), BlockStatus::no_space);
    EXPECT_NE(store->first_failure().find("cannot write"), std::string::npos);
}

TEST_F(NbdStoreTest, ReadOnlyServers) {
    Server server({"-r", "memory", "8M"});
    const auto store = server.store();
    ASSERT_TRUE(store);
    EXPECT_TRUE(store->read_only());
    EXPECT_EQ(write(*store, 0, data), BlockStatus::io_error);
}

/// What is under way fails, and so does all that comes after.
TEST_F(NbdStoreTest, ALostServerIsAnError) {
    Server server({"--filter=delay", "memory", "8M", "rdelay=60"});
    const auto store = server.store();
    ASSERT_TRUE(store);
    std::promise<BlockStatus> outcome;
    store->read(0, back, [&](BlockStatus s) { outcome.set_value(s); });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    server.kill();
    EXPECT_EQ(outcome.get_future().get(), BlockStatus::io_error);
    EXPECT_EQ(read(*store, 0, back), BlockStatus::io_error);
    EXPECT_EQ(wait([&](auto done) { store->flush(done); }), BlockStatus::io_error);
    EXPECT_NE(store->first_failure(), "");
}

TEST_F(NbdStoreTest, AServerLostBetweenRequestsIsRemembered) {
    Server server({"memory", "8M"});
    const auto store = server.store();
    ASSERT_TRUE(store);
    EXPECT_EQ(read(*store, 0, back), BlockStatus::ok);
    server.kill();
    EXPECT_EQ(read(*store, 0, back), BlockStatus::io_error);
    EXPECT_EQ(read(*store, 0, back), BlockStatus::io_error);
    EXPECT_NE(store->first_failure(), "");
}

TEST_F(NbdStoreTest, AServerThatSaysNothingIsGivenUp) {
    Server server({"--filter=delay", "memory", "8M", "rdelay=60"});
    const auto store = server.store();
    ASSERT_TRUE(store);
    store->set_patience(200'000'000);
    EXPECT_EQ(read(*store, 0, back), BlockStatus::io_error);
    EXPECT_EQ(write(*store, 0, data), BlockStatus::io_error);
}

TEST(NbdStore, WhatIsNoServerIsRefused) {
    int ends[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    ASSERT_EQ(write(ends[1], "HTTP/1.0 400 Bad request\r\n\r\n", 28), 28);
    close(ends[1]);
    const auto store = NbdStore::open(host::UniqueFd(ends[0]), "", false);
    ASSERT_FALSE(store.has_value());
    EXPECT_NE(store.error().message.find("NBD server"), std::string::npos);
}

}  // namespace
}  // namespace softmetal::disk
