#include "devices/virtio_balloon/virtio_balloon.hpp"

#include "virtio_driver.hpp"

#include <gmock/gmock.h>

namespace softmetal::devices {
namespace {

using namespace virtio_balloon;
using ::testing::ElementsAre;
using ::testing::Pair;

constexpr u16 write_flag = 2;

/// Remembers what was given back, and takes all of it.
struct FakeReclaim final : bus::MemoryReclaim {
    u64 reclaim(GuestPhysical first, u64 bytes) override {
        given.emplace_back(first.value, bytes);
        return bytes;
    }
    std::vector<std::pair<u64, u64>> given;
};

struct VirtioBalloonTest : ::testing::Test, testing::VirtioBench {
    FakeReclaim host;
    VirtioBalloon* balloon = nullptr;
    testing::TestRing reports{.ram = ram, .descriptors = 0x11000, .driver = 0x13000, .device = 0x14000};

    std::unique_ptr<VirtioBalloon> model() {
        auto made = std::make_unique<VirtioBalloon>(host);
        balloon = made.get();
        return made;
    }
    void SetUp() override {
        plug(model());
        accept(feature::reporting | feature::deflate_on_oom | virtio::feature::version_1);
        set_queue(inflate_queue, ring);
        set_queue(linux_reporting_queue(0), reports);
        set_status(15);
        ASSERT_EQ(status(), 15);
    }
    u32 configuration(u64 offset) {
        return static_cast<u32>(read(virtio::pci_transport::device_offset + offset, 4));
    }
    void inflate(u16 index, std::initializer_list<u32> pages) {
        u64 at = 0x100000 + index * 0x1000u;
        ring.describe(index, {.address = at, .length = static_cast<u32>(4 * pages.size())});
        for (u32 page : pages) {
            ram.put<u32>(at, page);
            at += 4;
        }
        ring.offer(index);
        notify(inflate_queue);
    }
};

TEST_F(VirtioBalloonTest, NeighbouringPagesGoBackTogether) {
    inflate(0, {0x100, 0x101, 0x102, 0x200, 0x1ff});
    EXPECT_THAT(host.given,
                ElementsAre(Pair(0x100000, 0x3000), Pair(0x200000, 0x1000), Pair(0x1ff000, 0x1000)));
    EXPECT_EQ(ring.next_used(), (std::pair<u32, u32>{0, 0}));
    EXPECT_EQ(balloon->reclaimed(), 0x5000u);
}

TEST_F(VirtioBalloonTest, PageNumbersReachBeyondFourGib) {
    inflate(0, {0xffff'ffff});
    EXPECT_THAT(host.given, ElementsAre(Pair(0xfff'ffff'f000, 0x1000)));
}

TEST_F(VirtioBalloonTest, ReportedMemoryGoesBackAsItIs) {
    reports.describe(0, {.address = 0x400000, .length = 0x200000, .flags = write_flag});
    reports.offer(0);
    notify(linux_reporting_queue(0));
    EXPECT_THAT(host.given, ElementsAre(Pair(0x400000, 0x200000)));
    EXPECT_EQ(reports.next_used(), (std::pair<u32, u32>{0, 0}));
}

TEST_F(VirtioBalloonTest, TheDriverHearsOfATargetAndSaysHowFarItIs) {
    EXPECT_EQ(configuration(0), 0u);
    const u64 generation = read(virtio::common::config_generation, 1);
    balloon->set_target(64 << 20);
    EXPECT_EQ(isr(), 2) << "the configuration has changed";
    EXPECT_NE(read(virtio::common::config_generation, 1), generation);
    EXPECT_EQ(configuration(0), 0x4000u);
    write(virtio::pci_transport::device_offset + actual_pages_offset, 4, 0x1234);
    EXPECT_EQ(configuration(4), 0x1234u);
    EXPECT_EQ(balloon->size(), 0x1234'000u);
    write(virtio::pci_transport::device_offset, 4, 99);  // the target is not the driver's to set
    EXPECT_EQ(configuration(0), 0x4000u);
}

TEST_F(VirtioBalloonTest, PageNumbersOutsideMemoryNeedReset) {
    ring.describe(0, {.address = 0x7fff'0000, .length = 4});
    ring.offer(0);
    notify(inflate_queue);
    EXPECT_TRUE(host.given.empty());
    EXPECT_EQ(status() & virtio::status::needs_reset, virtio::status::needs_reset);
}

TEST_F(VirtioBalloonTest, ResetKeepsTheTargetAndForgetsTheRest) {
    balloon->set_target(1 << 20);
    write(virtio::pci_transport::device_offset + actual_pages_offset, 4, 7);
    set_status(0);
    EXPECT_EQ(configuration(0), 0x100u);
    EXPECT_EQ(configuration(4), 0u);
}

struct BalloonStatisticsTest : VirtioBalloonTest {
    testing::TestRing statistics{.ram = ram, .descriptors = 0x15000, .driver = 0x17000, .device = 0x18000};
    unsigned arrivals = 0;

    void SetUp() override {
        plug(model());
        accept(feature::reporting | feature::statistics | virtio::feature::version_1);
        set_queue(inflate_queue, ring);
        set_queue(statistics_queue, statistics);
        set_queue(linux_reporting_queue(feature::statistics), reports);
        balloon->on_statistics([this] { arrivals++; });
        set_status(15);
    }
    void say(std::initializer_list<std::pair<u16, u64>> numbers, u32 more_bytes = 0) {
        const u64 at = 0x200000;
        statistics.describe(0, {.address = at, .length = static_cast<u32>(10 * numbers.size()) + more_bytes});
        for (u64 to = at; const auto& [tag, value] : numbers) {
            ram.put(to, tag);
            ram.put(to + 2, value);
            to += 10;
        }
        statistics.offer(0);
        notify(statistics_queue);
    }
};

TEST_F(BalloonStatisticsTest, TheBufferComesBackWhenItIsAskedFor) {
    say({{statistic::total_memory, 0x4000'0000}, {0, 1}, {statistic::free_memory, 5}, {0xffff, 2}});
    EXPECT_EQ(balloon->statistics().total, 0x4000'0000u);
    EXPECT_EQ(balloon->statistics().free, 5u);
    EXPECT_FALSE(balloon->statistics().available);
    EXPECT_FALSE(statistics.next_used()) << "the driver is not to say it again and again";
    EXPECT_EQ(arrivals, 0u);

    EXPECT_TRUE(balloon->ask_for_statistics());
    EXPECT_EQ(statistics.next_used(), (std::pair<u32, u32>{0, 0}));
    EXPECT_TRUE(balloon->ask_for_statistics());  // while the driver has the buffer
    EXPECT_EQ(arrivals, 0u);
    say({{statistic::available_memory, 77}});
    EXPECT_EQ(arrivals, 1u);
    EXPECT_EQ(balloon->statistics().available, 77u);
    EXPECT_FALSE(balloon->statistics().total);
    notify(statistics_queue);  // for nothing
    EXPECT_EQ(arrivals, 1u);
}

TEST_F(BalloonStatisticsTest, OddBuffersAreReadAsFarAsTheyGo) {
    say({{statistic::free_memory, 9}}, 9);
    EXPECT_EQ(balloon->statistics().free, 9u);
    statistics.describe(0, {.address = 0x7fff'0000, .length = 10});
    EXPECT_TRUE(balloon->ask_for_statistics());
    statistics.offer(0);
    notify(statistics_queue);
    EXPECT_EQ(status() & virtio::status::needs_reset, virtio::status::needs_reset);
    EXPECT_FALSE(balloon->ask_for_statistics());
}

TEST_F(BalloonStatisticsTest, ReportsAreInTheNextQueue) {
    reports.describe(0, {.address = 0x400000, .length = 0x200000, .flags = write_flag});
    reports.offer(0);
    notify(3);
    EXPECT_THAT(host.given, ElementsAre(Pair(0x400000, 0x200000)));
}

TEST_F(BalloonStatisticsTest, WithoutADriverNobodyIsAsked) {
    say({{statistic::free_memory, 9}});
    set_status(0);
    EXPECT_FALSE(balloon->ask_for_statistics());
    EXPECT_FALSE(balloon->statistics().free);
}

TEST_F(BalloonStatisticsTest, SaveAndRestoreWithABufferInTheQueue) {
    say({{statistic::free_memory, 9}});
    const bus::SavedState saved = device->save();
    device.reset();
    auto restored = virtio::VirtioPci::restore(surroundings(), model(), saved);
    ASSERT_TRUE(restored) << restored.error().message;
    device = std::move(*restored);
    EXPECT_EQ(device->save().fields, saved.fields);
    balloon->on_statistics([this] { arrivals++; });
    EXPECT_TRUE(balloon->ask_for_statistics());
    EXPECT_EQ(statistics.next_used(), (std::pair<u32, u32>{0, 0}));
    say({{statistic::free_memory, 10}});
    EXPECT_EQ(arrivals, 1u);
    EXPECT_EQ(balloon->statistics().free, 10u);
}

TEST_F(VirtioBalloonTest, SaveAndRestoreInTheMiddleOfWork) {
    balloon->set_target(1 << 20);
    write(virtio::pci_transport::device_offset + actual_pages_offset, 4, 7);
    reports.describe(1, {.address = 0x600000, .length = 0x1000, .flags = write_flag});
    reports.offer(1);  // the driver has not notified yet
    const bus::SavedState saved = device->save();
    device.reset();
    auto restored = virtio::VirtioPci::restore(surroundings(), model(), saved);
    ASSERT_TRUE(restored) << restored.error().message;
    device = std::move(*restored);
    EXPECT_EQ(device->save().fields, saved.fields);
    EXPECT_EQ(configuration(0), 0x100u);
    EXPECT_EQ(configuration(4), 7u);
    notify(linux_reporting_queue(0));
    EXPECT_THAT(host.given, ElementsAre(Pair(0x600000, 0x1000)));
    balloon->set_target(0);
    EXPECT_EQ(isr() & 2, 2) << "it knows its transport";
}

}  // namespace
}  // namespace softmetal::devices
