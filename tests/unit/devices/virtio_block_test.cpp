#include "devices/virtio_block/virtio_block.hpp"

#include "virtio_driver.hpp"

#include <gtest/gtest.h>
#include <random>
#include <thread>

namespace softmetal::devices {
namespace {

namespace feature = virtio_block::feature;
using bus::BlockStatus;
using virtio_block::Request;
using virtio_block::Status;

constexpr u16 next = 1, write_flag = 2;

/// A disk in memory whose requests complete only when a test says so, in the order it says.
class FakeStore : public bus::BlockStore {
 public:
    explicit FakeStore(u64 size = 4 << 20, bool read_only = false) : bytes(size), read_only_(read_only) {}
    u64 size_bytes() const override { return bytes.size(); }
    bool read_only() const override { return read_only_; }
    void read(u64 offset, std::span<std::byte> into, Completion done) override {
        if (!into.empty()) ++reads;
        add(
            [this, offset, into] {
                std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
            },
            std::move(done));
    }
    void write(u64 offset, std::span<const std::byte> from, Completion done) override {
        ++writes;
        add([this, offset,
             from] { std::ranges::copy(from, bytes.begin() + static_cast<std::ptrdiff_t>(offset)); },
            std::move(done));
    }
    void flush(Completion done) override {
        add([this] { ++flushes; }, std::move(done));
    }
    void discard(u64 offset, u64 length, Completion done) override {
        add([this, offset, length] { discards.emplace_back(offset, length); }, std::move(done));
    }
    void write_zeroes(u64 offset, u64 length, bool may_unmap, Completion done) override {
        unmaps += may_unmap;
        add(
            [this, offset, length] {
                std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), length, std::byte{0});
            },
            std::move(done));
    }

    bool finish_one(BlockStatus status = BlockStatus::ok, bool newest = false) {
        std::unique_lock lock(mutex_);
        if (waiting_.empty()) return false;
        auto work = std::move(newest ? waiting_.back() : waiting_.front());
        newest ? waiting_.pop_back() : waiting_.pop_front();
        lock.unlock();
        if (status == BlockStatus::ok) work.first();
        work.second(status);
        return true;
    }
    void finish_all() {
        while (finish_one()) {
        }
    }
    std::size_t waiting() {
        const std::lock_guard lock(mutex_);
        return waiting_.size();
    }

    std::vector<std::byte> bytes;
    std::vector<std::pair<u64, u64>> discards;
    unsigned flushes = 0, writes = 0, reads = 0, unmaps = 0;

 private:
    void add(std::function<void()> work, Completion done) {
        const std::lock_guard lock(mutex_);
        waiting_.emplace_back(std::move(work), std::move(done));
    }
    bool read_only_;
    std::mutex mutex_;
    std::deque<std::pair<std::function<void()>, Completion>> waiting_;
};

struct BlockTest : ::testing::Test, testing::VirtioBench {
    static constexpr u64 all = feature::flush | feature::segment_max | feature::block_size |
                               feature::discard | feature::write_zeroes;
    FakeStore store;

    void SetUp() override {
        ring.size = 256;
        ring.device = 0x5000;
        plug(std::make_unique<VirtioBlock>(store, "disk-1"));
    }
    void TearDown() override { store.finish_all(); }

    static constexpr u64 header_at(unsigned slot) { return 0x10000 + 0x20 * slot; }
    static constexpr u64 status_at(unsigned slot) { return header_at(slot) + 0x18; }
    void header(unsigned slot, Request type, u64 sector) {
        ram.put(header_at(slot), virtio_block::Header{static_cast<u32>(type), 0, sector});
        ram.put<u8>(status_at(slot), 0xaa);
    }
    /// Three descriptors from 3 * slot on: header, data, status.
    void request(unsigned slot, Request type, u64 sector, u64 data, u32 length) {
        const bool device_writes = type == Request::read || type == Request::get_id;
        const u16 d = static_cast<u16>(3 * slot);
        header(slot, type, sector);
        ring.describe(d, {header_at(slot), 16, next, static_cast<u16>(d + 1)});
        ring.describe(static_cast<u16>(d + 1),
                      {data, length, static_cast<u16>(next | (device_writes ? write_flag : 0)),
                       static_cast<u16>(d + 2)});
        ring.describe(static_cast<u16>(d + 2), {status_at(slot), 1, write_flag, 0});
        ring.offer(d);
        notify();
    }
    u8 status_of(unsigned slot) { return ram.get<u8>(status_at(slot)); }
    Status run(Request type, u64 sector, u64 data, u32 length) {
        request(0, type, sector, data, length);
        store.finish_all();
        return static_cast<Status>(status_of(0));
    }
    void fill(u64 address, u64 length, unsigned seed) {
        for (u64 i = 0; i < length; ++i) ram.put<u8>(address + i, static_cast<u8>(i * 13 + i / 256 + seed));
    }
};

