#include "disk/raw_file.hpp"

#include "host/signal_watch.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <future>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

namespace softmetal::disk {
namespace {

using bus::BlockStatus;

host::UniqueFd memory_file(u64 size) {
    host::UniqueFd fd(memfd_create("disk", MFD_CLOEXEC));
    EXPECT_EQ(ftruncate(fd.get(), static_cast<off_t>(size)), 0);
    return fd;
}

template <class Start>
BlockStatus wait(Start&& start) {
    std::promise<BlockStatus> done;
    start([&](BlockStatus s) { done.set_value(s); });
    return done.get_future().get();
}

std::vector<std::byte> pattern(std::size_t n, unsigned seed) {
    std::vector<std::byte> bytes(n);
    for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::byte>(i * 7 + seed);
    return bytes;
}

struct RawFileTest : ::testing::Test {
    std::unique_ptr<RawFile> disk = std::move(*RawFile::open(memory_file(1 << 20), false));
    BlockStatus read(u64 at, std::span<std::byte> into) {
        return wait([&](auto done) { disk->read(at, into, done); });
    }
    BlockStatus write(u64 at, std::span<const std::byte> from) {
        return wait([&](auto done) { disk->write(at, from, done); });
    }
};

TEST_F(RawFileTest, ReadsBackWhatWasWritten) {
    EXPECT_EQ(disk->size_bytes(), 1u << 20);
    EXPECT_FALSE(disk->read_only());
    const auto data = pattern(70'000, 3);
    std::vector<std::byte> back(data.size());
    EXPECT_EQ(write(512, data), BlockStatus::ok);
    EXPECT_EQ(wait([&](auto done) { disk->flush(done); }), BlockStatus::ok);
    EXPECT_EQ(read(512, back), BlockStatus::ok);
    EXPECT_EQ(back, data);
}

TEST_F(RawFileTest, ScatteredBytes) {
    auto data = pattern(5000, 1);
    // More places than one system call takes (IOV_MAX), one of them empty.
    bus::BlockStore::Places places;
    for (std::size_t at = 0; at < data.size(); at += 3)
        places.push_back(std::span(data).subspan(at, std::min<std::size_t>(3, data.size() - at)));
    places.insert(places.begin() + 7, std::span<std::byte>());
    EXPECT_EQ(wait([&](auto done) { disk->write_places(512, places, done); }), BlockStatus::ok);
    std::vector<std::byte> back(data.size());
    EXPECT_EQ(read(512, back), BlockStatus::ok);
    EXPECT_EQ(back, data);
    std::ranges::fill(data, std::byte{0});
    EXPECT_EQ(wait([&](auto done) { disk->read_places(512, places, done); }), BlockStatus::ok);
    EXPECT_EQ(back, data);
    EXPECT_EQ(wait([&](auto done) { disk->read_places((1 << 20) - 4999, places, done); }),
              BlockStatus::io_error);
}

TEST_F(RawFileTest, ZeroesMayGiveTheStorageBack) {
    const auto data = pattern(64 << 10, 1);
    EXPECT_EQ(write(0, data), BlockStatus::ok);
    EXPECT_EQ(wait([&](auto done) { disk->write_zeroes(0, data.size(), true, done); }), BlockStatus::ok);
    std::vector<std::byte> back(data.size(), std::byte{1});
    EXPECT_EQ(read(0, back), BlockStatus::ok);
    EXPECT_EQ(back, std::vector<std::byte>(data.size()));
}

TEST_F(RawFileTest, BeyondTheEndIsAnError) {
    std::vector<std::byte> two(1024);
    EXPECT_EQ(read((1 << 20) - 512, two), BlockStatus::io_error);
    EXPECT_EQ(write((1 << 20) - 512, two), BlockStatus::io_error);
    EXPECT_EQ(read(~u64{0} - 100, two), BlockStatus::io_error);
    EXPECT_EQ(wait([&](auto done) { disk->discard(512, ~u64{0}, done); }), BlockStatus::io_error);
    EXPECT_EQ(wait([&](auto done) { disk->write_zeroes(1 << 20, 512, false, done); }), BlockStatus::io_error);
    EXPECT_EQ(read((1 << 20) - 1024, two), BlockStatus::ok);
    EXPECT_EQ(disk->first_failure(), "");  // the guest's mistake, not the host's
}

TEST_F(RawFileTest, DiscardAndWriteZeroes) {
    const auto data = pattern(4096 * 4, 1);
    ASSERT_EQ(write(0, data), BlockStatus::ok);
    EXPECT_EQ(wait([&](auto done) { disk->discard(0, 4096, done); }), BlockStatus::ok);
    EXPECT_EQ(wait([&](auto done) { disk->write_zeroes(5120, 5000, false, done); }), BlockStatus::ok);
    std::vector<std::byte> back(data.size());
    ASSERT_EQ(read(0, back), BlockStatus::ok);
    for (std::size_t i = 0; i < back.size(); ++i) {
        const bool zeroed = i < 4096 || (i >= 5120 && i < 10120);
        ASSERT_EQ(back[i], zeroed ? std::byte{0} : data[i]) << i;
    }
}

TEST_F(RawFileTest, ManyRequestsAtOnce) {
    constexpr unsigned count = 256;
    std::vector<std::vector<std::byte>> data;
    for (unsigned i = 0; i < count; ++i) data.push_back(pattern(4096, i));
    std::atomic<unsigned> good{0};
    std::promise<void> all;
    std::atomic<unsigned> left{count};
    for (unsigned i = 0; i < count; ++i)
        disk->write(i * 4096, data[i], [&](BlockStatus s) {
            good += s == BlockStatus::ok;
            if (--left == 0) all.set_value();
        });
    all.get_future().wait();
    EXPECT_EQ(good, count);
    std::vector<std::byte> back(4096);
    for (unsigned i = 0; i < count; ++i) {
        ASSERT_EQ(read(i * 4096, back), BlockStatus::ok);
        ASSERT_EQ(back, data[i]);
    }
}

TEST_F(RawFileTest, EndsOnlyWhenAllRequestsHaveCompleted) {
    std::atomic<unsigned> completed{0};
    std::vector<std::byte> buffer(4096);
    for (int i = 0; i < 50; ++i) disk->read(0, buffer, [&](BlockStatus) { ++completed; });
    disk.reset();
    EXPECT_EQ(completed, 50u);
}

TEST(RawFile, ReadOnly) {
    char name[] = "/tmp/raw_file_testXXXXXX";
    host::UniqueFd writable(mkstemp(name));
    ASSERT_EQ(ftruncate(writable.get(), 4096), 0);
    host::UniqueFd fd(::open(name, O_RDONLY | O_CLOEXEC));
    unlink(name);
    auto by_descriptor = RawFile::open(std::move(fd), false);
    auto by_wish = RawFile::open(std::move(writable), true);
    for (auto* disk : {&by_descriptor, &by_wish}) {
        ASSERT_TRUE(disk->has_value());
        EXPECT_TRUE((**disk)->read_only());
        std::vector<std::byte> bytes(512);
        EXPECT_EQ(wait([&](auto done) { (**disk)->write(0, bytes, done); }), BlockStatus::io_error);
        EXPECT_EQ(wait([&](auto done) { (**disk)->discard(0, 512, done); }), BlockStatus::io_error);
        EXPECT_EQ(wait([&](auto done) { (**disk)->write_zeroes(0, 512, false, done); }),
                  BlockStatus::io_error);
        EXPECT_EQ(wait([&](auto done) { (**disk)->flush(done); }), BlockStatus::ok);
        EXPECT_EQ(wait([&](auto done) { (**disk)->read(0, bytes, done); }), BlockStatus::ok);
    }
}

TEST(RawFile, RefusesWhatIsNoDisk) {
    EXPECT_FALSE(RawFile::open(memory_file(0), false).has_value());
    const auto odd = RawFile::open(memory_file(1000), false);
    ASSERT_FALSE(odd.has_value());
    EXPECT_NE(odd.error().message.find("truncate it to 512 or extend it to 1024"), std::string::npos);
    const auto tiny = RawFile::open(memory_file(511), false);  // cut to nothing it would be refused again
    ASSERT_FALSE(tiny.has_value());
    EXPECT_NE(tiny.error().message.find("a multiple of 512; extend it to 512"), std::string::npos);
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    host::UniqueFd a(ends[0]), b(ends[1]);
    EXPECT_FALSE(RawFile::open(std::move(a), false).has_value());
    EXPECT_FALSE(RawFile::open(host::UniqueFd(), false).has_value());
}

// ulimit -f: by default the system kills whoever writes there.
TEST(RawFile, BeyondTheFileSizeLimitIsAnError) {
    auto disk = std::move(*RawFile::open(memory_file(1 << 20), false));
    host::make_writes_fail_softly();
    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    const rlimit limited{1 << 19, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limited), 0);
    const auto data = pattern(4096, 0);
    const auto within = wait([&](auto done) { disk->write((1 << 19) - 4096, data, done); });
    const auto beyond = wait([&](auto done) { disk->write(1 << 19, data, done); });
    const auto across = wait([&](auto done) { disk->write((1 << 19) - 512, data, done); });
    setrlimit(RLIMIT_FSIZE, &before);
    EXPECT_EQ(within, BlockStatus::ok);
    EXPECT_EQ(beyond, BlockStatus::io_error);
    EXPECT_EQ(across, BlockStatus::io_error);
    EXPECT_EQ(disk->first_failure(), "cannot write: File too large");
}

TEST(RawFile, AFullFileSystemIsNoSpace) {
    host::UniqueFd full(::open("/dev/full", O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(full.valid());
    const auto bytes = pattern(512, 0);
    const auto result = host::write_at(full.get(), 0, bytes);
    ASSERT_FALSE(result.has_value());
    EXPECT_TRUE(result.error().no_space());
}

}  // namespace
}  // namespace softmetal::disk
