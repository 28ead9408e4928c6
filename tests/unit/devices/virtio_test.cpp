// The split ring and the PCI transport, with an entropy source as the simplest of devices.
#include "devices/virtio_rng/virtio_rng.hpp"
#include "virtio_driver.hpp"

#include <gtest/gtest.h>
#include <random>

namespace softmetal::devices {
namespace {

namespace common = virtio::common;
namespace feature = virtio::feature;
namespace layout = virtio::pci_transport;
using testing::TestDescriptor;
using virtio::Virtqueue;

constexpr u16 next = 1, device_writes = 2, indirect = 4;

struct RingTest : ::testing::Test {
    testing::FakeRam ram;
    testing::TestRing ring{.ram = ram};
    Virtqueue queue{64, ram};

    void SetUp() override { start(false); }
    void start(bool event_index) {
        queue.reset();
        auto& s = queue.configure();
        s.size = ring.size;
        s.event_index = event_index;
        s.descriptors = ring.descriptors;
        s.driver = ring.driver;
        s.device = ring.device;
        ASSERT_TRUE(queue.enable());
    }
    void push(u16 head, u32 written) {
        const Virtqueue::Used one{head, written};
        queue.push(std::span(&one, 1));
    }
    void expect_broken() {
        EXPECT_FALSE(queue.pop().has_value());
        EXPECT_TRUE(queue.broken());
    }
};

TEST_F(RingTest, EmptyIsNotBroken) {
    EXPECT_FALSE(queue.pop().has_value());
    EXPECT_FALSE(queue.broken());
}

TEST_F(RingTest, ChainOfReadableAndWritable) {
    ring.describe(5, {0x10000, 16, next, 2});
    ring.describe(2, {0x20000, 512, next | device_writes, 9});
    ring.describe(9, {0x30000, 1, device_writes, 0});
    ring.offer(5);
    const auto chain = queue.pop();
    ASSERT_TRUE(chain.has_value());
    EXPECT_EQ(chain->head, 5);
    ASSERT_EQ(chain->readable.size(), 1u);
    ASSERT_EQ(chain->writable.size(), 2u);
    EXPECT_EQ(chain->readable[0].address.value, 0x10000u);
    EXPECT_EQ(virtio::total_length(chain->writable), 513u);
    EXPECT_FALSE(queue.pop().has_value());
    push(5, 513);
    EXPECT_EQ(ring.next_used(), (std::pair<u32, u32>{5, 513}));
}

TEST_F(RingTest, Indirect) {
    ring.describe(0, {0x8000, 3 * 16, indirect, 0});
    ram.put(0x8000, TestDescriptor{0x10000, 16, next, 1});
    ram.put(0x8010, TestDescriptor{0x20000, 100, next | device_writes, 2});
    ram.put(0x8020, TestDescriptor{0x30000, 1, device_writes, 0});
    ring.offer(0);
    const auto chain = queue.pop();
    ASSERT_TRUE(chain.has_value());
    EXPECT_EQ(chain->readable.size(), 1u);
    EXPECT_EQ(chain->writable.size(), 2u);
}

TEST_F(RingTest, IndicesWrapAroundTheirSixteenBits) {
    ring.describe(0, {0x10000, 4, device_writes, 0});
    for (unsigned i = 0; i < 0x10010; ++i) {
        ring.offer(0);
        ASSERT_TRUE(queue.pop().has_value()) << i;
        push(0, 4);
        ASSERT_TRUE(ring.next_used().has_value()) << i;
    }
    EXPECT_FALSE(queue.broken());
}

TEST_F(RingTest, LoopBreaks) {
    ring.describe(0, {0x10000, 4, next, 1});
    ring.describe(1, {0x10000, 4, next, 0});
    ring.offer(0);
    expect_broken();
    EXPECT_FALSE(queue.pop().has_value());
}

TEST_F(RingTest, HeadBeyondTheTableBreaks) {
    ring.offer(16);
    expect_broken();
}

TEST_F(RingTest, NextBeyondTheTableBreaks) {
    ring.describe(0, {0x10000, 4, next, 1000});
    ring.offer(0);
    expect_broken();
}

TEST_F(RingTest, MoreAvailableThanTheRingHoldsBreaks) {
    ram.put<u16>(ring.driver + 2, 17);
    expect_broken();
}

TEST_F(RingTest, ReadableAfterWritableBreaks) {
    ring.describe(0, {0x10000, 4, next | device_writes, 1});
    ring.describe(1, {0x10000, 4, 0, 0});
    ring.offer(0);
    expect_broken();
}

TEST_F(RingTest, LengthThatWrapsTheAddressBreaks) {
    ring.describe(0, {~u64{0} - 3, 8, 0, 0});
    ring.offer(0);
    expect_broken();
}

TEST_F(RingTest, BadIndirectTablesBreak) {
    const TestDescriptor bad[] = {
        {0x8000, 0, indirect, 0},         {0x8000, 17, indirect, 0},
        {0x8000, 16, indirect | next, 1}, {0x8000, 16, indirect | device_writes, 0},
        {~u64{0} - 7, 16, indirect, 0},   {u64{1} << 40, 16, indirect, 0},
    };
    ram.put(0x8000, TestDescriptor{0x10000, 4, device_writes, 0});
    for (const auto& d : bad) {
        ring.available = 0;
        start(false);
        ring.describe(0, d);
        ring.offer(0);
        expect_broken();
    }
    // A table in a table, and a table that points back at itself.
    ring.available = 0;
    start(false);
    ring.describe(0, {0x8000, 16, indirect, 0});
    ram.put(0x8000, TestDescriptor{0x8000, 16, indirect, 0});
    ring.offer(0);
    expect_broken();
}

TEST_F(RingTest, ChainLongerThanTheGreatestQueueBreaks) {
    ring.describe(0, {0x8000, 100 * 16, indirect, 0});
    for (u16 i = 0; i < 100; ++i)
        ram.put(0x8000 + 16 * i, TestDescriptor{0x10000, 4, i < 99 ? next : u16{0}, static_cast<u16>(i + 1)});
    ring.offer(0);
    expect_broken();
}

TEST_F(RingTest, RingsOutsideMemoryBreak) {
    queue.reset();
    auto& s = queue.configure();
    s.descriptors = s.driver = s.device = u64{1} << 50;
    ASSERT_TRUE(queue.enable());
    expect_broken();

    ring.describe(0, {0x10000, 4, device_writes, 0});
    ring.offer(0);
    start(false);
    queue.reset();
    auto& t = queue.configure();
    t.size = ring.size;
    t.descriptors = ring.descriptors;
    t.driver = ring.driver;
    t.device = u64{1} << 50;
    ASSERT_TRUE(queue.enable());
    ASSERT_TRUE(queue.pop().has_value());
    push(0, 4);
    EXPECT_TRUE(queue.broken());
}

TEST_F(RingTest, MisalignedPartsBreak) {
    queue.reset();
    queue.configure().descriptors = 8;
    EXPECT_FALSE(queue.enable());
    expect_broken();
}

TEST_F(RingTest, InterruptFlagIsHonoured) {
    ring.describe(0, {0x10000, 4, device_writes, 0});
    for (const u16 flag : {0, 1}) {
        ring.set_flags(flag);
        ring.offer(0);
        ASSERT_TRUE(queue.pop().has_value());
        push(0, 4);
        EXPECT_EQ(queue.interrupt_wanted(), flag == 0);
    }
    ring.set_flags(0);
    EXPECT_FALSE(queue.interrupt_wanted());  // nothing pushed since
}

TEST_F(RingTest, EventIndexSaysWhenToInterruptAndToNotify) {
    start(true);
    ring.describe(0, {0x10000, 4, device_writes, 0});
    ring.set_used_event(1);  // after the second
    std::string wanted;
    for (int i = 0; i < 4; ++i) {
        ring.offer(0);
        ASSERT_TRUE(queue.pop().has_value());
        push(0, 4);
        wanted += queue.interrupt_wanted() ? 'y' : 'n';
    }
    EXPECT_EQ(wanted, "nynn");
    EXPECT_FALSE(queue.pop().has_value());
    EXPECT_EQ(ring.available_event(), 4);
}

TEST_F(RingTest, RandomRingsNeverHang) {
    std::mt19937 random(7);
    for (int round = 0; round < 2000; ++round) {
        ring.available = 0;
        start(round % 2);
        for (u64 at = ring.descriptors; at < ring.descriptors + 16u * 16; at += 16)
            ram.put(at, TestDescriptor{random() % 3 ? random() % (20u << 20) : random() * u64{random()},
                                       static_cast<u32>(random() % 4 ? random() % 4096 : random()),
                                       static_cast<u16>(random() % 9), static_cast<u16>(random() % 18)});
        for (unsigned i = 0; i < 16; ++i) ring.offer(static_cast<u16>(random() % 17));
        for (int pops = 0; pops < 16; ++pops) {
            const auto chain = queue.pop();
            if (!chain) break;
            EXPECT_LE(chain->readable.size() + chain->writable.size(), 65u);
            push(chain->head, 0);
            (void)queue.interrupt_wanted();
        }
    }
}

TEST_F(RingTest, RestoreRefusesImpossibleStates) {
    auto s = queue.state();
    EXPECT_TRUE(queue.restore(s));
    s.size = 12;
    EXPECT_FALSE(queue.restore(s));
    s.size = 128;
    EXPECT_FALSE(queue.restore(s));
    s.size = 16;
    s.descriptors = 3;
    EXPECT_FALSE(queue.restore(s));
}

struct TransportTest : ::testing::Test, testing::VirtioBench {
    void SetUp() override { plug(model()); }
    std::unique_ptr<virtio::Model> model() {
        return std::make_unique<VirtioRng>([this](std::span<std::byte> b) {
            for (auto& x : b) x = static_cast<std::byte>(++counter);
        });
    }
    void ask(u64 address, u32 length) {
        ring.describe(0, {address, length, device_writes, 0});
        ring.offer(0);
        notify();
    }
    unsigned counter = 0;
};

TEST_F(TransportTest, Identity) {
    EXPECT_EQ(device->read_configuration(0, 4), 0x10441af4u);
    EXPECT_EQ(device->read_configuration(8, 1), 1u);
    for (int type : {1, 2, 3, 5}) EXPECT_NE(find_capability(9, type), 0) << type;
    EXPECT_EQ(find_capability(9, 4), 0);  // no device configuration, so no capability for it
    EXPECT_NE(find_capability(0x11), 0);
    const u8 notify_capability = find_capability(9, 2);
    EXPECT_EQ(device->read_configuration(notify_capability, 1), 9u);
    EXPECT_EQ(device->read_configuration(static_cast<u8>(notify_capability + 2), 1), 20u);
    EXPECT_EQ(device->read_configuration(static_cast<u8>(notify_capability + 8), 4), layout::notify_offset);
    EXPECT_EQ(device->read_configuration(static_cast<u8>(notify_capability + 16), 4), 4u);
    EXPECT_EQ(read(common::queue_count, 2), 1u);
    EXPECT_EQ(read(common::queue_size, 2), 8u);
    write(common::queue_select, 2, 1);
    EXPECT_EQ(read(common::queue_size, 2), 0u);
    EXPECT_EQ(offered_features(), feature::version_1 | feature::indirect_descriptors);
}

TEST_F(TransportTest, FeaturesThatAreNotOfferedAreRefused) {
    accept(feature::version_1 | 1);
    EXPECT_EQ(status(), 3);
    set_status(0);
    accept(feature::indirect_descriptors);  // without VERSION_1
    EXPECT_EQ(status(), 3);
    set_status(7);  // not before the features
    EXPECT_EQ(status(), 3);
    set_status(0);
    accept(feature::version_1);
    EXPECT_EQ(status(), 11);
}

TEST_F(TransportTest, AnswersWithAnInterruptOnThePin) {
    ring.size = 8;
    bring_up(0);
    ask(0x10000, 64);
    EXPECT_EQ(ring.next_used(), (std::pair<u32, u32>{0, 64}));
    EXPECT_EQ(ram.get<u8>(0x10000), 1);
    EXPECT_EQ(ram.get<u8>(0x1003f), 64);
    EXPECT_TRUE(line.high());
    EXPECT_EQ(isr(), virtio::isr::queue);
    EXPECT_FALSE(line.high());
    EXPECT_EQ(isr(), 0);
}

TEST_F(TransportTest, LongRequestsGetPart) {
    ring.size = 8;
    bring_up(0);
    ask(0x10000, 1 << 20);
    EXPECT_EQ(ring.next_used(), (std::pair<u32, u32>{0, VirtioRng::answer_max}));
}

TEST_F(TransportTest, MsixVectorsInsteadOfThePin) {
    ring.size = 8;
    enable_msix();
    EXPECT_EQ(read(common::queue_vector, 2), 1u);
    bring_up(0);
    ask(0x10000, 8);
    ASSERT_EQ(messages.sent.size(), 1u);
    EXPECT_EQ(messages.sent[0].data, 0x41u);
    EXPECT_FALSE(line.high());
    write(common::queue_vector, 2, 7);
    EXPECT_EQ(read(common::queue_vector, 2), virtio::no_vector);
}

TEST_F(TransportTest, NothingHappensBeforeDriverOk) {
    ring.size = 8;
    accept(feature::version_1);
    set_queue();
    ask(0x10000, 8);
    EXPECT_EQ(ring.used_index(), 0);
    set_status(15);  // what waits is served then
    EXPECT_EQ(ring.used_index(), 1);
}

TEST_F(TransportTest, QueueSettingsHoldOnceEnabled) {
    ring.size = 8;
    write(common::queue_size, 2, 3);
    EXPECT_EQ(read(common::queue_size, 2), 8u);
    write(common::queue_size, 2, 16);
    EXPECT_EQ(read(common::queue_size, 2), 8u);
    bring_up(0);
    write(common::queue_size, 2, 4);
    write(common::queue_descriptors, 4, 0x9000);
    EXPECT_EQ(read(common::queue_size, 2), 8u);
    EXPECT_EQ(read(common::queue_descriptors, 8), ring.descriptors);
}

TEST_F(TransportTest, BrokenRingNeedsReset) {
    ring.size = 8;
    enable_msix();
    bring_up(0);
    ring.offer(99);
    notify();
    EXPECT_EQ(status(), 15 | virtio::status::needs_reset);
    ASSERT_EQ(messages.sent.size(), 1u);
    EXPECT_EQ(messages.sent[0].data, 0x40u);  // configuration change
    ask(0x10000, 8);
    EXPECT_EQ(ring.used_index(), 0);
    set_status(0);
    EXPECT_EQ(status(), 0);
    ring.available = 0;
    ram.put<u16>(ring.driver + 2, 0);
    bring_up(0);
    ask(0x10000, 8);
    EXPECT_EQ(ring.used_index(), 1);
}

TEST_F(TransportTest, UnansweredBufferOutsideMemoryNeedsReset) {
    ring.size = 8;
    bring_up(0);
    ask(u64{1} << 45, 8);
    EXPECT_TRUE(status() & virtio::status::needs_reset);
}

TEST_F(TransportTest, WithoutBusMasterTheRingCannotBeRead) {
    ring.size = 8;
    bring_up(0);
    device->write_configuration(4, 2, 2);
    ask(0x10000, 8);
    EXPECT_TRUE(status() & virtio::status::needs_reset);
    EXPECT_EQ(ring.used_index(), 0);
}

TEST_F(TransportTest, MisalignedQueueNeedsReset) {
    ring.descriptors = 0x1004;
    accept(feature::version_1);
    set_queue();
    EXPECT_TRUE(status() & virtio::status::needs_reset);
}

TEST_F(TransportTest, ResetForgets) {
    ring.size = 8;
    bring_up(0);
    ask(0x10000, 8);
    set_status(0);
    EXPECT_EQ(status(), 0);
    EXPECT_FALSE(line.high());
    EXPECT_EQ(read(common::queue_enable, 2), 0u);
    device->reset();
    EXPECT_EQ(read(common::queue_count, 2), 0xffffu);  // the BAR is gone
}

TEST_F(TransportTest, WindowInConfigurationSpace) {
    const u8 at = find_capability(9, layout::capability_pci_access);
    const auto field = [&](u8 o, unsigned width, u32 v) {
        device->write_configuration(static_cast<u8>(at + o), width, v);
    };
    device->write_configuration(4, 2, 0);  // the BAR need not be mapped
    field(4, 1, 0);
    field(8, 4, common::queue_size);
    field(12, 4, 2);
    EXPECT_EQ(device->read_configuration(static_cast<u8>(at + 16), 2), 8u);
    field(8, 4, common::device_status);
    field(12, 4, 1);
    field(16, 1, 3);
    device->write_configuration(0x10, 4, static_cast<u32>(bar));
    device->write_configuration(4, 2, 6);
    EXPECT_EQ(status(), 3);
    field(12, 4, 3);  // no such width
    field(16, 4, 0);
    EXPECT_EQ(status(), 3);
    field(12, 4, 4);
    field(8, 4, 0xffff'fffc);
    field(16, 4, 0);
    EXPECT_EQ(device->read_configuration(static_cast<u8>(at + 16), 4), 0u);
}

TEST_F(TransportTest, SaveAndRestoreRunning) {
    ring.size = 8;
    enable_msix();
    bring_up(0);
    ask(0x10000, 8);
    const bus::SavedState saved = device->save();
    device.reset();
    auto restored = virtio::VirtioPci::restore(surroundings(), model(), saved);
    ASSERT_TRUE(restored.has_value()) << restored.error().message;
    device = std::move(*restored);
    EXPECT_EQ(device->save().fields, saved.fields);
    messages.sent.clear();
    ask(0x20000, 16);
    EXPECT_EQ(ring.used_index(), 2);
    ASSERT_EQ(messages.sent.size(), 1u);
    EXPECT_EQ(messages.sent[0].data, 0x41u);

    const auto refused = [&](auto change) {
        bus::SavedState bad = saved;
        change(bad.fields);
        return !virtio::VirtioPci::restore(surroundings(), model(), bad).has_value();
    };
    device.reset();
    EXPECT_TRUE(refused([](auto& f) { f.erase("common"); }));
    EXPECT_TRUE(refused([](auto& f) { f["common"]["features"] = 1; }));
    EXPECT_TRUE(refused([](auto& f) { f["common"]["queues"][0]["size"] = 7; }));
    EXPECT_TRUE(refused([](auto& f) { f["common"]["queues"].push_back(1); }));
    EXPECT_TRUE(refused([](auto& f) { f["common"]["config_vector"] = 9; }));
    EXPECT_TRUE(refused([](auto& f) { f["common"]["driver_features"] = 0xff; }));
    EXPECT_TRUE(refused([](auto& f) { f["model"]["model"] = "block"; }));
    EXPECT_TRUE(refused([](auto& f) { f["configuration"]["bytes"][2] = 0; }));
    EXPECT_FALSE(refused([](auto&) {}));
}

}  // namespace
}  // namespace softmetal::devices
