// The 8259A pair: initialization, priorities, cascade, edges and levels, the rarer modes.
#include "devices/pic8259/pic8259.hpp"

#include "fakes.hpp"

#include <gtest/gtest.h>

namespace softmetal::devices {
namespace {

using namespace testing;
using namespace pic;
using ::testing::Test;

constexpr u8 plain_eoi = 0x20;

struct Pic : Test {
    FakeLine intr;
    std::unique_ptr<Pic8259> pic = std::make_unique<Pic8259>(Pic8259::Resources{intr});

    void master(u64 port, u8 value) { out(pic->master_ports(), port, value); }
    void slave(u64 port, u8 value) { out(pic->slave_ports(), port, value); }
    void line(unsigned irq, bool high) { pic->input(irq).set_level(high); }
    void pulse(unsigned irq) {
        line(irq, true);
        line(irq, false);
    }
    /// As PC operating systems do it: vectors 0x30 and 0x38, nothing masked.
    void initialize(u8 icw4_word = 0x01) {
        master(command_port, 0x11);
        master(data_port, 0x30);
        master(data_port, 0x04);
        master(data_port, icw4_word);
        slave(command_port, 0x11);
        slave(data_port, 0x38);
        slave(data_port, 0x02);
        slave(data_port, 0x01);
    }
    u8 master_in_service() {
        master(command_port, 0x0b);
        return in(pic->master_ports(), command_port);
    }
    u8 master_requests() {
        master(command_port, 0x0a);
        return in(pic->master_ports(), command_port);
    }
};

TEST_F(Pic, IsQuietBeforeInitialization) {
    for (unsigned irq = 0; irq < irq_count; ++irq) line(irq, true);
    EXPECT_FALSE(intr.high());
}

TEST_F(Pic, DeliversByPriorityAndNests) {
    initialize();
    line(4, true);
    EXPECT_TRUE(intr.high());
    EXPECT_EQ(pic->acknowledge(), 0x34);
    EXPECT_FALSE(intr.high());
    line(6, true);
    EXPECT_FALSE(intr.high());  // lower priority waits
    line(1, true);
    EXPECT_TRUE(intr.high());  // higher priority nests
    EXPECT_EQ(pic->acknowledge(), 0x31);
    EXPECT_EQ(master_in_service(), 0x12);
    master(command_port, plain_eoi);  // the innermost
    EXPECT_EQ(master_in_service(), 0x10);
    EXPECT_FALSE(intr.high());
    master(command_port, plain_eoi);
    EXPECT_EQ(pic->acknowledge(), 0x36);
}

TEST_F(Pic, MaskHoldsARequestBack) {
    initialize();
    master(data_port, 0x10);
    EXPECT_EQ(in(pic->master_ports(), data_port), 0x10);
    line(4, true);
    EXPECT_FALSE(intr.high());
    EXPECT_EQ(master_requests(), 0x10);
    master(data_port, 0x00);
    EXPECT_TRUE(intr.high());
}

TEST_F(Pic, SlaveCascades) {
    initialize();
    line(14, true);
    EXPECT_TRUE(intr.high());
    EXPECT_EQ(pic->acknowledge(), 0x3e);
    EXPECT_EQ(master_in_service(), 0x04);
    line(9, true);  // higher within the slave, but the master's input 2 is in service
    EXPECT_FALSE(intr.high());
    slave(command_port, 0x60 | 6);  // specific EOI
    master(command_port, 0x60 | 2);
    EXPECT_TRUE(intr.high());
    EXPECT_EQ(pic->acknowledge(), 0x39);
}

TEST_F(Pic, SlaveWithAnotherRequestInterruptsAgain) {
    initialize();
    line(10, true);
    line(11, true);
    EXPECT_EQ(pic->acknowledge(), 0x3a);
    slave(command_port, plain_eoi);
    master(command_port, plain_eoi);
    EXPECT_TRUE(intr.high());
    EXPECT_EQ(pic->acknowledge(), 0x3b);
    slave(command_port, plain_eoi);
    master(command_port, plain_eoi);
    EXPECT_FALSE(intr.high());
}

TEST_F(Pic, EdgeInputNeedsANewEdge) {
    initialize();
    line(3, true);
    EXPECT_EQ(pic->acknowledge(), 0x33);
    master(command_port, plain_eoi);
    EXPECT_FALSE(intr.high());
    line(3, true);
    EXPECT_FALSE(intr.high());
    line(3, false);
    line(3, true);
    EXPECT_TRUE(intr.high());
}

TEST_F(Pic, LevelInputRequestsWhileHigh) {
    initialize();
    out(pic->edge_level_ports(), 1, 0x0c);  // IRQ 10 and 11
    line(10, true);
    EXPECT_EQ(pic->acknowledge(), 0x3a);
    slave(command_port, plain_eoi);
    master(command_port, plain_eoi);
    EXPECT_TRUE(intr.high());
    line(10, false);
    EXPECT_FALSE(intr.high());
}

TEST_F(Pic, EdgeLevelRegistersKeepSystemInputsAtEdges) {
    out(pic->edge_level_ports(), 0, 0xff);
    out(pic->edge_level_ports(), 1, 0xff);
    EXPECT_EQ(in(pic->edge_level_ports(), 0), 0xf8);
    EXPECT_EQ(in(pic->edge_level_ports(), 1), 0xde);
    EXPECT_EQ(pic->edge_level_ports().read_io(0, 2), 0xdef8u);
}

TEST_F(Pic, RequestThatGoesAwayEndsAsSpurious) {
    initialize();
    pulse(4);
    EXPECT_FALSE(intr.high());
    EXPECT_EQ(pic->acknowledge(), 0x37);  // the processor was already on its way
    EXPECT_EQ(master_in_service(), 0);
}

TEST(PicChip, SlavesSpuriousInterruptIsItsInputSeven) {
    Pic8259Chip chip(0, slave_level_capable);
    for (const auto& [port, value] :
         {std::pair{command_port, 0x11}, {data_port, 0x38}, {data_port, 2}, {data_port, 1}})
        chip.write(port, static_cast<u8>(value));
    chip.set_input(3, true);
    chip.set_input(3, false);
    const auto taken = chip.acknowledge();
    EXPECT_EQ(taken.vector, 0x3f);
    EXPECT_TRUE(taken.spurious);
    EXPECT_EQ(chip.state().in_service, 0);
}

TEST_F(Pic, AutomaticEoiLeavesNothingInService) {
    initialize(0x03);
    line(0, true);
    EXPECT_EQ(pic->acknowledge(), 0x30);
    EXPECT_EQ(master_in_service(), 0);
    line(0, false);
    line(0, true);
    EXPECT_TRUE(intr.high());
}

TEST_F(Pic, AutomaticEoiCanRotate) {
    initialize(0x03);
    master(command_port, 0x80);
    line(0, true);
    line(1, true);
    EXPECT_EQ(pic->acknowledge(), 0x30);
    line(0, false);
    line(0, true);  // now lowest
    EXPECT_EQ(pic->acknowledge(), 0x31);
    EXPECT_EQ(pic->acknowledge(), 0x30);
}

TEST_F(Pic, RotatesOnEoi) {
    initialize();
    line(3, true);
    line(5, true);
    EXPECT_EQ(pic->acknowledge(), 0x33);
    line(3, false);
    line(3, true);
    master(command_port, 0xa0);  // rotate on non-specific EOI: 3 becomes the lowest
    EXPECT_EQ(pic->acknowledge(), 0x35);
    master(command_port, 0xe0 | 5);  // and 5
    EXPECT_EQ(pic->acknowledge(), 0x33);
}

TEST_F(Pic, SetPriorityMakesAnInputTheLowest) {
    initialize();
    master(command_port, 0xc0 | 4);
    line(4, true);
    line(5, true);
    EXPECT_EQ(pic->acknowledge(), 0x35);
    EXPECT_FALSE(intr.high());
    master(command_port, plain_eoi);
    EXPECT_EQ(pic->acknowledge(), 0x34);
}

TEST_F(Pic, SpecialMaskModeLetsLowerPrioritiesIn) {
    initialize();
    line(1, true);
    EXPECT_EQ(pic->acknowledge(), 0x31);
    line(5, true);
    EXPECT_FALSE(intr.high());
    master(data_port, 0x02);  // masks the level in service
    EXPECT_FALSE(intr.high());
    master(command_port, 0x68);  // special mask mode
    EXPECT_TRUE(intr.high());
    EXPECT_EQ(pic->acknowledge(), 0x35);
    master(command_port, plain_eoi);  // must not end the masked level
    EXPECT_EQ(master_in_service(), 0x02);
    master(command_port, 0x48);
    line(5, false);
    line(5, true);
    EXPECT_FALSE(intr.high());
}

TEST_F(Pic, SpecialFullyNestedModeLetsTheSlaveNest) {
    initialize(0x11);
    line(12, true);
    EXPECT_EQ(pic->acknowledge(), 0x3c);
    line(9, true);
    EXPECT_TRUE(intr.high());
    EXPECT_EQ(pic->acknowledge(), 0x39);
    line(5, true);  // below input 2, which is in service
    EXPECT_FALSE(intr.high());
}

TEST_F(Pic, PollAcknowledges) {
    initialize();
    master(command_port, 0x0c);
    EXPECT_EQ(in(pic->master_ports(), command_port), 0);
    line(6, true);
    master(command_port, 0x0c);
    EXPECT_EQ(in(pic->master_ports(), command_port), 0x86);
    EXPECT_FALSE(intr.high());
    EXPECT_EQ(master_in_service(), 0x40);
    EXPECT_EQ(in(pic->master_ports(), command_port), 0x40);  // only one read is a poll
}

TEST_F(Pic, PollingTheSlaveAnswersTheMasterToo) {
    initialize();
    line(8, true);
    slave(command_port, 0x0c);
    EXPECT_EQ(in(pic->slave_ports(), data_port), 0x80);
    EXPECT_FALSE(intr.high());
}

TEST_F(Pic, InitializationForgetsEdgesAndKeepsLevels) {
    initialize();
    out(pic->edge_level_ports(), 0, 0x20);
    line(3, true);
    line(5, true);
    initialize();
    EXPECT_EQ(master_requests(), 0x20);
    EXPECT_EQ(pic->acknowledge(), 0x35);
}

TEST_F(Pic, NoInterruptInTheMiddleOfInitialization) {
    initialize();
    master(command_port, 0x11);
    line(1, true);
    EXPECT_FALSE(intr.high());
    master(data_port, 0x40);
    master(data_port, 0x04);
    EXPECT_FALSE(intr.high());
    master(data_port, 0x01);
    EXPECT_TRUE(intr.high());
    EXPECT_EQ(pic->acknowledge(), 0x41);
}

TEST_F(Pic, SingleModeAndNoIcw4ShortenInitialization) {
    master(command_port, 0x12);  // single, no ICW4
    master(data_port, 0x50);
    master(data_port, 0xfe);  // already the mask
    EXPECT_EQ(in(pic->master_ports(), data_port), 0xfe);
    line(0, true);
    EXPECT_EQ(pic->acknowledge(), 0x50);
}

TEST_F(Pic, CascadeInputIsNotForDevices) {
    initialize();
    line(2, true);
    EXPECT_FALSE(intr.high());
}

TEST_F(Pic, RestoresInTheMiddleOfAnInterrupt) {
    initialize();
    line(4, true);
    EXPECT_EQ(pic->acknowledge(), 0x34);
    line(10, true);
    line(6, true);
    const bus::SavedState saved = pic->save();
    FakeLine other;
    auto restored = Pic8259::restore({other}, saved);
    ASSERT_TRUE(restored) << restored.error().message;
    pic = std::move(*restored);
    EXPECT_EQ(pic->save().fields, saved.fields);
    EXPECT_TRUE(other.high());  // IRQ 10 through input 2 is above 4
    line(6, true);              // devices tell their levels again: no new edge
    EXPECT_EQ(pic->acknowledge(), 0x3a);
    slave(command_port, plain_eoi);
    master(command_port, plain_eoi);
    EXPECT_FALSE(other.high());  // 4 is still in service
    master(command_port, plain_eoi);
    EXPECT_EQ(pic->acknowledge(), 0x36);
}

TEST_F(Pic, RestoresInTheMiddleOfInitialization) {
    master(command_port, 0x11);
    master(data_port, 0x30);
    auto restored = Pic8259::restore({intr}, pic->save());
    ASSERT_TRUE(restored);
    pic = std::move(*restored);
    master(data_port, 0x04);
    master(data_port, 0x01);
    line(7, true);
    EXPECT_EQ(pic->acknowledge(), 0x37);
    EXPECT_EQ(master_in_service(), 0x80);
}

TEST_F(Pic, RefusesImpossibleStates) {
    const bus::SavedState good = pic->save();
    const auto refuses = [&](const char* field, nlohmann::json value) {
        bus::SavedState bad = good;
        bad.fields["slave"][field] = std::move(value);
        return !Pic8259::restore({intr}, bad).has_value();
    };
    EXPECT_TRUE(refuses("lowest_priority", 8));
    EXPECT_TRUE(refuses("vector_base", 0x31));
    EXPECT_TRUE(refuses("level_triggered", 1));
    EXPECT_TRUE(refuses("expects", 4));
    EXPECT_TRUE(refuses("requests", 1));
    EXPECT_FALSE(refuses("mask", 0));
    bus::SavedState bad = good;
    bad.fields.erase("master");
    EXPECT_FALSE(Pic8259::restore({intr}, bad));
}

TEST_F(Pic, ResetMasksEverythingAndKeepsTheWires) {
    initialize();
    line(5, true);
    pic->reset();
    EXPECT_FALSE(intr.high());
    EXPECT_EQ(in(pic->master_ports(), data_port), 0xff);
    initialize();
    EXPECT_FALSE(intr.high());  // the edge was before
    line(5, false);
    line(5, true);
    EXPECT_TRUE(intr.high());
}

}  // namespace
}  // namespace softmetal::devices
