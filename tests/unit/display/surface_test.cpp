// Surfaces and their rectangles, and the records of the link.
#include "display/surface.hpp"

#include "display/screen_link.hpp"
#include "display/screen_viewer.hpp"
#include "host/byte_socket.hpp"

#include <gtest/gtest.h>

namespace softmetal::display {
namespace {

class FakePicture final : public bus::Picture {
 public:
    FakePicture(u32 width, u32 height)
        : width_(width), height_(height), pixels_(std::size_t{width} * height) {}
    [[nodiscard]] u32 width() const override { return width_; }
    [[nodiscard]] u32 height() const override { return height_; }
    [[nodiscard]] std::span<const u32> line(u32 y, std::span<u32>) const override {
        return std::span(pixels_).subspan(std::size_t{y} * width_, width_);
    }
    u32& at(u32 x, u32 y) { return pixels_[std::size_t{y} * width_ + x]; }

 private:
    u32 width_, height_;
    std::vector<u32> pixels_;
};

using Rectangles = std::vector<Rectangle>;

TEST(Surface, NamesWhatHasChanged) {
    std::vector<u32> pixels(surface_bytes / sizeof(u32));
    Surface surface(pixels);
    FakePicture picture(100, 50);
    EXPECT_EQ(surface.update(picture), (Rectangles{{0, 0, 100, 50}}));  // another size
    EXPECT_EQ(surface.update(picture), Rectangles{});
    picture.at(40, 10) = 1;
    EXPECT_EQ(surface.update(picture), (Rectangles{{32, 10, 32, 1}}));
    EXPECT_EQ(pixels[10 * 100 + 40], 1u);
    picture.at(0, 20) = picture.at(99, 21) = picture.at(50, 22) = 2;  // together
    picture.at(99, 49) = 3;                                           // apart
    EXPECT_EQ(surface.update(picture), (Rectangles{{0, 20, 100, 3}, {96, 49, 4, 1}}));
    for (const auto& [x, y, value] :
         {std::tuple{0u, 20u, 2u}, {99u, 21u, 2u}, {50u, 22u, 2u}, {99u, 49u, 3u}})
        EXPECT_EQ(pixels[y * 100 + x], value);
    FakePicture other(80, 60);
    EXPECT_EQ(surface.update(other), (Rectangles{{0, 0, 80, 60}}));
    EXPECT_EQ(surface.update(other), Rectangles{});
}

TEST(ScreenLink, RecordsArriveAsTheyWereSent) {
    const bus::PointerState pointer{
        .x = 799, .y = 1, .width = 800, .height = 600, .buttons = bus::pointer_button::back, .wheel = -3};
    for (const Record& record :
         {Record{.kind = Record::Kind::frame_wanted}, key_record(bus::Key{0xe6}, true),
          pointer_record(pointer),
          Record{.kind = Record::Kind::changed, .x = 2559, .y = 1599, .width = 1, .height = 1},
          Record{.kind = Record::Kind::frame_done, .width = 2560, .height = 1600}}) {
        const auto got = decode(encode(record));
        ASSERT_TRUE(got);
        EXPECT_EQ(*got, record);
    }
    EXPECT_EQ(pointer_state(pointer_record(pointer)), pointer);
}

TEST(ScreenLink, RecordsOfNoPictureAreRefused) {
    for (const Record& record :
         {Record{.kind = Record::Kind{0}}, Record{.kind = Record::Kind{6}},
          Record{.kind = Record::Kind::changed, .x = 2560, .width = 1, .height = 1},
          Record{.kind = Record::Kind::changed, .x = 65535, .width = 65535, .height = 1},
          Record{.kind = Record::Kind::changed, .width = 0, .height = 1},
          Record{.kind = Record::Kind::frame_done, .width = 2561, .height = 1},
          Record{.kind = Record::Kind::frame_done, .x = 1, .width = 1, .height = 1},
          Record{.kind = Record::Kind::key, .flag = 2},
          Record{.kind = Record::Kind::pointer, .x = 5, .width = 5, .height = 5},
          Record{.kind = Record::Kind::pointer, .detail = 0x20, .width = 5, .height = 5}})
        EXPECT_FALSE(decode(encode(record)));
}

TEST(ScreenLink, AStreamIsCutIntoRecords) {
    RecordReader reader;
    std::vector<Record> records;
    const auto bytes = encode(key_record(bus::Key{4}, true));
    for (unsigned round = 0; round < 3; ++round)
        for (const u8 byte : bytes) ASSERT_TRUE(reader.read({&byte, 1}, records));
    EXPECT_EQ(records.size(), 3u);
    const std::array<u8, record_bytes> wrong{0xff};
    EXPECT_FALSE(reader.read(wrong, records));
}

TEST(ScreenViewer, CollectsChangesUntilAFrameIsDone) {
    auto made = ScreenViewer::create();
    ASSERT_TRUE(made) << made.error().message;
    ScreenViewer viewer = std::move(made->first);
    const int machine = made->second.get();
    const auto say = [&](const Record& record) {
        EXPECT_EQ(host::send_now(machine, encode(record)).count, record_bytes);
    };
    EXPECT_EQ(viewer.receive(), ScreenViewer::Received::nothing);
    EXPECT_TRUE(viewer.send({.kind = Record::Kind::frame_wanted}));
    say({.kind = Record::Kind::changed, .x = 1, .y = 2, .width = 3, .height = 4});
    EXPECT_EQ(viewer.receive(), ScreenViewer::Received::nothing);
    say({.kind = Record::Kind::frame_done, .width = 640, .height = 480});
    EXPECT_EQ(viewer.receive(), ScreenViewer::Received::frame);
    EXPECT_EQ(viewer.take_changes(), (Rectangles{{1, 2, 3, 4}}));
    EXPECT_EQ(viewer.pixels().size(), 640u * 480);
    say({.kind = Record::Kind{77}});
    EXPECT_EQ(viewer.receive(), ScreenViewer::Received::gone);
    made->second = host::UniqueFd();
    EXPECT_FALSE(viewer.send({.kind = Record::Kind::frame_wanted}));
}

TEST(ScreenViewer, LosesNothingThatTheMachineIsSlowToRead) {
    auto made = ScreenViewer::create();
    ASSERT_TRUE(made);
    ScreenViewer viewer = std::move(made->first);
    constexpr unsigned many = 5000;
    for (unsigned i = 0; i < many; ++i)
        ASSERT_TRUE(viewer.send(key_record(bus::Key{static_cast<u8>(i)}, false))) << i;
    EXPECT_TRUE(viewer.has_unsent());
    RecordReader reader;
    std::vector<Record> records;
    std::array<u8, 1000> buffer;
    while (records.size() < many) {
        const host::Transfer got = host::receive_now(made->second.get(), buffer);
        if (got.status == host::TransferStatus::again) {
            ASSERT_TRUE(viewer.has_unsent());
            ASSERT_TRUE(viewer.flush());
            continue;
        }
        ASSERT_EQ(got.status, host::TransferStatus::moved);
        ASSERT_TRUE(reader.read(std::span(buffer).first(got.count), records));
    }
    for (unsigned i = 0; i < many; ++i) ASSERT_EQ(records[i].detail, static_cast<u8>(i));
}

TEST(ScreenViewer, ItsSurfaceCannotShrink) {
    auto made = ScreenViewer::create();
    ASSERT_TRUE(made);
    const auto mapped = host::SharedMemory::map(host::duplicate(made->first.surface().fd()), surface_bytes);
    ASSERT_TRUE(mapped);
    EXPECT_FALSE(host::SharedMemory::map(host::duplicate(made->first.surface().fd()), surface_bytes + 1));
    mapped->data()[5] = 7;
    EXPECT_EQ(made->first.surface().data()[5], 7);
    EXPECT_FALSE(made->first.surface().keep_size());  // it is sealed, and so are the seals
}

}  // namespace
}  // namespace softmetal::display