TEST_F(BlockTest, Configuration) {
    EXPECT_EQ(device->read_configuration(0, 4), 0x10421af4u);
    const u64 config = virtio::pci_transport::device_offset;
    EXPECT_EQ(read(config, 8), (4u << 20) / 512);
    EXPECT_EQ(read(config + 12, 4), 254u);
    EXPECT_EQ(read(config + 20, 4), 512u);
    EXPECT_EQ(read(config + 36, 4), VirtioBlock::range_sectors_max);
    EXPECT_EQ(read(config + 56, 1), 1u);
    EXPECT_EQ(read(config + 34, 2), 1u);
    EXPECT_EQ(read(config + 0x800, 4), 0u);
    const u64 offered = offered_features();
    EXPECT_EQ(offered & all, all);
    EXPECT_FALSE(offered & feature::read_only);
}

TEST_F(BlockTest, WritesAndReadsBack) {
    bring_up(all);
    fill(0x40000, 8192, 1);
    EXPECT_EQ(run(Request::write, 7, 0x40000, 8192), Status::ok);
    EXPECT_TRUE(std::ranges::equal(std::span(store.bytes).subspan(7 * 512, 8192), ram.at(0x40000, 8192)));
    EXPECT_EQ(run(Request::read, 7, 0x60000, 8192), Status::ok);
    EXPECT_TRUE(std::ranges::equal(ram.at(0x60000, 8192), ram.at(0x40000, 8192)));
    EXPECT_EQ(ring.next_used(), (std::pair<u32, u32>{0, 1}));
    EXPECT_EQ(ring.next_used(), (std::pair<u32, u32>{0, 8193}));
    EXPECT_TRUE(line.high());
    EXPECT_EQ(store.flushes, 0u);
}

/// Translations of what is read are dropped before it arrives and once more when it is there.
TEST_F(BlockTest, ReadsAnnounceWhatChangesTwice) {
    bring_up(all);
    EXPECT_EQ(run(Request::read, 7, 0x60000, 8192), Status::ok);
    const std::vector<std::pair<u64, u64>> announced(2, {0x60000, 8192});
    EXPECT_EQ(ram.changes, announced);
    EXPECT_EQ(run(Request::write, 7, 0x60000, 8192), Status::ok);
    EXPECT_EQ(ram.changes, announced);
}

TEST_F(BlockTest, DataThatIsNotInMemoryIsAnError) {
    bring_up(all);
    EXPECT_EQ(run(Request::read, 7, u64{1} << 40, 8192), Status::io_error);
    EXPECT_EQ(run(Request::write, 7, u64{1} << 40, 8192), Status::io_error);
    EXPECT_EQ(store.reads + store.writes, 0u);
}

TEST_F(BlockTest, WithoutFlushWritesAreMadeDurable) {
    bring_up(all & ~feature::flush);
    EXPECT_EQ(run(Request::write, 0, 0x40000, 512), Status::ok);
    EXPECT_EQ(store.flushes, 1u);
    ram.put(0x40000, virtio_block::Range{8, 8, 0});
    EXPECT_EQ(run(Request::discard, 0, 0x40000, 16), Status::ok);
    EXPECT_EQ(store.flushes, 2u);
    EXPECT_EQ(store.discards.size(), 1u);
    EXPECT_EQ(run(Request::read, 0, 0x40000, 512), Status::ok);
    EXPECT_EQ(store.flushes, 2u);
}

