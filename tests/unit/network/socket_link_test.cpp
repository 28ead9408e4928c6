// The cable between two processes, here between two ends in one.
#include "network/socket_link.hpp"

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <gtest/gtest.h>
#include <mutex>
#include <thread>

namespace softmetal::network {
namespace {

using Frame = std::vector<std::byte>;
using namespace std::chrono_literals;

struct FakeCard final : bus::NetworkCard {
    bool receive(std::span<const std::byte> frame) override {
        const std::lock_guard lock(mutex);
        if (buffers == 0) return false;
        buffers--;
        frames.emplace_back(frame.begin(), frame.end());
        changed.notify_all();
        return true;
    }
    void may_send() override {
        const std::lock_guard lock(mutex);
        calls++;
        changed.notify_all();
    }
    template <class Condition>
    bool wait(Condition condition) {
        std::unique_lock lock(mutex);
        return changed.wait_for(lock, 20s, condition);
    }
    std::mutex mutex;
    std::condition_variable changed;
    unsigned buffers = 1000, calls = 0;
    std::vector<Frame> frames;
};

Frame frame(u32 number, std::size_t size = 100) {
    Frame f(size);
    std::memcpy(f.data(), &number, sizeof number);
    return f;
}

struct SocketLinkTest : ::testing::Test {
    std::unique_ptr<host::EventLoop> loop;
    host::UniqueFd far_end;
    std::unique_ptr<SocketLink> link;
    FakeCard card;
    host::FrameReader reader{bus::ethernet_frame_max};
    std::thread thread;

    void SetUp() override {
        auto made_loop = host::EventLoop::create();
        auto ends = host::create_frame_socket_pair();
        ASSERT_TRUE(made_loop && ends);
        loop = std::move(*made_loop);
        far_end = std::move(ends->second);
        auto made = SocketLink::create(*loop, std::move(ends->first));
        ASSERT_TRUE(made);
        link = std::move(*made);
        link->connect(card);
        thread = std::thread([this] { loop->run(); });
    }
    void TearDown() override {
        loop->stop();
        thread.join();
    }
    int far() const { return far_end.get(); }
};

TEST_F(SocketLinkTest, KeepsFramesApartAndInOrder) {
    for (u32 i = 0; i < 200; i++) ASSERT_EQ(host::send_frame(far(), frame(i, 60 + i)), host::FrameSent::sent);
    ASSERT_TRUE(card.wait([&] { return card.frames.size() == 200; }));
    for (u32 i = 0; i < 200; i++) EXPECT_EQ(card.frames[i], frame(i, 60 + i));
    ASSERT_TRUE(link->send(frame(7)));
    const auto front = reader.front(far());
    EXPECT_EQ(Frame(front.begin(), front.end()), frame(7));
}

TEST_F(SocketLinkTest, WaitsForACardWithoutRoom) {
    card.buffers = 3;
    for (u32 i = 0; i < 100; i++) ASSERT_EQ(host::send_frame(far(), frame(i)), host::FrameSent::sent);
    ASSERT_TRUE(card.wait([&] { return card.frames.size() == 3; }));
    std::this_thread::sleep_for(20ms);
    for (unsigned more : {40u, 57u}) {
        {
            const std::lock_guard lock(card.mutex);
            card.buffers = more;
        }
        link->room();
        ASSERT_TRUE(card.wait([&] { return card.buffers == 0; }));
    }
    for (u32 i = 0; i < 100; i++) EXPECT_EQ(card.frames[i], frame(i)) << "none lost, none twice";
}

TEST_F(SocketLinkTest, CallsTheCardWhenTheFarEndHasMadeRoom) {
    u32 sent = 0;
    while (link->send(frame(sent, 1500))) ASSERT_LT(++sent, 100'000u);
    EXPECT_EQ(card.calls, 0u);
    u32 received = 0;
    for (; !reader.front(far()).empty(); reader.pop()) received++;
    EXPECT_EQ(received, sent);
    EXPECT_TRUE(card.wait([&] { return card.calls > 0; }));
    EXPECT_TRUE(link->send(frame(0)));
}

TEST_F(SocketLinkTest, CallsBackWhenAskedTo) {
    link->call_back();
    EXPECT_TRUE(card.wait([&] { return card.calls == 1; }));
}

TEST_F(SocketLinkTest, LosesFramesWhereNobodyIsThere) {
    far_end = host::UniqueFd();
    for (u32 i = 0; i < 10; i++) EXPECT_TRUE(link->send(frame(i)));
}

TEST(FrameSocket, ThrowsAwayWhatIsTooLong) {
    const auto made = host::create_frame_socket_pair();
    ASSERT_TRUE(made);
    const auto& ends = *made;
    host::FrameReader reader(100);
    for (const std::size_t size : {100u, 101u, 5000u, 60u})
        ASSERT_EQ(host::send_frame(ends.first.get(), frame(1, size)), host::FrameSent::sent);
    EXPECT_EQ(reader.front(ends.second.get()).size(), 100u);
    reader.pop();
    EXPECT_EQ(reader.front(ends.second.get()).size(), 60u);
    reader.pop();
    EXPECT_TRUE(reader.front(ends.second.get()).empty());
    EXPECT_FALSE(reader.over());
}

TEST(FrameSocket, TellsThatTheOtherSideIsGone) {
    auto made = host::create_frame_socket_pair();
    ASSERT_TRUE(made);
    auto& ends = *made;
    ASSERT_EQ(host::send_frame(ends.first.get(), frame(1)), host::FrameSent::sent);
    ends.first = host::UniqueFd();
    host::FrameReader reader(1518);
    EXPECT_FALSE(reader.front(ends.second.get()).empty());
    reader.pop();
    EXPECT_TRUE(reader.front(ends.second.get()).empty());
    EXPECT_TRUE(reader.over());
    EXPECT_EQ(host::send_frame(ends.second.get(), frame(1)), host::FrameSent::gone);
}

}  // namespace
}  // namespace softmetal::network
