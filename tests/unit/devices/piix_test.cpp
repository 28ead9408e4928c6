// The PIIX's bridge to ISA and its power-management function.
#include "devices/debug_console/debug_console.hpp"
#include "devices/pci/pci_registers.hpp"
#include "devices/piix/isa_bridge.hpp"
#include "devices/piix/piix_registers.hpp"
#include "devices/piix/power_management.hpp"
#include "virtio_driver.hpp"

#include <gtest/gtest.h>

namespace softmetal::devices::piix {
namespace {

using testing::FakeLine;
using testing::FakeRam;
using testing::MessageLog;

struct Surrounded : ::testing::Test {
    bus::AddressSpace ports, memory;
    FakeRam ram;
    MessageLog messages;
    pci::Surroundings surroundings{ports, memory, ram, messages, nullptr};
};

struct IsaBridgeTest : Surrounded {
    std::array<FakeLine, IsaBridge::irq_count> irqs;
    IsaBridge::IsaLines lines{};
    std::unique_ptr<IsaBridge> bridge;

    void SetUp() override {
        for (unsigned i = 0; i < irqs.size(); i++) lines[i] = &irqs[i];
        bridge = std::make_unique<IsaBridge>(surroundings, lines);
    }
    void route(unsigned pin, u8 value) {
        bridge->write_configuration(static_cast<u8>(isa::pirq_route + pin), 1, value);
    }
};

TEST_F(IsaBridgeTest, SteersPinsWhereItIsTold) {
    EXPECT_EQ(bridge->read_configuration(0, 4), 0x70008086u);
    EXPECT_EQ(bridge->read_configuration(isa::pirq_route, 4), 0x80808080u);
    bridge->pin(0).set_level(true);
    for (const FakeLine& line : irqs) EXPECT_FALSE(line.high());
    route(0, 10);
    EXPECT_TRUE(irqs[10].high());
    route(0, 11);
    EXPECT_FALSE(irqs[10].high());
    EXPECT_TRUE(irqs[11].high());
    route(0, isa::pirq_disabled | 11);
    EXPECT_FALSE(irqs[11].high());
}

TEST_F(IsaBridgeTest, PinsShareAnInterrupt) {
    route(0, 10);
    route(1, 10);
    bridge->pin(0).set_level(true);
    bridge->pin(1).set_level(true);
    bridge->pin(0).set_level(false);
    EXPECT_TRUE(irqs[10].high());
    bridge->pin(1).set_level(false);
    EXPECT_FALSE(irqs[10].high());
    EXPECT_EQ(irqs[10].rises(), 1u);
}

TEST_F(IsaBridgeTest, DoesNotSteerToWhatTheBoardKeeps) {
    bridge->pin(2).set_level(true);
    for (const u8 irq : {0, 1, 2, 8, 13}) {
        route(2, irq);
        EXPECT_FALSE(irqs[irq].high()) << unsigned{irq};
    }
    bridge->write_configuration(isa::pirq_route, 4, 0xff0f0f0f);
    EXPECT_EQ(bridge->read_configuration(isa::pirq_route, 4), 0x8f0f0f0fu);
    EXPECT_TRUE(irqs[15].high());
}

TEST_F(IsaBridgeTest, RestoresItsRoutesWhileAPinIsHigh) {
    route(3, 5);
    bridge->pin(3).set_level(true);
    const auto saved = bridge->save();
    auto restored = IsaBridge::restore(surroundings, lines, saved);
    ASSERT_TRUE(restored) << restored.error().message;
    bridge->pin(3).set_level(false);
    EXPECT_FALSE(irqs[5].high());
    (*restored)->pin(3).set_level(true);  // its driver says it again
    EXPECT_TRUE(irqs[5].high());
    EXPECT_EQ((*restored)->save().fields, saved.fields);
    (*restored)->reset();
    EXPECT_FALSE(irqs[5].high());
}

struct Block : bus::IoHandler {
    u64 read_io(u64 offset, unsigned) override { return 0x40 + offset; }
    void write_io(u64, unsigned, u64) override {}
};

struct PowerTest : Surrounded {
    Block block;
    PowerManagement power{surroundings, block};
};

TEST_F(PowerTest, TheBlockLiesWhereItIsPut) {
    EXPECT_EQ(power.read_configuration(0, 4), 0x71138086u);
    EXPECT_EQ(power.read_configuration(power::base, 4), power::base_is_port);
    power.write_configuration(power::base, 4, 0xffff'0604);
    EXPECT_EQ(power.read_configuration(power::base, 4), 0x601u);
    EXPECT_EQ(ports.read(0x608, 1), 0xffu);
    power.write_configuration(power::misc, 1, 1);
    EXPECT_EQ(ports.read(0x608, 1), 0x48u);
    power.write_configuration(power::base, 4, 0xb001);
    EXPECT_EQ(ports.read(0x608, 1), 0xffu);
    EXPECT_EQ(ports.read(0xb03f, 1), 0x7fu);
    auto saved = power.save();
    power.reset();
    EXPECT_EQ(ports.read(0xb000, 1), 0xffu);
    auto restored = PowerManagement::restore(surroundings, block, saved);
    ASSERT_TRUE(restored) << restored.error().message;
    EXPECT_EQ(ports.read(0xb000, 1), 0x40u);
    saved.fields["configuration"]["bytes"][0] = 0;
    EXPECT_FALSE(PowerManagement::restore(surroundings, block, saved));
}

TEST_F(PowerTest, LeavesPortsThatAreTaken) {
    Block other;
    ASSERT_TRUE(ports.attach({0x630, 4}, other));
    power.place(0x600);
    EXPECT_EQ(ports.read(0x600, 1), 0xffu);
    EXPECT_EQ(ports.read(0x630, 1), 0x40u);
    power.place(0x640);
    EXPECT_EQ(ports.read(0x640, 1), 0x40u);
}

TEST(DebugConsole, SaysThatItIsThereAndPassesBytesOn) {
    testing::FakeStream stream;
    DebugConsole console(stream);
    EXPECT_EQ(testing::in(console, 0), 0xe9);
    for (const char c : std::string("hi\n")) testing::out(console, 0, static_cast<u8>(c));
    EXPECT_EQ(stream.written(), "hi\n");
    EXPECT_TRUE(DebugConsole::restore(stream, console.save()));
    EXPECT_FALSE(DebugConsole::restore(stream, {"another", 1, {}}));
}

}  // namespace
}  // namespace softmetal::devices::piix