TEST_F(BlockTest, HeaderInPiecesAndDataScattered) {
    bring_up(all);
    header(0, Request::write, 3);
    fill(0x40000, 1024, 9);
    ring.describe(0, {header_at(0), 5, next, 1});
    ring.describe(1, {header_at(0) + 5, 11, next, 2});
    ring.describe(2, {0x40000, 700, next, 3});
    ring.describe(3, {0x40000 + 700, 324, next, 4});
    ring.describe(4, {status_at(0), 1, write_flag, 0});
    ring.offer(0);
    notify();
    store.finish_all();
    EXPECT_EQ(status_of(0), 0);
    EXPECT_TRUE(std::ranges::equal(std::span(store.bytes).subspan(3 * 512, 1024), ram.at(0x40000, 1024)));
}

TEST_F(BlockTest, LongTransfersGoInPieces) {
    bring_up(all);
    fill(0x100000, 3 << 20, 5);
    EXPECT_EQ(run(Request::write, 0, 0x100000, 3 << 20), Status::ok);
    EXPECT_EQ(store.writes, 3u);
    EXPECT_EQ(run(Request::read, 1, 0x800000, (5 << 19) + 512), Status::ok);
    EXPECT_EQ(store.reads, 3u);
    EXPECT_TRUE(std::ranges::equal(ram.at(0x800000, (5 << 19) + 512), ram.at(0x100200, (5 << 19) + 512)));
}

TEST_F(BlockTest, FlushAndIdentity) {
    bring_up(all);
    EXPECT_EQ(run(Request::flush, 0, 0x40000, 0), Status::ok);
    EXPECT_EQ(store.flushes, 1u);
    ram.put<u8>(0x40000 + 20, 0x77);
    EXPECT_EQ(run(Request::get_id, 0, 0x40000, 20), Status::ok);
    EXPECT_EQ(std::memcmp(ram.at(0x40000, 8).data(), "disk-1\0\0", 8), 0);
    EXPECT_EQ(ram.get<u8>(0x40000 + 20), 0x77);
    EXPECT_EQ(run(Request::get_id, 0, 0x40000, 19), Status::io_error);
}

TEST_F(BlockTest, DiscardAndWriteZeroes) {
    bring_up(all);
    std::ranges::fill(store.bytes, std::byte{0xff});
    ram.put(0x40000, virtio_block::Range{8, 8, 0});
    ram.put(0x40010, virtio_block::Range{32, 1, 0});
    EXPECT_EQ(run(Request::discard, 0, 0x40000, 32), Status::ok);
    EXPECT_EQ(store.discards, (std::vector<std::pair<u64, u64>>{{4096, 4096}, {32 * 512, 512}}));
    ram.put(0x40000, virtio_block::Range{1, 2, virtio_block::range_unmap});
    EXPECT_EQ(run(Request::write_zeroes, 0, 0x40000, 16), Status::ok);
    EXPECT_EQ(store.unmaps, 1u);
    EXPECT_EQ(store.bytes[511], std::byte{0xff});
    EXPECT_EQ(store.bytes[512], std::byte{0});
    EXPECT_EQ(store.bytes[1535], std::byte{0});
    EXPECT_EQ(store.bytes[1536], std::byte{0xff});

    ram.put(0x40000, virtio_block::Range{1, 2, virtio_block::range_unmap});
    EXPECT_EQ(run(Request::discard, 0, 0x40000, 16), Status::unsupported);
    ram.put(0x40000, virtio_block::Range{8191, 2, 0});
    EXPECT_EQ(run(Request::discard, 0, 0x40000, 16), Status::io_error);
    ram.put(0x40000, virtio_block::Range{~u64{0}, 2, 0});
    EXPECT_EQ(run(Request::discard, 0, 0x40000, 16), Status::io_error);
    EXPECT_EQ(run(Request::discard, 0, 0x40000, 17), Status::io_error);
    EXPECT_EQ(run(Request::discard, 0, 0x40000, 17 * 16), Status::io_error);
    EXPECT_EQ(store.discards.size(), 2u);
}

TEST_F(BlockTest, BadRequestsAreAnsweredWithErrors) {
    bring_up(all);
    EXPECT_EQ(run(Request::read, 8192, 0x40000, 512), Status::io_error);
    EXPECT_EQ(run(Request::read, 8191, 0x40000, 1024), Status::io_error);
    EXPECT_EQ(run(Request::read, ~u64{0}, 0x40000, 512), Status::io_error);
    EXPECT_EQ(run(Request::read, 0, 0x40000, 100), Status::io_error);
    EXPECT_EQ(run(static_cast<Request>(77), 0, 0x40000, 512), Status::unsupported);
    EXPECT_EQ(run(Request::write, 0, u64{1} << 40, 512), Status::io_error);
    EXPECT_EQ(run(Request::read, 0, u64{1} << 40, 512), Status::io_error);
    EXPECT_EQ(run(Request::write, 8191, 0x40000, 512), Status::ok);
    EXPECT_EQ(status() & virtio::status::needs_reset, 0);
}

