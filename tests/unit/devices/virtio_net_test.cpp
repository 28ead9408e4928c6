#include "devices/virtio_net/virtio_net.hpp"

#include "bus/backends/tcp_frame.hpp"
#include "fake_link.hpp"
#include "virtio_driver.hpp"

#include <gmock/gmock.h>

namespace softmetal::devices {
namespace {

using ::testing::ElementsAre;
using testing::FakeLink;
using Frame = std::vector<std::byte>;

constexpr u16 write_flag = 2, next_flag = 1;
constexpr u64 header_bytes = sizeof(virtio_net::Header);
constexpr MacAddress mac = {0x52, 0x54, 0, 1, 2, 3};

Frame frame(std::size_t size, u8 first = 1) {
    Frame f(size);
    for (std::size_t i = 0; i < size; i++) f[i] = static_cast<std::byte>(first + i * 3);
    return f;
}

struct VirtioNetTest : ::testing::Test, testing::VirtioBench {
    FakeLink link;
    testing::TestRing transmit{.ram = ram, .descriptors = 0x11000, .driver = 0x13000, .device = 0x14000};

    void SetUp() override {
        plug(std::make_unique<VirtioNet>(link, mac));
        start();
    }
    void start(u64 more_features = 0) {
        accept(virtio_net::feature::mac | virtio::feature::version_1 | more_features);
        set_queue(virtio_net::receive_queue, ring);
        set_queue(virtio_net::transmit_queue, transmit);
        set_status(15);
        ASSERT_EQ(status(), 15);
    }
    /// A buffer of that many bytes for one frame, header included.
    void offer_buffer(u16 index, u32 size) {
        ring.describe(index, {.address = 0x100000 + index * 0x1000u, .length = size, .flags = write_flag});
        ring.offer(index);
    }
    Frame received(u32 index, u32 bytes) {
        const auto found = ram.at(0x100000 + index * 0x1000u + header_bytes, bytes - header_bytes);
        return {found.begin(), found.end()};
    }
    /// Header and frame in memory of their own, as drivers do.
    void offer_frame(u16 index, const Frame& f) {
        const u64 at = 0x200000 + index * 0x1000u;
        std::ranges::fill(ram.at(at, header_bytes), std::byte{0});
        std::ranges::copy(f, ram.at(at + 0x100, f.size()).begin());
        transmit.describe(
            index, {.address = at, .length = header_bytes, .flags = next_flag, .next = u16(index + 1)});
        transmit.describe(u16(index + 1), {.address = at + 0x100, .length = static_cast<u32>(f.size())});
        transmit.offer(index);
    }
};

TEST_F(VirtioNetTest, SaysItsAddressAndThatTheCableIsIn) {
    for (unsigned i = 0; i < mac.size(); i++)
        EXPECT_EQ(read(virtio::pci_transport::device_offset + i, 1), mac[i]);
    EXPECT_EQ(read(virtio::pci_transport::device_offset + 6, 2), virtio_net::link_up);
    EXPECT_EQ(device->read_configuration(2, 2), 0x1041u);
    EXPECT_EQ(device->read_configuration(0xa, 2), 0x0200u) << "an Ethernet controller";
}

TEST_F(VirtioNetTest, SendsFramesInTheirOrder) {
    offer_frame(0, frame(60, 1));
    offer_frame(2, frame(1514, 2));
    notify(virtio_net::transmit_queue);
    EXPECT_THAT(link.sent, ElementsAre(frame(60, 1), frame(1514, 2)));
    EXPECT_EQ(transmit.used_index(), 2u);
    EXPECT_EQ(isr(), 1);
}

TEST_F(VirtioNetTest, KeepsAFrameForAFullLink) {
    link.full = true;
    offer_frame(0, frame(60, 1));
    offer_frame(2, frame(60, 2));
    notify(virtio_net::transmit_queue);
    EXPECT_EQ(transmit.used_index(), 1u);
    link.full = false;
    link.card->may_send();
    EXPECT_THAT(link.sent, ElementsAre(frame(60, 1), frame(60, 2)));
    EXPECT_EQ(transmit.used_index(), 2u);
}

TEST_F(VirtioNetTest, LosesWhatIsNoFrame) {
    offer_frame(0, frame(13));
    offer_frame(2, frame(bus::ethernet_frame_max + 1));
    offer_frame(4, frame(bus::ethernet_frame_max));
    notify(virtio_net::transmit_queue);
    EXPECT_THAT(link.sent, ElementsAre(frame(bus::ethernet_frame_max)));
    EXPECT_EQ(transmit.used_index(), 3u) << "the driver has its buffers back";
    EXPECT_EQ(status(), 15);
}

TEST_F(VirtioNetTest, StopsWhereAFrameIsNotInMemory) {
    transmit.describe(0, {.address = u64{1} << 40, .length = 100});
    transmit.offer(0);
    notify(virtio_net::transmit_queue);
    EXPECT_TRUE(link.sent.empty());
    EXPECT_TRUE(status() & virtio::status::needs_reset);
}

TEST_F(VirtioNetTest, ManyFramesAreSentInSeveralTurns) {
    for (unsigned round = 0; round < 2 * VirtioNet::burst / 8; round++) {
        for (u16 i = 0; i < 8; i++) offer_frame(i * 2, frame(60));
        notify(virtio_net::transmit_queue);
    }
    EXPECT_EQ(link.sent.size(), 2 * VirtioNet::burst);
}

TEST_F(VirtioNetTest, ReceivesIntoBuffersInTheirOrder) {
    offer_buffer(3, 1526);
    offer_buffer(5, 1526);
    EXPECT_TRUE(link.card->receive(frame(60, 1)));
    EXPECT_TRUE(link.card->receive(frame(1514, 2)));
    const auto a = ring.next_used(), b = ring.next_used();
    ASSERT_TRUE(a && b);
    EXPECT_EQ(*a, std::pair(3u, 72u));
    EXPECT_EQ(*b, std::pair(5u, 1526u));
    EXPECT_EQ(received(3, a->second), frame(60, 1));
    EXPECT_EQ(received(5, b->second), frame(1514, 2));
    EXPECT_EQ(ram.get<u16>(0x100000 + 3 * 0x1000u + 10), 1u) << "one buffer";
    EXPECT_EQ(isr(), 1);
}

constexpr u64 offloads = virtio_net::feature::checksum | virtio_net::feature::guest_checksum |
                         virtio_net::feature::guest_tso4 | virtio_net::feature::guest_tso6 |
                         virtio_net::feature::host_tso4 | virtio_net::feature::host_tso6 |
                         virtio_net::feature::merge_buffers;

/// A long TCP frame over IPv4, its checksums right.
Frame tcp_frame(std::size_t size) {
    Frame f = frame(size);
    bus::store_be16(f, 12, 0x0800);
    f[14] = std::byte{0x45};
    bus::store_be16(f, 16, static_cast<u16>(size - 14));
    bus::store_be16(f, 20, 0);
    f[23] = std::byte{6};
    f[34 + 12] = std::byte{0x50};
    const auto tcp = bus::TcpFrame::parse(f);
    EXPECT_TRUE(tcp.has_value());
    if (tcp) tcp->update_checksums(f);
    return f;
}

struct VirtioNetOffloads : VirtioNetTest {
    void SetUp() override {
        plug(std::make_unique<VirtioNet>(link, mac));
        start(offloads);
    }
    virtio_net::Header header_in(u32 index) {
        return ram.get<virtio_net::Header>(0x100000 + index * 0x1000u);
    }
};

/// As Linux leaves them: the field holds the sum of the pseudo-header.
TEST_F(VirtioNetOffloads, CompletesChecksumsOfShortAndLongFrames) {
    for (const std::size_t size : {100u, 3001u}) {
        const Frame whole = tcp_frame(size);
        Frame partial = whole;
        const auto tcp = bus::TcpFrame::parse(whole);
        bus::store_be16(partial, 34 + 16, tcp->pseudo_header_sum(whole, size - 34));
        link.sent.clear();
        offer_frame(0, partial);
        ram.put(0x200000, virtio_net::Header{.flags = virtio_net::flag_needs_checksum,
                                             .gso_type = size > 1518 ? virtio_net::gso_tcp4 : u8{0},
                                             .gso_size = 1460,
                                             .checksum_start = 34,
                                             .checksum_offset = 16});
        notify(virtio_net::transmit_queue);
        EXPECT_THAT(link.sent, ElementsAre(whole));
    }
}

TEST_F(VirtioNetOffloads, LosesFramesWhoseChecksumLiesOutside) {
    for (const auto& [begin, offset] : {std::pair<u16, u16>{34, 65}, {101, 0}, {65535, 65535}}) {
        offer_frame(0, tcp_frame(100));
        ram.put(0x200000, virtio_net::Header{.flags = virtio_net::flag_needs_checksum,
                                             .checksum_start = begin,
                                             .checksum_offset = offset});
        notify(virtio_net::transmit_queue);
    }
    EXPECT_TRUE(link.sent.empty());
    EXPECT_EQ(transmit.used_index(), 3u);
}

TEST_F(VirtioNetOffloads, ALongFrameFillsSeveralBuffers) {
    EXPECT_TRUE(link.card->takes_long_frames());
    const Frame whole = tcp_frame(3000);
    offer_buffer(0, 1526);
    EXPECT_FALSE(link.card->receive(whole)) << "not enough";
    offer_buffer(1, 1526);
    EXPECT_EQ(ring.used_index(), 0u);
    EXPECT_TRUE(link.card->receive(whole));
    const auto a = ring.next_used(), b = ring.next_used();
    ASSERT_TRUE(a && b);
    EXPECT_EQ(*a, std::pair(0u, 1526u));
    EXPECT_EQ(*b, std::pair(1u, 3012u - 1526));
    const auto header = header_in(0);
    EXPECT_EQ(header.buffers, 2u);
    EXPECT_EQ(header.flags, virtio_net::flag_needs_checksum);
    EXPECT_EQ(header.gso_type, virtio_net::gso_tcp4);
    EXPECT_EQ(header.gso_size, 1460u);
    EXPECT_EQ(header.header_length, 54u);
    EXPECT_EQ(header.checksum_start, 34u);
    EXPECT_EQ(header.checksum_offset, 16u);
    Frame arrived = received(0, 1526);
    const auto rest = ram.at(0x101000, 3012 - 1526);
    arrived.insert(arrived.end(), rest.begin(), rest.end());
    const auto tcp = bus::TcpFrame::parse(arrived);
    ASSERT_TRUE(tcp.has_value());
    EXPECT_EQ(bus::load_be16(arrived, 34 + 16), tcp->pseudo_header_sum(whole, 3000 - 34));
    tcp->update_checksums(arrived);
    EXPECT_EQ(arrived, whole);
}

TEST_F(VirtioNetOffloads, BuffersOfNoSizeEndSomewhere) {
    ring.size = 256;
    set_status(0);
    ring.device = 0x5000;
    start(offloads);
    for (unsigned i = 0; i < 256; i++) {
        ring.describe(static_cast<u16>(i), {.address = 0x100000, .length = 1, .flags = write_flag});
        ring.offer(static_cast<u16>(i));
    }
    EXPECT_TRUE(link.card->receive(tcp_frame(3000)));
    EXPECT_EQ(ring.used_index(), 256u);
}

TEST_F(VirtioNetOffloads, ADriverAfterAResetMayTakeNoLongFrames) {
    set_status(0);
    EXPECT_FALSE(link.card->takes_long_frames());
    transmit.available = ring.available = 0;
    start();
    EXPECT_FALSE(link.card->takes_long_frames());
}

TEST_F(VirtioNetTest, LeavesFramesWithTheLinkWhereThereIsNoBuffer) {
    const unsigned before = link.rooms;
    EXPECT_FALSE(link.card->receive(frame(60)));
    offer_buffer(0, 1526);
    notify(virtio_net::receive_queue);
    EXPECT_EQ(link.rooms, before + 1);
    EXPECT_TRUE(link.card->receive(frame(60)));
    EXPECT_EQ(ring.used_index(), 1u);
}

TEST_F(VirtioNetTest, GivesABufferThatIsTooSmallBackEmpty) {
    offer_buffer(0, 71);
    EXPECT_TRUE(link.card->receive(frame(60)));
    EXPECT_EQ(ring.next_used(), std::pair(0u, 0u));
}

TEST_F(VirtioNetTest, TakesFramesOffTheLinkWithoutADriver) {
    set_status(0);
    EXPECT_TRUE(link.card->receive(frame(60))) << "lost";
    link.card->may_send();
    EXPECT_TRUE(link.sent.empty());
}

TEST_F(VirtioNetTest, AResetForgetsAFrameThatWaited) {
    link.full = true;
    offer_frame(0, frame(60, 1));
    notify(virtio_net::transmit_queue);
    set_status(0);
    link.full = false;
    transmit.available = 0;
    ram.put<u16>(transmit.driver + 2, 0);
    start();
    EXPECT_TRUE(link.sent.empty());
}

TEST_F(VirtioNetTest, GoesOnAfterSaveAndRestoreInTheMiddleOfWork) {
    offer_buffer(0, 1526);
    offer_buffer(1, 1526);
    EXPECT_TRUE(link.card->receive(frame(60, 1)));
    offer_frame(0, frame(60, 7));
    notify(virtio_net::transmit_queue);
    const auto state = device->save();
    device.reset();
    FakeLink other;
    auto restored =
        virtio::VirtioPci::restore(surroundings(), std::make_unique<VirtioNet>(other, mac), state);
    ASSERT_TRUE(restored) << restored.error().message;
    device = std::move(*restored);
    notify(virtio_net::receive_queue);
    EXPECT_TRUE(other.card->receive(frame(60, 9)));
    EXPECT_EQ(ring.used_index(), 2u);
    EXPECT_EQ(received(1, 72), frame(60, 9));
    offer_frame(2, frame(60, 8));
    notify(virtio_net::transmit_queue);
    EXPECT_THAT(other.sent, ElementsAre(frame(60, 8)));
    const auto refused = virtio::VirtioPci::restore(
        surroundings(), std::make_unique<VirtioNet>(other, MacAddress{1, 2, 3, 4, 5, 6}), state);
    EXPECT_FALSE(refused);
}

}  // namespace
}  // namespace softmetal::devices
