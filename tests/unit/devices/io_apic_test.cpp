#include "devices/io_apic/io_apic.hpp"

#include "fakes.hpp"

#include <gtest/gtest.h>

namespace softmetal::devices {
namespace {

struct MessageLog : bus::InterruptMessageSink {
    void send(bus::InterruptMessage m) override { sent.push_back(m); }
    std::vector<bus::InterruptMessage> sent;
};

struct IoApicTest : ::testing::Test {
    u32 read(u8 index) {
        chip->write_io(0, 4, index);
        return static_cast<u32>(chip->read_io(0x10, 4));
    }
    void write(u8 index, u32 value) {
        chip->write_io(0, 4, index);
        chip->write_io(0x10, 4, value);
    }
    void redirect(unsigned pin, u32 low, u32 high = 0) {
        write(static_cast<u8>(0x11 + 2 * pin), high);
        write(static_cast<u8>(0x10 + 2 * pin), low);
    }
    MessageLog log;
    std::unique_ptr<IoApic> chip = std::make_unique<IoApic>(log);
};

TEST_F(IoApicTest, Identity) {
    EXPECT_EQ(read(1), 0x00170020u);
    write(0, 0xff000000);
    EXPECT_EQ(read(0), 0x0f000000u);
    write(1, 0);
    EXPECT_EQ(read(1), 0x00170020u);
    EXPECT_EQ(read(0x10), 0x10000u);
    EXPECT_EQ(read(0x40), 0u);  // beyond pin 23
}

TEST_F(IoApicTest, EdgesSendOnceAndAreLostWhileMasked) {
    chip->pin(4).set_level(true);
    chip->pin(4).set_level(false);
    redirect(4, 0x0834, 3u << 24);  // logical
    EXPECT_TRUE(log.sent.empty());
    chip->pin(4).set_level(true);
    chip->pin(4).set_level(true);
    ASSERT_EQ(log.sent.size(), 1u);
    EXPECT_EQ(log.sent[0].address, 0xfee03004u);
    EXPECT_EQ(log.sent[0].data, 0x4034u);
    chip->pin(4).set_level(false);
    chip->pin(4).set_level(true);
    EXPECT_EQ(log.sent.size(), 2u);
}

TEST_F(IoApicTest, LevelWaitsForTheEndAndRepeats) {
    redirect(16, 0xa050);  // level, active low
    chip->pin(16).set_level(true);
    ASSERT_EQ(log.sent.size(), 1u);
    EXPECT_EQ(log.sent[0].data, 0xc050u);
    EXPECT_EQ(read(0x30), 0xe050u);
    chip->pin(16).set_level(false);
    chip->pin(16).set_level(true);
    EXPECT_EQ(log.sent.size(), 1u);
    chip->end_of_interrupt(0x51);
    EXPECT_EQ(log.sent.size(), 1u);
    chip->end_of_interrupt(0x50);
    EXPECT_EQ(log.sent.size(), 2u);
    chip->pin(16).set_level(false);
    chip->write_io(0x40, 4, 0x50);  // the EOI register
    EXPECT_EQ(log.sent.size(), 2u);
    EXPECT_EQ(read(0x30), 0xa050u);
}

TEST_F(IoApicTest, UnmaskingAnAssertedLevelPinSends) {
    redirect(9, 0x18030);
    chip->pin(9).set_level(true);
    EXPECT_TRUE(log.sent.empty());
    redirect(9, 0x8030);
    EXPECT_EQ(log.sent.size(), 1u);
}

TEST_F(IoApicTest, GoingToEdgeClearsRemoteIrr) {
    redirect(9, 0x8030);
    chip->pin(9).set_level(true);
    redirect(9, 0x10030);
    EXPECT_EQ(read(0x10 + 18), 0x10030u);
    redirect(9, 0x8030);
    EXPECT_EQ(log.sent.size(), 2u);
}

TEST_F(IoApicTest, ReadOnlyBitsCannotBeWritten) {
    redirect(3, 0xffffffff, 0xffffffff);
    EXPECT_EQ(read(0x16), 0x1afffu);
    EXPECT_EQ(read(0x17), 0xff000000u);
}

TEST_F(IoApicTest, ResetMasksButKeepsLevels) {
    redirect(16, 0x8050);
    chip->pin(16).set_level(true);
    chip->reset();
    EXPECT_EQ(read(0x30), 0x10000u);
    log.sent.clear();
    redirect(16, 0x8050);
    EXPECT_EQ(log.sent.size(), 1u);
}

TEST_F(IoApicTest, SaveAndRestoreMidInterrupt) {
    redirect(16, 0x8050, 0x01000000);
    chip->pin(16).set_level(true);
    const bus::SavedState saved = chip->save();
    MessageLog other;
    auto restored = IoApic::restore(other, saved);
    ASSERT_TRUE(restored.has_value()) << restored.error().message;
    EXPECT_TRUE(other.sent.empty());
    EXPECT_EQ((*restored)->save().fields, saved.fields);
    (*restored)->end_of_interrupt(0x50);
    ASSERT_EQ(other.sent.size(), 1u);
    EXPECT_EQ(other.sent[0].address, 0xfee01000u);

    bus::SavedState bad = saved;
    bad.fields["entries"][0] = 1u << 14;
    EXPECT_FALSE(IoApic::restore(other, bad).has_value());
    bad = saved;
    bad.fields["levels"] = 1u << 24;
    EXPECT_FALSE(IoApic::restore(other, bad).has_value());
    bad = saved;
    bad.fields["entries"] = {0};
    EXPECT_FALSE(IoApic::restore(other, bad).has_value());
}

}  // namespace
}  // namespace softmetal::devices
