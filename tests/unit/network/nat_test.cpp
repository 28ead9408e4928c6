// What libslirp is for us: an answer to the guest's first questions. Connections are tested with guests.
#include "network/nat.hpp"

#include "host/listening_socket.hpp"

#include <array>
#include <gmock/gmock.h>

namespace softmetal::network {
namespace {

using Frame = std::vector<std::byte>;
using ::testing::HasSubstr;

Frame bytes(std::initializer_list<unsigned> values) {
    Frame f;
    for (const unsigned v : values) f.push_back(static_cast<std::byte>(v));
    return f;
}

Frame operator+(Frame a, const Frame& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

const Frame guest_mac = bytes({0x52, 0x54, 0, 1, 2, 3}), everybody = Frame(6, std::byte{0xff});

struct NatTest : ::testing::Test {
    std::vector<Frame> frames;
    std::unique_ptr<Nat> make(const Nat::Config& config) {
        auto nat = Nat::create(
            config, [this](std::span<const std::byte> f) { frames.emplace_back(f.begin(), f.end()); });
        EXPECT_TRUE(nat) << nat.error().message;
        return nat ? std::move(*nat) : nullptr;
    }
    /// ARP: who has 10.0.2.`last`?
    static Frame who_has(unsigned last) {
        return everybody + guest_mac + bytes({8, 6, 0, 1, 8, 0, 6, 4, 0, 1}) + guest_mac +
               bytes({10, 0, 2, 15}) + Frame(6) + bytes({10, 0, 2, last});
    }
};

TEST_F(NatTest, TheHostHasAnAddress) {
    const auto nat = make({});
    nat->input(who_has(2));
    ASSERT_EQ(frames.size(), 1u);
    const std::span<const std::byte> answer(frames[0]);
    EXPECT_EQ(Frame(answer.begin(), answer.begin() + 6), guest_mac);
    EXPECT_EQ(Frame(answer.begin() + 20, answer.begin() + 22), bytes({0, 2})) << "a reply";
    EXPECT_EQ(Frame(answer.begin() + 28, answer.begin() + 32), bytes({10, 0, 2, 2}));
    nat->input(who_has(77));
    EXPECT_EQ(frames.size(), 1u) << "nobody is there";
}

TEST_F(NatTest, OffersTheGuestAnAddressANameServerAndAFileToBoot) {
    const auto nat = make({.name_server = "192.0.2.53", .forwards = {}, .boot_file = "http://10.0.2.2/boot"});
    // DHCP discover (RFC 2131) in UDP from 0.0.0.0:68 to 255.255.255.255:67.
    const Frame dhcp = bytes({1, 1, 6, 0, 1, 2, 3, 4, 0, 0, 0, 0}) + Frame(16) + guest_mac + Frame(10) +
                       Frame(192) + bytes({0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255}) + Frame(60);
    const auto length = static_cast<unsigned>(dhcp.size());
    const Frame udp = bytes({0, 68, 0, 67, (length + 8) >> 8, (length + 8) & 0xff, 0, 0}) + dhcp;
    const unsigned total = length + 28;
    Frame ip =
        bytes({0x45, 0, total >> 8, total & 0xff, 0, 0, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255});
    unsigned sum = 0;
    for (unsigned i = 0; i < 20; i += 2)
        sum += std::to_integer<unsigned>(ip[i]) << 8 | std::to_integer<unsigned>(ip[i + 1]);
    sum = (sum & 0xffff) + (sum >> 16);
    ip[10] = static_cast<std::byte>(~sum >> 8);
    ip[11] = static_cast<std::byte>(~sum);
    nat->input(everybody + guest_mac + bytes({8, 0}) + ip + udp);
    ASSERT_EQ(frames.size(), 1u);
    const Frame& offer = frames[0];
    EXPECT_NE(std::ranges::search(offer, bytes({10, 0, 2, 15})).begin(), offer.end());
    EXPECT_NE(std::ranges::search(offer, bytes({6, 4, 192, 0, 2, 53})).begin(), offer.end())
        << "option 6: name server";
    EXPECT_NE(std::ranges::search(offer, bytes({3, 4, 10, 0, 2, 2})).begin(), offer.end())
        << "option 3: router";
    const std::string text(reinterpret_cast<const char*>(offer.data()), offer.size());
    EXPECT_NE(text.find("http://10.0.2.2/boot"), std::string::npos);
}

TEST_F(NatTest, NamesAPortThatIsTaken) {
    const auto taken = host::ListeningSocket::open("127.0.0.1:0");
    ASSERT_TRUE(taken);
    const std::string address = (*taken)->address();
    const auto port = static_cast<u16>(std::stoul(address.substr(address.rfind(':') + 1)));
    const auto nat =
        Nat::create({.name_server = "", .forwards = {{"127.0.0.1", port, 22, false}}}, [](auto) {});
    ASSERT_FALSE(nat);
    EXPECT_THAT(nat.error().message, HasSubstr(std::to_string(port)));
    EXPECT_THAT(nat.error().message, HasSubstr("in use"));
}

TEST_F(NatTest, BearsNonsense) {
    const auto nat = make({});
    for (unsigned size = 14; size < 200; size++) {
        Frame f(size, std::byte{0x45});
        f[12] = std::byte{8};
        f[13] = static_cast<std::byte>(size & 1 ? 0 : 6);
        nat->input(f);
    }
    host::PollSet set;
    const u32 patience = nat->prepare(set);
    EXPECT_GT(patience, 0u);
    nat->dispatch(set, set.wait(0));
    nat->input(who_has(2));
    EXPECT_FALSE(frames.empty());
}

}  // namespace
}  // namespace softmetal::network
