#include "devices/e1000/e1000.hpp"

#include "base/bits.hpp"
#include "fake_link.hpp"
#include "virtio_driver.hpp"

#include <gmock/gmock.h>

namespace softmetal::devices {
namespace {

using ::testing::ElementsAre;
using testing::FakeLink;
using Frame = std::vector<std::byte>;
namespace reg = e1000::reg;
namespace cause = e1000::cause;

constexpr MacAddress mac = {0x52, 0x54, 0, 1, 2, 3};

Frame to(const MacAddress& destination, std::size_t size) {
    Frame f(size);
    for (std::size_t i = 0; i < size; i++) f[i] = static_cast<std::byte>(i < 6 ? destination[i] : i * 3);
    return f;
}

u32 sum_of(std::span<const std::byte> bytes) {
    u32 sum = 0;
    for (std::size_t i = 0; i < bytes.size(); i++)
        sum += i % 2 ? std::to_integer<u32>(bytes[i]) : std::to_integer<u32>(bytes[i]) << 8;
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

struct E1000Test : ::testing::Test {
    static constexpr u64 bar = 0xe000'0000, ports_base = 0xc000;
    static constexpr u64 receive_ring = 0x1000, transmit_ring = 0x2000, buffers = 0x10000;
    static constexpr u32 ring_descriptors = 16;

    bus::AddressSpace ports, memory;
    testing::FakeRam ram;
    testing::MessageLog messages;
    testing::FakeLine line;
    FakeLink link;
    std::unique_ptr<E1000> card;
    u32 transmit_tail = 0;

    pci::Surroundings surroundings() { return {ports, memory, ram, messages, &line}; }
    void SetUp() override {
        card = std::make_unique<E1000>(surroundings(), link, mac);
        card->write_configuration(0x10, 4, static_cast<u32>(bar));
        card->write_configuration(0x14, 4, static_cast<u32>(ports_base));
        card->write_configuration(0x04, 2, 7);
        write(reg::receive_base_low, receive_ring);
        write(reg::receive_length, ring_descriptors * 16);
        write(reg::transmit_base_low, transmit_ring);
        write(reg::transmit_length, ring_descriptors * 16);
        write(reg::receive_control, e1000::receive_control::enable | e1000::receive_control::broadcast);
        write(reg::transmit_control, e1000::transmit_control::enable);
    }
    u32 read(u32 offset) { return static_cast<u32>(memory.read(bar + offset, 4)); }
    void write(u32 offset, u64 value) { memory.write(bar + offset, 4, value); }

    void offer_buffers(u32 count) {
        for (u32 i = 0; i < count; i++)
            ram.put(receive_ring + 16 * i, e1000::ReceiveDescriptor{.address = buffers + i * 0x1000});
        write(reg::receive_tail, count);
    }
    e1000::ReceiveDescriptor receive_descriptor(u32 i) {
        return ram.get<e1000::ReceiveDescriptor>(receive_ring + 16 * i);
    }
    Frame bytes(u64 address, std::size_t size) {
        const auto found = ram.at(address, size);
        return {found.begin(), found.end()};
    }
    /// Without moving the tail.
    void describe(u64 address, u64 command) {
        ram.put(transmit_ring + 16 * transmit_tail, std::array{address, command});
        transmit_tail = (transmit_tail + 1) % ring_descriptors;
    }
    void go() { write(reg::transmit_tail, transmit_tail); }
    u64 load(const Frame& f, u64 at = 0x80000) {
        std::ranges::copy(f, ram.at(at, f.size()).begin());
        return at;
    }
    u16 eeprom_by_wires(unsigned word) {
        namespace ee = e1000::eeprom_control;
        const auto clock = [&](u32 bit) {
            write(reg::eeprom_control, ee::select | (bit ? ee::data_in : 0));
            write(reg::eeprom_control, ee::select | (bit ? ee::data_in : 0) | ee::clock);
            const u32 out = read(reg::eeprom_control) & ee::data_out;
            write(reg::eeprom_control, ee::select | (bit ? ee::data_in : 0));
            return out != 0;
        };
        write(reg::eeprom_control, 0);
        for (const unsigned b : {1u, 1u, 0u}) clock(b);
        bool dummy = true;
        for (unsigned i = 6; i-- > 0;) dummy = clock(word >> i & 1);
        EXPECT_FALSE(dummy) << "a zero before the data";
        u16 value = 0;
        for (unsigned i = 0; i < 16; i++) value = static_cast<u16>(value << 1 | clock(0));
        write(reg::eeprom_control, 0);
        return value;
    }
};

constexpr u64 end_and_report = e1000::transmit::end_of_packet | e1000::transmit::report_status;
constexpr u64 data_type = u64{1} << e1000::transmit::type_shift | e1000::transmit::extension;

TEST_F(E1000Test, HasAnEepromWithItsAddress) {
    u16 sum = 0;
    for (unsigned i = 0; i < e1000::eeprom_words; i++) {
        const u16 word = eeprom_by_wires(i);
        sum = static_cast<u16>(sum + word);
        write(reg::eeprom_read, i << 8 | e1000::eeprom_read::start);
        EXPECT_EQ(read(reg::eeprom_read), u32{word} << 16 | i << 8 | e1000::eeprom_read::done);
        if (i < 3) {
            EXPECT_EQ(word, mac[2 * i] | mac[2 * i + 1] << 8);
        }
    }
    EXPECT_EQ(sum, e1000::eeprom_sum);
    EXPECT_EQ(read(reg::address), 0x01005452u);
    EXPECT_EQ(read(reg::address + 4), 0x80000302u);
}

TEST_F(E1000Test, HasAPhyWithALink) {
    const auto phy = [&](unsigned index) {
        write(reg::mdi_control, e1000::mdi::read | 1u << 21 | index << 16);
        const u32 value = read(reg::mdi_control);
        EXPECT_TRUE(value & e1000::mdi::ready);
        return value & 0xffff;
    };
    EXPECT_EQ(phy(2), 0x0141u);
    EXPECT_EQ(phy(3), 0x0c20u);
    EXPECT_TRUE(phy(1) & 4) << "link";
    EXPECT_TRUE(read(reg::status) & e1000::status::link_up);
    write(reg::mdi_control, e1000::mdi::read | 2u << 21);
    EXPECT_TRUE(read(reg::mdi_control) & e1000::mdi::error) << "no other PHY";
    write(reg::mdi_control, e1000::mdi::write | 1u << 21 | 4u << 16 | 0x0101);
    EXPECT_EQ(phy(4), 0x0101u);
}

TEST_F(E1000Test, RegistersAreReachedByPortsToo) {
    ports.write(ports_base, 4, reg::address);
    EXPECT_EQ(ports.read(ports_base + 4, 4), 0x01005452u);
    ports.write(ports_base, 4, reg::vlan_type);
    ports.write(ports_base + 4, 4, 0x8100);
    EXPECT_EQ(read(reg::vlan_type), 0x8100u);
    ports.write(ports_base, 4, 0xffffffff);
    EXPECT_EQ(ports.read(ports_base + 4, 4), 0xffffffffu);
}

TEST_F(E1000Test, InterruptsFollowCauseAndMask) {
    write(reg::cause_set, cause::link_changed);
    EXPECT_FALSE(line.high());
    write(reg::mask_set, cause::link_changed | cause::received);
    EXPECT_TRUE(line.high());
    EXPECT_EQ(read(reg::mask_set), cause::link_changed | cause::received);
    EXPECT_EQ(read(reg::cause), cause::link_changed);
    EXPECT_FALSE(line.high()) << "reading took it away";
    write(reg::cause_set, cause::received);
    write(reg::mask_clear, cause::received);
    EXPECT_FALSE(line.high());
}

TEST_F(E1000Test, SendsFramesOfLegacyDescriptors) {
    const Frame f = to(mac, 100);
    const u64 at = load(f);
    describe(at, 60);
    describe(at + 60, 40 | end_and_report);
    go();
    EXPECT_THAT(link.sent, ElementsAre(f));
    EXPECT_TRUE(ram.get<u64>(transmit_ring + 24) & e1000::transmit::done);
    EXPECT_FALSE(ram.get<u64>(transmit_ring + 8) & e1000::transmit::done);
    EXPECT_EQ(read(reg::transmit_head), 2u);
    EXPECT_EQ(read(reg::cause), cause::transmitted | cause::transmit_queue_empty);
}

TEST_F(E1000Test, PadsShortFrames) {
    describe(load(to(mac, 20)), 20 | end_and_report);
    go();
    ASSERT_EQ(link.sent.size(), 1u);
    EXPECT_EQ(link.sent[0].size(), 60u);
}

TEST_F(E1000Test, PutsChecksumsIn) {
    Frame f = to(mac, 74);
    f[50] = f[51] = std::byte{0};
    describe(load(f), 74 | end_and_report | e1000::transmit::insert_checksum | u64{34} << 40 | u64{50} << 16);
    go();
    ASSERT_EQ(link.sent.size(), 1u);
    EXPECT_EQ(sum_of(std::span(link.sent[0]).subspan(34)), 0xffffu);
    EXPECT_TRUE(std::equal(f.begin(), f.begin() + 50, link.sent[0].begin()));
}

TEST_F(E1000Test, CutsTcpDataIntoSegments) {
    // Ethernet 14, IPv4 20, TCP 20, then 2500 bytes in segments of 1000.
    Frame f(54 + 2500);
    for (std::size_t i = 54; i < f.size(); i++) f[i] = static_cast<std::byte>(i * 7);
    f[12] = std::byte{8};
    f[14] = std::byte{0x45};
    f[18] = std::byte{0x12};  // identification 0x1234
    f[19] = std::byte{0x34};
    f[38] = f[39] = f[40] = std::byte{0xff};  // sequence number 0xffffff00: wraps
    f[47] = std::byte{0x19};                  // FIN, PSH, ACK
    const u32 pseudo = 0x1234;                // the driver's sum without the length
    f[50] = std::byte{pseudo >> 8};
    f[51] = std::byte{pseudo & 0xff};
    const u64 context = 14 | 24u << 8 | u64{33} << 16 | u64{34} << 32 | u64{50} << 40;
    describe(context, 2500 | e1000::transmit::extension | e1000::transmit::is_tcp | e1000::transmit::is_ipv4 |
                          u64{54} << 40 | u64{1000} << 48);
    describe(load(f), 54 | data_type | e1000::transmit::segmentation | u64{3} << 40);
    describe(0x80000 + 54, 2500 | data_type | end_and_report | e1000::transmit::segmentation);
    go();
    ASSERT_EQ(link.sent.size(), 3u);
    std::size_t done = 0;
    for (unsigned n = 0; n < 3; n++) {
        const Frame& s = link.sent[n];
        const std::size_t payload = n < 2 ? 1000 : 500;
        ASSERT_EQ(s.size(), 54 + payload);
        EXPECT_TRUE(std::equal(s.begin() + 54, s.end(), f.begin() + 54 + static_cast<std::ptrdiff_t>(done)));
        EXPECT_EQ(std::to_integer<u32>(s[16]) << 8 | std::to_integer<u32>(s[17]), 40 + payload);
        EXPECT_EQ(std::to_integer<u32>(s[18]) << 8 | std::to_integer<u32>(s[19]), 0x1234u + n);
        u32 sequence = 0;
        for (unsigned i = 38; i < 42; i++) sequence = sequence << 8 | std::to_integer<u32>(s[i]);
        EXPECT_EQ(sequence, 0xffffff00u + static_cast<u32>(done));
        EXPECT_EQ(std::to_integer<u32>(s[47]), n < 2 ? 0x10u : 0x19u);
        EXPECT_EQ(sum_of(std::span(s).subspan(14, 20)), 0xffffu) << "IP header";
        // With pseudo-header sum and length in front, the whole is all ones.
        u32 sum = sum_of(std::span(s).subspan(34)) + pseudo + 20 + static_cast<u32>(payload);
        sum = (sum & 0xffff) + (sum >> 16);
        EXPECT_EQ((sum & 0xffff) + (sum >> 16), 0xffffu) << "TCP";
        done += payload;
    }
}

TEST_F(E1000Test, BearsContextsThatFitNothing) {
    describe(~u64{0}, ~u64{0} & ~(u64{15} << 20));
    describe(load(to(mac, 60)),
             60 | data_type | end_and_report | e1000::transmit::segmentation | u64{3} << 40);
    describe(0, e1000::transmit::extension);
    describe(load(to(mac, 60)), 60 | data_type | end_and_report | e1000::transmit::segmentation);
    describe(u64{1} << 60, 60 | end_and_report);
    describe(load(to(mac, 60)), 60 | end_and_report);
    go();
    EXPECT_EQ(read(reg::transmit_head), 6u);
    ASSERT_FALSE(link.sent.empty());
    EXPECT_EQ(link.sent.back(), to(mac, 60));
}

TEST_F(E1000Test, WaitsForAFullLink) {
    link.full = true;
    const u64 at = load(to(mac, 60));
    for (int i = 0; i < 3; i++) describe(at, 60 | end_and_report);
    go();
    EXPECT_EQ(read(reg::transmit_head), 1u);
    link.full = false;
    link.card->may_send();
    EXPECT_EQ(link.sent.size(), 3u);
    EXPECT_EQ(read(reg::transmit_head), 3u);
}

TEST_F(E1000Test, IgnoresRingsThatCannotBe) {
    write(reg::transmit_tail, 200);
    write(reg::transmit_head, 3000);
    write(reg::transmit_length, 0);
    write(reg::transmit_tail, 1);
    write(reg::receive_length, 0);
    write(reg::receive_tail, 7);
    EXPECT_TRUE(link.card->receive(to(mac, 60))) << "lost";
    EXPECT_TRUE(link.sent.empty());
}

TEST_F(E1000Test, ReceivesWithRoomForTheCheckSequence) {
    offer_buffers(4);
    write(reg::mask_set, cause::received);
    EXPECT_TRUE(link.card->receive(to(mac, 200)));
    EXPECT_TRUE(line.high());
    auto d = receive_descriptor(0);
    EXPECT_EQ(d.length, 204);
    EXPECT_EQ(d.status, 7);
    EXPECT_EQ(bytes(buffers, 200), to(mac, 200));
    write(reg::receive_control, read(reg::receive_control) | e1000::receive_control::strip_check);
    EXPECT_TRUE(link.card->receive(to(mac, 20)));
    d = receive_descriptor(1);
    EXPECT_EQ(d.length, 60) << "padded";
    EXPECT_EQ(read(reg::receive_head), 2u);
}

TEST_F(E1000Test, SpreadsFramesOverBuffers) {
    write(reg::receive_control, e1000::receive_control::enable | e1000::receive_control::strip_check |
                                    3u << e1000::receive_control::buffer_size_shift);  // 256 bytes each
    offer_buffers(8);
    EXPECT_TRUE(link.card->receive(to(mac, 600)));
    EXPECT_EQ(receive_descriptor(0).length, 256);
    EXPECT_EQ(receive_descriptor(0).status, 5) << "goes on";
    EXPECT_EQ(receive_descriptor(2).length, 88);
    EXPECT_EQ(receive_descriptor(2).status, 7);
    EXPECT_EQ(read(reg::receive_head), 3u);
}

TEST_F(E1000Test, LeavesFramesWithTheLinkUntilThereAreBuffers) {
    EXPECT_FALSE(link.card->receive(to(mac, 60)));
    const unsigned before = link.rooms;
    offer_buffers(1);
    EXPECT_GT(link.rooms, before);
    EXPECT_TRUE(link.card->receive(to(mac, 60)));
    EXPECT_FALSE(link.card->receive(to(mac, 60)));
}

TEST_F(E1000Test, TakesTheFramesThatAreForIt) {
    const auto arrives = [&](const MacAddress& destination) {
        const u32 before = read(reg::receive_head);
        EXPECT_TRUE(link.card->receive(to(destination, 60)));
        return read(reg::receive_head) != before;
    };
    offer_buffers(15);
    constexpr MacAddress broadcast = {255, 255, 255, 255, 255, 255}, other = {2, 0, 0, 0, 0, 9};
    constexpr MacAddress group = {1, 0, 0x5e, 0, 0x12, 0x34};
    EXPECT_TRUE(arrives(mac));
    EXPECT_TRUE(arrives(broadcast));
    EXPECT_FALSE(arrives(other));
    EXPECT_FALSE(arrives(group));
    constexpr unsigned hash = 0x3412 >> 4 & 0xfff;
    write(reg::multicast + (hash >> 5) * 4, 1u << (hash & 31));
    EXPECT_TRUE(arrives(group));
    write(reg::address + 8, 0x00000002);
    write(reg::address + 12, 0x80000900);
    EXPECT_TRUE(arrives(other));
    write(reg::receive_control, e1000::receive_control::enable | e1000::receive_control::unicast_promiscuous);
    EXPECT_TRUE(arrives({2, 2, 2, 2, 2, 2}));
    EXPECT_FALSE(arrives(broadcast));
}

TEST_F(E1000Test, AResetKeepsTheAddress) {
    offer_buffers(4);
    write(reg::mask_set, cause::all);
    write(reg::cause_set, 1);
    write(reg::address, 0);
    write(reg::control, e1000::control::reset);
    EXPECT_FALSE(read(reg::control) & e1000::control::reset);
    EXPECT_FALSE(line.high());
    EXPECT_EQ(read(reg::address), 0x01005452u);
    EXPECT_EQ(read(reg::receive_tail), 0u);
    EXPECT_TRUE(link.card->receive(to(mac, 60))) << "lost";
}

TEST_F(E1000Test, GoesOnAfterSaveAndRestoreInTheMiddleOfAFrame) {
    const Frame f = to(mac, 100);
    const u64 at = load(f);
    offer_buffers(4);
    EXPECT_TRUE(link.card->receive(to(mac, 70)));
    describe(at, 60);
    go();
    const auto state = card->save();
    card.reset();
    FakeLink other;
    EXPECT_FALSE(E1000::restore(surroundings(), other, {1, 2, 3, 4, 5, 6}, state));
    auto restored = E1000::restore(surroundings(), other, mac, state);
    ASSERT_TRUE(restored) << restored.error().message;
    card = std::move(*restored);
    EXPECT_EQ(card->save().fields, state.fields);
    describe(at + 60, 40 | end_and_report);
    go();
    EXPECT_THAT(other.sent, ElementsAre(f));
    EXPECT_TRUE(other.card->receive(to(mac, 80)));
    EXPECT_EQ(bytes(buffers + 0x1000, 80), to(mac, 80));
}

struct E1000MessageTest : E1000Test {
    static constexpr u8 msi = 0x40;  // the capability
    void enable(bool on = true) {
        card->write_configuration(msi + 4, 4, 0xfee0'0000);
        card->write_configuration(msi + 12, 2, 0x41);
        card->write_configuration(msi + 2, 2, on ? 1 : 0);
    }
};

TEST_F(E1000MessageTest, TheCapabilityIsThatOfOneWideMessage) {
    EXPECT_EQ(card->read_configuration(0x34, 1), msi);
    EXPECT_EQ(card->read_configuration(msi, 4), 0x0080'0005u);
}

TEST_F(E1000MessageTest, ACauseIsOneMessageAndThePinStaysLow) {
    enable();
    write(reg::mask_set, cause::transmitted | cause::link_changed);
    write(reg::cause_set, cause::transmitted);
    ASSERT_EQ(messages.sent.size(), 1u);
    EXPECT_EQ(messages.sent[0].address, 0xfee0'0000u);
    EXPECT_EQ(messages.sent[0].data, 0x41u);
    EXPECT_FALSE(line.high());
    write(reg::cause_set, cause::transmitted);  // is still there: nothing new
    EXPECT_EQ(messages.sent.size(), 1u);
    write(reg::cause_set, cause::link_changed);
    EXPECT_EQ(messages.sent.size(), 2u);
    EXPECT_NE(read(reg::cause), 0u);
    write(reg::cause_set, cause::transmitted);
    EXPECT_EQ(messages.sent.size(), 3u);
    // Masked while a driver is at work, and told of again behind it.
    write(reg::mask_clear, ~0u);
    EXPECT_EQ(messages.sent.size(), 3u);
    write(reg::mask_set, cause::transmitted);
    EXPECT_EQ(messages.sent.size(), 4u);
}

TEST_F(E1000MessageTest, EnablingTakesAPendingInterruptOver) {
    write(reg::mask_set, cause::transmitted);
    write(reg::cause_set, cause::transmitted);
    EXPECT_TRUE(line.high());
    enable();
    EXPECT_FALSE(line.high());
    EXPECT_EQ(messages.sent.size(), 1u);
    enable(false);
    EXPECT_TRUE(line.high());
    card->reset();
    write(reg::mask_set, cause::transmitted);
    EXPECT_FALSE(line.high());
    EXPECT_EQ(card->read_configuration(msi + 2, 2), 0x80u);
}

TEST_F(E1000MessageTest, SaveAndRestoreWithAnAnnouncedCause) {
    enable();
    write(reg::mask_set, cause::transmitted | cause::link_changed);
    write(reg::cause_set, cause::transmitted);
    const auto state = card->save();
    messages.sent.clear();
    card.reset();
    FakeLink other;
    auto restored = E1000::restore(surroundings(), other, mac, state);
    ASSERT_TRUE(restored) << restored.error().message;
    card = std::move(*restored);
    EXPECT_EQ(card->save().fields, state.fields);
    EXPECT_TRUE(messages.sent.empty());
    EXPECT_FALSE(line.high());
    write(reg::cause_set, cause::link_changed);
    EXPECT_EQ(messages.sent.size(), 1u);
    auto older = state;
    older.version = 1;
    EXPECT_FALSE(E1000::restore(surroundings(), other, mac, older));
}

}  // namespace
}  // namespace softmetal::devices
