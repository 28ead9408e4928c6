// The floppy disk controller with the ISA DMA controller, as a driver of the DOS years programs them.
#include "devices/floppy/floppy.hpp"

#include "devices/dma8237/dma8237.hpp"
#include "fake_ram.hpp"
#include "fake_store.hpp"
#include "fakes.hpp"

#include <gtest/gtest.h>

namespace softmetal::devices {
namespace {

using testing::FakeLine;
using testing::FakeRam;
using testing::in;
using testing::MemoryStore;
using testing::out;

struct DmaTest : ::testing::Test {
    FakeRam ram;
    Dma8237 dma{ram};

    void program(unsigned channel, u8 page_offset, u32 address, u16 count, u8 mode) {
        bus::IoHandler& first = dma.first_controller();
        out(first, dma8237::reg::clear_byte_pointer, 0);
        out(first, 2 * channel, static_cast<u8>(address));
        out(first, 2 * channel, static_cast<u8>(address >> 8));
        out(first, 2 * channel + 1, static_cast<u8>(count));
        out(first, 2 * channel + 1, static_cast<u8>(count >> 8));
        out(first, dma8237::reg::mode, static_cast<u8>(mode | channel));
        out(dma.page_registers(), page_offset, static_cast<u8>(address >> 16));
        out(first, dma8237::reg::single_mask, static_cast<u8>(channel));
    }
    u16 count_left(unsigned channel) {
        bus::IoHandler& first = dma.first_controller();
        out(first, dma8237::reg::clear_byte_pointer, 0);
        const u8 low = in(first, 2 * channel + 1);
        return static_cast<u16>(low | in(first, 2 * channel + 1) << 8);
    }
};

TEST_F(DmaTest, MovesUntilTheCountIsUsedUp) {
    const std::vector<std::byte> data(100, std::byte{7});
    auto moved = dma.channel(2).to_memory(data);
    EXPECT_EQ(moved.bytes, 0u) << "masked";
    program(2, 0, 0x2fff8, 59, 0x44);
    moved = dma.channel(2).to_memory(std::span(data).first(40));
    EXPECT_EQ(moved.bytes, 40u);
    EXPECT_FALSE(moved.terminal_count);
    EXPECT_EQ(count_left(2), 19);
    moved = dma.channel(2).to_memory(data);
    EXPECT_EQ(moved.bytes, 20u);
    EXPECT_TRUE(moved.terminal_count);
    EXPECT_EQ(ram.get<u8>(0x2ffff), 7);
    EXPECT_EQ(ram.get<u8>(0x30000), 0) << "the page does not count on";
    EXPECT_EQ(ram.get<u8>(0x20000), 7);
    EXPECT_EQ(ram.get<u8>(0x20033), 7);
    EXPECT_EQ(in(dma.first_controller(), dma8237::reg::status), 1 << 2);
    EXPECT_EQ(in(dma.first_controller(), dma8237::reg::status), 0);
    EXPECT_EQ(in(dma.first_controller(), dma8237::reg::all_masks), 0xff) << "the channel is masked again";
}

TEST_F(DmaTest, AutomaticChannelsBeginAnewAndDirectionsAreKept) {
    ram.put<u32>(0x1000, 0x04030201);
    program(1, 2, 0x1000, 3, 0x58);
    std::array<std::byte, 4> into{};
    EXPECT_TRUE(dma.channel(1).from_memory(into).terminal_count);
    EXPECT_EQ(into[3], std::byte{4});
    EXPECT_EQ(count_left(1), 3);
    EXPECT_EQ(dma.channel(1).from_memory(into).bytes, 4u);
    EXPECT_EQ(dma.channel(1).to_memory(into).bytes, 0u);
    program(3, 1, 0x1003, 3, 0x68);  // downwards
    EXPECT_EQ(dma.channel(3).from_memory(into).bytes, 4u);
    EXPECT_EQ(into[0], std::byte{4});
}

TEST_F(DmaTest, TheSecondControllerMovesWords) {
    bus::IoHandler& second = dma.second_controller();
    ram.put<u32>(0x20100, 0x44332211);
    out(second, 2 * dma8237::reg::mode, 0x49);
    out(second, 4, 0x80);  // channel 5: words from 0x20100
    out(second, 4, 0x00);
    out(second, 6, 1);
    out(second, 6, 0);
    out(dma.page_registers(), 10, 3);  // bit 0 is not used
    out(second, 2 * dma8237::reg::single_mask, 1);
    std::array<std::byte, 5> into{};
    const auto moved = dma.channel(5).from_memory(into);
    EXPECT_EQ(moved.bytes, 4u);
    EXPECT_EQ(into[3], std::byte{0x44});
}

TEST_F(DmaTest, RestoresInTheMiddleOfATransfer) {
    program(2, 0, 0x3000, 9, 0x44);
    const std::vector<std::byte> data(4, std::byte{1});
    (void)dma.channel(2).to_memory(data);
    out(dma.first_controller(), 0, 0x12);  // half an address
    auto restored = Dma8237::restore(ram, dma.save());
    ASSERT_TRUE(restored) << restored.error().message;
    EXPECT_EQ((*restored)->save().fields, dma.save().fields);
    EXPECT_EQ((*restored)->channel(2).to_memory(std::vector<std::byte>(10)).bytes, 6u);
    bus::SavedState bad = dma.save();
    bad.fields["first"]["mask"] = 16;
    EXPECT_FALSE(Dma8237::restore(ram, bad));
}

struct FloppyTest : DmaTest {
    FakeLine irq;
    MemoryStore disk{1474560};
    floppy::Floppy::Resources resources{irq, dma.channel(2), {&disk, nullptr}};
    std::unique_ptr<floppy::Floppy> controller = std::make_unique<floppy::Floppy>(resources);

