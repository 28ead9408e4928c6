#include "machine/vm_process/socket_byte_stream.hpp"

#include "host/byte_socket.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <gtest/gtest.h>
#include <thread>

namespace softmetal::machine {
namespace {

using namespace std::chrono_literals;
using host::TransferStatus;

class SocketByteStreamTest : public ::testing::Test {
 protected:
    std::unique_ptr<host::EventLoop> loop = host::EventLoop::create().value();
    host::UniqueFd outside;
    std::unique_ptr<SocketByteStream> stream;
    std::atomic<int> readable = 0;
    std::thread runner;

    void SetUp() override {
        auto [mine, theirs] = host::create_byte_socket_pair().value();
        outside = std::move(mine);
        stream = SocketByteStream::create(*loop, std::move(theirs)).value();
        stream->on_readable([this] { ++readable; });
        runner = std::thread([this] { loop->run(); });
    }
    void TearDown() override {
        loop->stop();
        runner.join();
    }

    /// Everything that arrives outside until `count` bytes are there.
    std::vector<u8> receive(std::size_t count) const {
        std::vector<u8> got;
        std::array<u8, 4096> buffer;
        while (got.size() < count) {
            const host::Transfer transfer = host::receive_now(outside.get(), buffer);
            if (transfer.status == TransferStatus::again) {
                std::this_thread::sleep_for(1ms);
                continue;
            }
            if (transfer.status != TransferStatus::moved) break;
            got.insert(got.end(), buffer.begin(), buffer.begin() + static_cast<long>(transfer.count));
        }
        return got;
    }
    static std::vector<u8> pattern(std::size_t count) {
        std::vector<u8> bytes(count);
        for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<u8>(i * 7 + i / 251);
        return bytes;
    }
};

TEST_F(SocketByteStreamTest, WritesInOrderByteByByte) {
    const auto bytes = pattern(5000);
    for (const u8 byte : bytes) stream->write({&byte, 1});
    EXPECT_EQ(receive(bytes.size()), bytes);
}

TEST_F(SocketByteStreamTest, WriterFarAheadWaitsAndLosesNothing) {
    const auto bytes = pattern(3'000'000);
    std::atomic<std::size_t> written = 0;
    std::thread writer([&] {
        for (std::size_t at = 0; at < bytes.size(); at += 1000) {
            stream->write(std::span(bytes).subspan(at, 1000));
            written = at;
        }
    });
    std::this_thread::sleep_for(50ms);
    EXPECT_LT(written, bytes.size() / 2);  // the socket's buffer and ours are far smaller
    EXPECT_EQ(receive(bytes.size()), bytes);
    writer.join();
}

TEST_F(SocketByteStreamTest, StopWaitingFreesTheWriter) {
    std::atomic<bool> done = false;
    std::thread writer([&] {
        const auto bytes = pattern(1000);
        for (int i = 0; i < 3000; ++i) stream->write(bytes);
        done = true;
    });
    std::this_thread::sleep_for(20ms);
    stream->stop_waiting();
    writer.join();
    EXPECT_TRUE(done);
    stream->drain();  // returns although nobody reads
}

TEST_F(SocketByteStreamTest, DrainReturnsWhenAllIsSent) {
    const auto bytes = pattern(100'000);
    stream->write(bytes);
    std::thread reader([&] { EXPECT_EQ(receive(bytes.size()), bytes); });
    stream->drain();
    reader.join();
}

TEST_F(SocketByteStreamTest, OutsideThatLeavesFreesTheWriter) {
    std::thread writer([&] {
        const auto bytes = pattern(1000);
        for (int i = 0; i < 3000; ++i) stream->write(bytes);
    });
    std::this_thread::sleep_for(20ms);
    outside = host::UniqueFd();
    writer.join();
    stream->drain();
}

TEST_F(SocketByteStreamTest, ReadsWhatComesAndSaysSo) {
    std::array<u8, 10> buffer;
    EXPECT_EQ(stream->read(buffer), 0u);
    const std::array<u8, 3> bytes = {1, 2, 3};
    EXPECT_EQ(host::send_now(outside.get(), bytes).count, 3u);
    while (readable == 0) std::this_thread::sleep_for(1ms);
    EXPECT_EQ(stream->read(std::span(buffer).first(2)), 2u);
    EXPECT_EQ(stream->read(buffer), 1u);
    EXPECT_EQ(buffer[0], 3);
}

TEST_F(SocketByteStreamTest, LongInputWaitsOutsideUntilThereIsRoom) {
    const auto bytes = pattern(1'000'000);
    std::thread sender([&] {
        for (std::size_t at = 0; at < bytes.size();) {
            const auto transfer = host::send_now(outside.get(), std::span(bytes).subspan(at));
            if (transfer.status == TransferStatus::moved)
                at += transfer.count;
            else
                std::this_thread::sleep_for(1ms);
        }
    });
    std::vector<u8> got;
    std::array<u8, 777> buffer;
    while (got.size() < bytes.size()) {
        const std::size_t count = stream->read(buffer);
        got.insert(got.end(), buffer.begin(), buffer.begin() + static_cast<long>(count));
        if (count == 0) std::this_thread::sleep_for(1ms);
    }
    sender.join();
    EXPECT_EQ(got, bytes);
}

}  // namespace
}  // namespace softmetal::machine