TEST_F(BlockTest, StoreErrorsReachTheDriver) {
    bring_up(all);
    for (const auto error : {BlockStatus::io_error, BlockStatus::no_space}) {
        request(0, Request::write, 0, 0x40000, 512);
        ASSERT_TRUE(store.finish_one(error));
        EXPECT_EQ(status_of(0), static_cast<u8>(Status::io_error));
    }
}

TEST_F(BlockTest, RequestsThatCannotBeAnsweredStopTheDevice) {
    bring_up(all);
    header(0, Request::read, 0);
    ring.describe(0, {header_at(0), 16, 0, 0});  // no place for the status
    ring.offer(0);
    notify();
    EXPECT_TRUE(status() & virtio::status::needs_reset);
    set_status(0);
    ring.available = 0;
    ram.put<u16>(ring.driver + 2, 0);
    bring_up(all);
    ring.describe(0, {header_at(0), 15, next, 1});
    ring.describe(1, {status_at(0), 1, write_flag, 0});
    ring.offer(0);
    notify();
    EXPECT_TRUE(status() & virtio::status::needs_reset);
}

TEST_F(BlockTest, CompletionsInAnyOrder) {
    bring_up(all);
    for (unsigned i = 0; i < 3; ++i) request(i, Request::read, i, 0x40000 + 0x1000 * i, 512);
    EXPECT_EQ(store.waiting(), 3u);
    store.finish_one(BlockStatus::ok, true);
    store.finish_one();
    store.finish_one();
    EXPECT_EQ(ring.next_used()->first, 6u);
    EXPECT_EQ(ring.next_used()->first, 0u);
    EXPECT_EQ(ring.next_used()->first, 3u);
}

TEST_F(BlockTest, NoMoreInFlightThanAllowedYetAllAnswered) {
    bring_up(all);
    for (unsigned i = 0; i < 80; ++i)
        request(i, i % 5 ? Request::read : static_cast<Request>(99), i, 0x40000, 512);
    EXPECT_EQ(store.waiting(), VirtioBlock::in_flight_max);
    store.finish_all();
    EXPECT_EQ(ring.used_index(), 80);
    for (unsigned i = 0; i < 80; ++i)
        EXPECT_EQ(status_of(i), static_cast<u8>(i % 5 ? Status::ok : Status::unsupported)) << i;
}

/// Two queues: each request is answered in its own, and a full device forgets neither.
TEST_F(BlockTest, SeveralQueues) {
    plug(std::make_unique<VirtioBlock>(store, "disk-1", 2));
    EXPECT_EQ(read(virtio::pci_transport::device_offset + 34, 2), 2u);
    accept(all | feature::multi_queue | virtio::feature::version_1);
    ring.size = 256;
    testing::TestRing other{
        .ram = ram, .size = 256, .descriptors = 0x8000, .driver = 0xa000, .device = 0xb000};
    set_queue(0, ring);
    set_queue(1, other);
    set_status(15);
    for (unsigned i = 0; i < 80; ++i) request(i, Request::read, i, 0x40000, 512);
    header(81, Request::read, 1);
    other.describe(0, {header_at(81), 16, next, 1});
    other.describe(1, {0x50000, 512, static_cast<u16>(next | write_flag), 2});
    other.describe(2, {status_at(81), 1, write_flag, 0});
    other.offer(0);
    notify(1);
    EXPECT_EQ(other.used_index(), 0);
    store.finish_all();
    EXPECT_EQ(ring.used_index(), 80);
    EXPECT_EQ(other.used_index(), 1);
    EXPECT_EQ(status_of(81), static_cast<u8>(Status::ok));
}

TEST_F(BlockTest, ResetWaitsForWhatIsInFlightAndLeavesTheGuestAlone) {
    bring_up(all);
    request(0, Request::read, 0, 0x40000, 512);
    request(1, Request::write, 4, 0x50000, 512);
    std::thread resetter([&] { set_status(0); });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    EXPECT_NE(status(), 0);  // still waiting
    store.finish_all();
    resetter.join();
    EXPECT_EQ(status(), 0);
    EXPECT_EQ(ring.used_index(), 0);
    EXPECT_EQ(status_of(0), 0xaa);
    EXPECT_FALSE(line.high());
}

