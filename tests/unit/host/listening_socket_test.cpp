#include "host/listening_socket.hpp"

#include "host/byte_socket.hpp"

#include <arpa/inet.h>
#include <array>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace softmetal::host {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string test_path(const std::string& name) {
    return (std::filesystem::temp_directory_path() / ("softmetal-" + name + std::to_string(getpid())))
        .string();
}

bool connects(int socket, const std::string& path) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    path.copy(name.sun_path, sizeof name.sun_path - 1);
    return connect(socket, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
}

TEST(ListeningSocket, TakesAFreePortOfThisComputerOnly) {
    const auto listener = ListeningSocket::open("0");
    ASSERT_TRUE(listener) << listener.error().message;
    const std::string address = (*listener)->address();
    ASSERT_THAT(address, StartsWith("127.0.0.1:"));
    EXPECT_FALSE((*listener)->accept().valid());

    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.find(':') + 1))));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const UniqueFd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(connect(client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    const UniqueFd server = (*listener)->accept();
    ASSERT_TRUE(server.valid());
    const std::array<u8, 2> sent = {'h', 'i'};
    ASSERT_EQ(send_now(client.get(), sent).status, TransferStatus::moved);
    std::array<u8, 2> got{};
    ASSERT_EQ(recv(server.get(), got.data(), got.size(), MSG_WAITALL), 2);
    EXPECT_EQ(got, sent);

    const auto second = ListeningSocket::open(address);
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().message, HasSubstr("in use"));
}

TEST(ListeningSocket, ListensOnAFileAndRemovesIt) {
    const std::string path = test_path("listen");
    {
        const auto listener = ListeningSocket::open("unix:" + path);
        ASSERT_TRUE(listener) << listener.error().message;
        EXPECT_EQ((*listener)->address(), path);
        const UniqueFd client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        ASSERT_TRUE(connects(client.get(), path));
        EXPECT_TRUE((*listener)->accept().valid());
        EXPECT_FALSE(ListeningSocket::open("unix:" + path)) << "somebody listens there";
    }
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(ListeningSocket, ReplacesAFileThatNobodyListensOnButNoOther) {
    const std::string path = test_path("stale");
    {
        const UniqueFd left_behind(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        path.copy(name.sun_path, sizeof name.sun_path - 1);
        ASSERT_EQ(bind(left_behind.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    }
    EXPECT_TRUE(ListeningSocket::open("unix:" + path));
    std::ofstream(path) << "precious";
    EXPECT_FALSE(ListeningSocket::open("unix:" + path));
    EXPECT_TRUE(std::filesystem::exists(path));
    std::filesystem::remove(path);
}

TEST(ListeningSocket, RefusesWhatIsNoAddress) {
    for (const char* address :
         {"", "x", "65536", "-1", "1234x", "localhost:", "::1:80", "unix:", "host:port"}) {
        const auto listener = ListeningSocket::open(address);
        EXPECT_FALSE(listener) << address;
    }
}

}  // namespace
}  // namespace softmetal::host
