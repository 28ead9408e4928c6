#include "devices/virtio_console/virtio_console.hpp"

#include "virtio_driver.hpp"

namespace softmetal::devices {
namespace {

constexpr u16 write_flag = 2;

/// Has room for so many bytes.
struct NarrowStream final : testing::FakeStream {
    [[nodiscard]] std::size_t write_some(std::span<const u8> bytes) override {
        const std::size_t count = std::min(bytes.size(), room);
        room -= count;
        write(bytes.first(count));
        return count;
    }
    void on_writable(const std::function<void()>& callback) override { writable = callback; }
    std::size_t room = 1000;
    std::function<void()> writable;
};

struct VirtioConsoleTest : ::testing::Test, testing::VirtioBench {
    NarrowStream stream;
    testing::TestRing transmit{.ram = ram, .descriptors = 0x11000, .driver = 0x13000, .device = 0x14000};

    void SetUp() override {
        plug(std::make_unique<VirtioConsole>(stream));
        accept(virtio::feature::version_1);
        set_queue(VirtioConsole::receive_queue, ring);
        set_queue(VirtioConsole::transmit_queue, transmit);
        set_status(15);
        ASSERT_EQ(status(), 15);
    }
    void TearDown() override { device.reset(); }  // before the stream
    void say(u16 index, const std::string& text) {
        const u64 at = 0x200000 + index * 0x1000u;
        std::ranges::copy(std::as_bytes(std::span(text)), ram.at(at, text.size()).begin());
        transmit.describe(index, {.address = at, .length = static_cast<u32>(text.size())});
        transmit.offer(index);
        notify(VirtioConsole::transmit_queue);
    }
    void offer_buffer(u16 index, u32 size) {
        ring.describe(index, {.address = 0x100000 + index * 0x1000u, .length = size, .flags = write_flag});
        ring.offer(index);
        notify(VirtioConsole::receive_queue);
    }
    std::string heard(u16 index, u32 length) {
        const auto bytes = ram.at(0x100000 + index * 0x1000u, length);
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
};

TEST_F(VirtioConsoleTest, SaysWhatTheGuestWrites) {
    say(0, "hello ");
    say(1, "world");
    EXPECT_EQ(stream.written(), "hello world");
    EXPECT_EQ(transmit.used_index(), 2u);
    EXPECT_EQ(isr(), 1);
}

TEST_F(VirtioConsoleTest, WhatAFullStreamDoesNotTakeComesLaterInOrder) {
    stream.room = 4;
    say(0, "hello ");
    say(1, "world");
    EXPECT_EQ(stream.written(), "hell");
    EXPECT_EQ(transmit.used_index(), 1u) << "the second stays in its queue";
    stream.room = 5;
    stream.writable();
    EXPECT_EQ(stream.written(), "hello wor");
    stream.room = 100;
    stream.writable();
    EXPECT_EQ(stream.written(), "hello world");
    EXPECT_EQ(transmit.used_index(), 2u);
}

TEST_F(VirtioConsoleTest, InputWaitsForBuffersAndFillsThem) {
    stream.feed("abcdef");
    EXPECT_EQ(ring.used_index(), 0u);
    offer_buffer(0, 4);
    EXPECT_EQ(ring.next_used(), (std::pair<u32, u32>{0, 4}));
    EXPECT_EQ(heard(0, 4), "abcd");
    offer_buffer(1, 100);
    EXPECT_EQ(ring.next_used(), (std::pair<u32, u32>{1, 2}));
    EXPECT_EQ(heard(1, 2), "ef");
    offer_buffer(2, 100);
    stream.feed("g");
    EXPECT_EQ(ring.next_used(), (std::pair<u32, u32>{2, 1}));
}

TEST_F(VirtioConsoleTest, InputWaitsInTheStreamBeforeTheDriverIsReady) {
    set_status(0);
    stream.feed("x");
    EXPECT_EQ(stream.unread(), 1u);
}

TEST_F(VirtioConsoleTest, BuffersOutsideMemoryNeedReset) {
    transmit.describe(0, {.address = 0x7fff'0000, .length = 4});
    transmit.offer(0);
    notify(VirtioConsole::transmit_queue);
    EXPECT_EQ(stream.written(), "");
    EXPECT_EQ(status() & virtio::status::needs_reset, virtio::status::needs_reset);
}

TEST_F(VirtioConsoleTest, SaveAndRestoreInTheMiddleOfWork) {
    stream.room = 2;
    say(0, "hello");
    say(1, " you");
    stream.feed("input");
    offer_buffer(0, 2);
    const bus::SavedState saved = device->save();
    device.reset();
    NarrowStream other;
    auto restored = virtio::VirtioPci::restore(surroundings(), std::make_unique<VirtioConsole>(other), saved);
    ASSERT_TRUE(restored) << restored.error().message;
    device = std::move(*restored);
    EXPECT_EQ(device->save().fields, saved.fields);
    other.writable();
    EXPECT_EQ(other.written(), "llo you");
    offer_buffer(1, 10);
    EXPECT_EQ(heard(0, 2), "in");
    EXPECT_EQ(heard(1, 3), "put");
    device.reset();
}

TEST_F(VirtioConsoleTest, RestoreRefusesMoreThanCanWait) {
    bus::SavedState saved = device->save();
    saved.fields["model"]["unread"] = std::vector<u8>(VirtioConsole::input_max + 1);
    EXPECT_FALSE(virtio::VirtioPci::restore(surroundings(), std::make_unique<VirtioConsole>(stream), saved));
}

}  // namespace
}  // namespace softmetal::devices