TEST_F(BlockTest, SaveDrainsAndTheRestoredDeviceGoesOn) {
    bring_up(all | virtio::feature::event_index);
    fill(0x40000, 1024, 3);
    for (unsigned i = 0; i < 80; ++i) request(i, Request::write, i, 0x40000, 512);
    std::thread backend([&] {
        while (ring.used_index() != 80) {
            if (!store.finish_one()) std::this_thread::yield();
        }
    });
    const bus::SavedState saved = device->save();
    backend.join();
    EXPECT_EQ(store.waiting(), 0u);
    EXPECT_EQ(saved.fields["common"]["queues"][0]["next_used"], 80);
    device.reset();
    auto restored =
        virtio::VirtioPci::restore(surroundings(), std::make_unique<VirtioBlock>(store, "disk-1"), saved);
    ASSERT_TRUE(restored.has_value()) << restored.error().message;
    device = std::move(*restored);
    EXPECT_EQ(run(Request::read, 0, 0x60000, 512), Status::ok);
    EXPECT_TRUE(std::ranges::equal(ram.at(0x60000, 512), ram.at(0x40000, 512)));
    EXPECT_EQ(ring.used_index(), 81);

    device.reset();
    FakeStore smaller(1 << 20);
    EXPECT_FALSE(
        virtio::VirtioPci::restore(surroundings(), std::make_unique<VirtioBlock>(smaller, "x"), saved)
            .has_value());
    FakeStore read_only(4 << 20, true);
    EXPECT_FALSE(
        virtio::VirtioPci::restore(surroundings(), std::make_unique<VirtioBlock>(read_only, "x"), saved)
            .has_value());
}

TEST_F(BlockTest, HostileRequestsNeverHangOrCrash) {
    std::mt19937 random(11);
    for (int round = 0; round < 300; ++round) {
        set_status(0);
        ring.available = 0;
        ram.put<u16>(ring.driver + 2, 0);
        bring_up(round % 2 ? all
                           : all | virtio::feature::event_index | virtio::feature::indirect_descriptors);
        for (unsigned slot = 0; slot < 32; ++slot) {
            header(slot, static_cast<Request>(random() % 14),
                   random() % 2 ? random() % 9000 : random() * u64{random()});
            for (unsigned d = 0; d < 3; ++d)
                ring.describe(static_cast<u16>(3 * slot + d),
                              {d == 0 ? header_at(slot) : random() % (17u << 20),
                               d == 0 ? 16 : static_cast<u32>(random() % 8 ? random() % 5000 : random()),
                               static_cast<u16>(d == 0 ? next : random() % 8),
                               static_cast<u16>(random() % 16 ? 3 * slot + d + 1 : random() % 300)});
        }
        for (unsigned i = 0; i < 32; ++i) ring.offer(static_cast<u16>(3 * i));
        notify();
        unsigned steps = 0;
        while (store.finish_one() && ++steps < 100'000) {
        }
        ASSERT_EQ(store.waiting(), 0u);
    }
}

TEST(VirtioBlockReadOnly, RefusesToChangeTheDisk) {
    FakeStore store(1 << 20, true);
    testing::VirtioBench bench;
    bench.plug(std::make_unique<VirtioBlock>(store, ""));
    const u64 offered = bench.offered_features();
    EXPECT_TRUE(offered & feature::read_only);
    EXPECT_FALSE(offered & (feature::discard | feature::write_zeroes));
    bench.bring_up(feature::read_only | feature::flush);
    for (u16 i = 0; i < 2; ++i) {
        bench.ram.put(0x10000, virtio_block::Header{i ? 13u : 1u, 0, 0});
        bench.ring.describe(0, {0x10000, 16, next, 1});
        bench.ring.describe(1, {0x20000, 512, next, 2});
        bench.ring.describe(2, {0x30000, 1, write_flag, 0});
        bench.ring.offer(0);
        bench.notify();
        store.finish_all();
        EXPECT_EQ(bench.ram.get<u8>(0x30000), 1);
    }
    EXPECT_EQ(store.writes, 0u);
}

}  // namespace
}  // namespace softmetal::devices