    bus::IoHandler& registers() { return controller->registers(); }
    u8 status() { return in(registers(), floppy::reg::main_status); }
    void send(std::initializer_list<u8> bytes) {
        for (const u8 byte : bytes) {
            EXPECT_EQ(status() & 0xc0, 0x80);
            out(registers(), floppy::reg::fifo, byte);
        }
    }
    std::vector<u8> result() {
        while (!(status() & floppy::main_status::request)) std::this_thread::yield();
        std::vector<u8> bytes;
        while (status() & floppy::main_status::to_host) bytes.push_back(in(registers(), floppy::reg::fifo));
        return bytes;
    }
    void reset() {
        out(registers(), floppy::reg::digital_output, 0);
        out(registers(), floppy::reg::digital_output, 0x1c);
        out(controller->digital_input(), 0, 0);  // 500 kbit/s
    }
    void seek(u8 cylinder) {
        send({floppy::command::seek, 0, cylinder});
        send({floppy::command::sense_interrupt});
        EXPECT_EQ(result(), (std::vector<u8>{0x20, cylinder}));
    }
    [[nodiscard]] std::vector<std::byte> stored(u64 sector, u64 count) const {
        const auto begin = disk.bytes.begin() + static_cast<std::ptrdiff_t>(sector * 512);
        return {begin, begin + static_cast<std::ptrdiff_t>(count * 512)};
    }
};

TEST_F(FloppyTest, ResetTellsOfAllDrives) {
    reset();
    EXPECT_TRUE(irq.high());
    for (u8 drive = 0; drive < 4; drive++) {
        send({floppy::command::sense_interrupt});
        EXPECT_EQ(result(), (std::vector<u8>{static_cast<u8>(0xc0 | drive), 0}));
    }
    EXPECT_FALSE(irq.high());
    send({floppy::command::sense_interrupt});
    EXPECT_EQ(result(), (std::vector<u8>{0x80}));
    send({floppy::command::version});
    EXPECT_EQ(result(), (std::vector<u8>{0x90}));
    send({0x1f});
    EXPECT_EQ(result(), (std::vector<u8>{0x80}));
}

TEST_F(FloppyTest, TheChangeLineFallsWithASeek) {
    EXPECT_EQ(in(controller->digital_input(), 0) & 0x80, 0) << "no motor, no answer";
    reset();
    EXPECT_EQ(in(controller->digital_input(), 0) & 0x80, 0x80);
    send({floppy::command::recalibrate, 0});
    EXPECT_EQ(in(controller->digital_input(), 0) & 0x80, 0);
    out(registers(), floppy::reg::digital_output, 0x2d);  // the drive that is not there
    EXPECT_EQ(in(controller->digital_input(), 0) & 0x80, 0x80);
}

TEST_F(FloppyTest, ReadsAcrossBothSidesUntilTheTerminalCount) {
    reset();
    seek(5);
    program(2, 0, 0x8000, 5 * 512 - 1, 0x44);
    send({0xe6, 0x00, 5, 0, 17, 2, 18, 0x1b, 0xff});
    EXPECT_EQ(result(), (std::vector<u8>{0, 0, 0, 5, 1, 4, 2}));
    EXPECT_TRUE(std::ranges::equal(ram.at(0x8000, 5 * 512), stored((5 * 2) * 18 + 16, 5)));
    EXPECT_EQ(ram.get<u8>(0x8000 + 5 * 512), 0);
}

TEST_F(FloppyTest, WritesAndEndsOnTheNextCylinder) {
    reset();
    seek(2);
    for (u64 i = 0; i < 1024; i++) ram.put<u8>(0x9000 + i, static_cast<u8>(i * 3));
    program(2, 0, 0x9000, 1023, 0x48);
    send({0xc5, 0x04, 2, 1, 17, 2, 18, 0x1b, 0xff});
    EXPECT_EQ(result(), (std::vector<u8>{4, 0, 0, 3, 0, 1, 2}));
    EXPECT_EQ(stored((2 * 2 + 1) * 18 + 16, 2),
              std::vector<std::byte>(ram.at(0x9000, 1024).begin(), ram.at(0x9000, 1024).end()));
}

TEST_F(FloppyTest, SaysWhatIsWrong) {
    reset();
    seek(1);
    program(2, 0, 0x8000, 40 * 512 - 1, 0x44);
    send({0x46, 0, 1, 0, 18, 2, 18, 0x1b, 0xff});  // one side only: the count is longer than the track
    EXPECT_EQ(result(), (std::vector<u8>{0x40, 0x80, 0, 2, 0, 1, 2}));
    send({0x46, 0, 1, 0, 19, 2, 18, 0x1b, 0xff});
    EXPECT_EQ(result().at(1), floppy::status1::no_data);
    send({0x46, 0, 3, 0, 1, 2, 18, 0x1b, 0xff});
    EXPECT_EQ(result().at(2), floppy::status2::wrong_cylinder);
    out(controller->digital_input(), 0, 2);  // 250 kbit/s
    send({0x4a, 0});
    EXPECT_EQ(result().at(1), floppy::status1::missing_address_mark);
    out(controller->digital_input(), 0, 0);
    send({0x4a, 4});
    EXPECT_EQ(result(), (std::vector<u8>{4, 0, 0, 1, 1, 1, 2}));
    send({0x4a, 1});  // the drive that is not there
    EXPECT_EQ(result().at(0), 0x41);
    disk.broken = true;
    program(2, 0, 0x8000, 511, 0x44);
    send({0x46, 0, 1, 0, 1, 2, 18, 0x1b, 0xff});
    EXPECT_EQ(result().at(1), floppy::status1::data_error);
}

TEST_F(FloppyTest, FormatsATrack) {
    reset();
    seek(7);
    program(2, 0, 0x8000, 18 * 4 - 1, 0x48);
    send({0x4d, 0, 2, 18, 0x54, 0xf6});
    EXPECT_EQ(result().at(0), 0);
    EXPECT_EQ(stored(7 * 36, 18), std::vector<std::byte>(18 * 512, std::byte{0xf6}));
    EXPECT_NE(stored(7 * 36 + 18, 1), std::vector<std::byte>(512, std::byte{0xf6}));
}

TEST_F(FloppyTest, ProtectedDisksAreNotWritten) {
    MemoryStore protected_disk(737280, true);
    resources.disks[0] = &protected_disk;
    controller = std::make_unique<floppy::Floppy>(resources);
    reset();
    out(controller->digital_input(), 0, 2);
    send({floppy::command::sense_drive, 0});
    EXPECT_EQ(result(), (std::vector<u8>{0x78}));
    program(2, 0, 0x9000, 511, 0x48);
    send({0xc5, 0, 0, 0, 1, 2, 9, 0x1b, 0xff});
    EXPECT_EQ(result().at(1), floppy::status1::not_writable);
}

TEST_F(FloppyTest, TheEndThatAnImageLacksIsZerosAndCannotBeWritten) {
    MemoryStore rescue(36 * 512 + 512);  // one cylinder and a sector
    resources.disks[0] = &rescue;
    controller = std::make_unique<floppy::Floppy>(resources);
    reset();
    seek(1);
    program(2, 0, 0x8000, 2 * 512 - 1, 0x44);
    ram.put<u8>(0x8000 + 512, 0x55);
    send({0x46, 0, 1, 0, 1, 2, 18, 0x1b, 0xff});
    EXPECT_EQ(result().at(0), 0);
    EXPECT_TRUE(std::ranges::equal(ram.at(0x8000, 512), std::span(rescue.bytes).subspan(36 * 512)));
    EXPECT_TRUE(
        std::ranges::all_of(ram.at(0x8000 + 512, 512), [](std::byte b) { return b == std::byte{0}; }));
    program(2, 0, 0x8000, 511, 0x48);
    send({0x45, 0, 1, 0, 2, 2, 18, 0x1b, 0xff});
    EXPECT_EQ(result().at(1), floppy::status1::data_error);
    send({0x45, 0, 1, 0, 1, 2, 1, 0x1b, 0xff});
    EXPECT_EQ(result().at(1), floppy::status1::overrun) << "the channel has come to its end";
    program(2, 0, 0x8000, 511, 0x48);
    send({0x45, 0, 1, 0, 1, 2, 1, 0x1b, 0xff});
    EXPECT_EQ(result().at(0), 0);
}

TEST_F(FloppyTest, RestoresInTheMiddleOfACommandAndOfAResult) {
    reset();
    seek(3);
    send({0xe6, 0x00, 3, 0, 2});
    const auto replace = [&] {
        const auto saved = controller->save();
        auto restored = floppy::Floppy::restore(resources, saved);
        ASSERT_TRUE(restored) << restored.error().message;
        controller = std::move(*restored);
        EXPECT_EQ(controller->save().fields, saved.fields);
    };
    replace();
    program(2, 0, 0x8000, 511, 0x44);
    send({2, 18, 0x1b, 0xff});
    while (!(status() & floppy::main_status::request)) std::this_thread::yield();
    EXPECT_EQ(in(registers(), floppy::reg::fifo), 0);
    replace();
    EXPECT_EQ(result().size(), 6u);
    EXPECT_TRUE(std::ranges::equal(ram.at(0x8000, 512), stored(3 * 36 + 1, 1)));
    bus::SavedState bad = controller->save();
    bad.fields["phase"] = 1;
    bad.fields["at"] = {99, 0, 1};
    EXPECT_FALSE(floppy::Floppy::restore(resources, bad));
}

TEST_F(FloppyTest, AResetForgetsTheTransferUnderWay) {
    reset();
    seek(0);
    disk.hold(true);
    program(2, 0, 0x8000, 511, 0x44);
    send({0xe6, 0x00, 0, 0, 1, 2, 18, 0x1b, 0xff});
    EXPECT_EQ(status(), floppy::main_status::command_busy);
    reset();
    EXPECT_EQ(status(), floppy::main_status::request);
    disk.hold(false);
    (void)controller->save();  // it has come, and nobody wanted it
    EXPECT_EQ(ram.get<u8>(0x8001), 0);
    EXPECT_EQ(status(), floppy::main_status::request);
}

}  // namespace
}  // namespace softmetal::devices
