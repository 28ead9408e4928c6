#include "host/control_socket.hpp"

#include "host/byte_socket.hpp"

#include <array>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace softmetal::host {
namespace {

class ControlSocketTest : public ::testing::Test {
 protected:
    std::pair<ControlSocket, ControlSocket> pair = ControlSocket::create_pair().value();
};

TEST_F(ControlSocketTest, KeepsMessagesApart) {
    const std::vector<u8> first = {1, 2, 3}, second(ControlSocket::maximum_bytes, 7);
    ASSERT_TRUE(pair.first.send(first));
    ASSERT_TRUE(pair.first.send(second));
    EXPECT_EQ(pair.second.receive().value()->bytes, first);
    EXPECT_EQ(pair.second.receive().value()->bytes, second);
}

TEST_F(ControlSocketTest, KnowsWhenNobodyHasTheOtherSide) {
    EXPECT_FALSE(pair.first.is_abandoned());
    { const UniqueFd theirs = pair.second.take_fd(); }
    EXPECT_TRUE(pair.first.is_abandoned());
    EXPECT_FALSE(pair.first.send(std::vector<u8>{1}));
}

TEST_F(ControlSocketTest, PassesDescriptorsThatCloseOnExec) {
    const UniqueFd file(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    const std::array<int, 2> fds = {file.get(), 0};
    ASSERT_TRUE(pair.first.send(std::vector<u8>{0}, fds));
    auto result = pair.second.receive();
    ASSERT_TRUE(result && *result);
    const std::vector<UniqueFd>& received_fds = (*result)->descriptors;
    ASSERT_EQ(received_fds.size(), 2u);
    struct stat sent {
    }, received{};
    ASSERT_EQ(fstat(file.get(), &sent), 0);
    ASSERT_EQ(fstat(received_fds[0].get(), &received), 0);
    EXPECT_EQ(sent.st_ino, received.st_ino);
    EXPECT_EQ(fcntl(received_fds[0].get(), F_GETFD), FD_CLOEXEC);
}

TEST_F(ControlSocketTest, PassesAsManyDescriptorsAsItSays) {
    const std::vector<int> fds(ControlSocket::maximum_descriptors, 0);
    ASSERT_TRUE(pair.first.send(std::vector<u8>{0}, fds));
    EXPECT_EQ(pair.second.receive().value()->descriptors.size(), fds.size());
}

TEST_F(ControlSocketTest, RefusesWhatIsTooLong) {
    EXPECT_FALSE(pair.first.send(std::vector<u8>(ControlSocket::maximum_bytes + 1)));
    EXPECT_FALSE(pair.first.send(std::vector<u8>{0}, std::vector<int>(201, 0)));
}

TEST_F(ControlSocketTest, SaysThatTheOtherSideIsGone) {
    ASSERT_TRUE(pair.second.send(std::vector<u8>{9}));
    { ControlSocket closed = std::move(pair.second); }
    EXPECT_TRUE(pair.first.receive().value().has_value());
    EXPECT_FALSE(pair.first.receive().value().has_value());
    EXPECT_FALSE(pair.first.send(std::vector<u8>{0}));
}

TEST(ByteSocket, NeverWaits) {
    auto [a, b] = create_byte_socket_pair().value();
    std::array<u8, 4> buffer{};
    EXPECT_EQ(receive_now(a.get(), buffer).status, TransferStatus::again);
    const std::vector<u8> much(1 << 16);
    Transfer last;
    std::size_t sent = 0;
    while ((last = send_now(a.get(), much)).status == TransferStatus::moved) sent += last.count;
    EXPECT_EQ(last.status, TransferStatus::again);
    EXPECT_GT(sent, 0u);
    b = UniqueFd();
    EXPECT_EQ(send_now(a.get(), much).status, TransferStatus::failed);
    EXPECT_EQ(error_text(send_now(a.get(), much).error), "Broken pipe");
}

}  // namespace
}  // namespace softmetal::host
