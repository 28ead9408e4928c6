#include "devices/pci/host_bridge.hpp"
#include "devices/pci/msi.hpp"
#include "devices/pci/msix.hpp"
#include "devices/pci/pci_registers.hpp"
#include "devices/pci/root_bus.hpp"
#include "devices/pci/shared_line.hpp"
#include "virtio_driver.hpp"

#include <gtest/gtest.h>

namespace softmetal::devices::pci {
namespace {

using testing::FakeLine;
using testing::FakePlatform;
using testing::FakeRam;
using testing::MessageLog;

struct Registers : bus::IoHandler {
    u64 read_io(u64 offset, unsigned) override { return 0x1000 + offset; }
    void write_io(u64 offset, unsigned, u64 value) override { written.emplace_back(offset, value); }
    std::vector<std::pair<u64, u64>> written;
};

/// Memory BAR 0, port BAR 1, 64-bit memory BARs 2 and 3.
struct TestFunction : PciFunction {
    explicit TestFunction(const Surroundings& s)
        : PciFunction({.vendor = 0x1234, .device = 0x5678, .revision = 3, .class_code = 0x020000}, s) {
        add_bar(0, BarKind::memory_32, 0x1000, memory);
        add_bar(1, BarKind::port, 0x20, port);
        add_bar(2, BarKind::memory_64, 0x10000, wide);
    }
    std::string_view name() const override { return "test"; }
    void reset() override { reset_configuration(); }
    bus::SavedState save() const override {
        return {.schema = "test", .version = 1, .fields = save_configuration()};
    }
    using PciFunction::dma;
    using PciFunction::restore_configuration;
    using PciFunction::set_interrupt_pin;
    Registers memory, port, wide;
};

struct PciTest : ::testing::Test {
    bus::AddressSpace ports, memory;
    FakeRam ram;
    MessageLog messages;
    FakeLine line;
    FakePlatform platform;
    Surroundings surroundings{ports, memory, ram, messages, &line};
    RootBus bus{platform};
    TestFunction function{surroundings};

    void SetUp() override {
        bus.connect(3, function);
        ASSERT_TRUE(ports.attach({port::first, port::size}, bus).has_value());
    }
    void select(unsigned slot, u8 reg, unsigned fn = 0, unsigned bus_number = 0) {
        ports.write(0xcf8, 4, 1u << 31 | bus_number << 16 | slot << 11 | fn << 8 | (reg & 0xfc));
    }
    u32 read(unsigned slot, u8 reg, unsigned width = 4) {
        select(slot, reg);
        return static_cast<u32>(ports.read(0xcfc + (reg & 3), width));
    }
    void write(unsigned slot, u8 reg, u32 value, unsigned width = 4) {
        select(slot, reg);
        ports.write(0xcfc + (reg & 3), width, value);
    }
};

TEST_F(PciTest, IdentityAndAbsence) {
    EXPECT_EQ(read(3, 0), 0x56781234u);
    EXPECT_EQ(read(3, 2, 2), 0x5678u);
    EXPECT_EQ(read(3, 8), 0x02000003u);
    EXPECT_EQ(read(3, 0x3d, 1), 1u);
    EXPECT_EQ(read(4, 0), 0xffffffffu);
    select(3, 0, 1);
    EXPECT_EQ(ports.read(0xcfc, 4), 0xffffffffu);
    select(3, 0, 0, 1);
    EXPECT_EQ(ports.read(0xcfc, 4), 0xffffffffu);
    ports.write(0xcf8, 4, 3 << 11);  // not enabled
    EXPECT_EQ(ports.read(0xcfc, 4), 0xffffffffu);
    write(3, 0, 0);
    EXPECT_EQ(read(3, 0), 0x56781234u);
}

TEST_F(PciTest, AddressRegisterIsDwordOnly) {
    ports.write(0xcf8, 4, 0xffffffff);
    EXPECT_EQ(ports.read(0xcf8, 4), port::address_writable);
    ports.write(0xcf8, 2, 0);
    ports.write(0xcf8, 1, 0);
    EXPECT_EQ(ports.read(0xcf8, 4), port::address_writable);
    EXPECT_EQ(ports.read(0xcff, 4), 0xffffffffu);  // leaves the data register
}

TEST_F(PciTest, ResetControlActsOnTheRisingEdge) {
    ports.write(0xcf9, 1, 2);
    EXPECT_EQ(platform.resets, 0u);
    ports.write(0xcf9, 1, 6);
    EXPECT_EQ(platform.resets, 1u);
    ports.write(0xcf9, 1, 6);
    EXPECT_EQ(platform.resets, 1u);
    EXPECT_EQ(ports.read(0xcf9, 1), 6u);
}

TEST_F(PciTest, BarSizingAndRelocation) {
    write(3, 0x10, 0xffffffff);
    EXPECT_EQ(read(3, 0x10), 0xfffff000u);
    write(3, 0x14, 0xffffffff);
    EXPECT_EQ(read(3, 0x14), 0xffffffe1u);
    write(3, 0x18, 0xffffffff);
    write(3, 0x1c, 0xffffffff);
    EXPECT_EQ(read(3, 0x18), 0xffff0004u);
    EXPECT_EQ(read(3, 0x1c), 0xffffffffu);
    write(3, 0x20, 0xffffffff);
    EXPECT_EQ(read(3, 0x20), 0u);

    write(3, 0x10, 0xe0001234);
    EXPECT_EQ(read(3, 0x10), 0xe0001000u);
    EXPECT_EQ(memory.read(0xe0001010, 4), 0xffffffffu);  // decoding is off
    write(3, 0x14, 0xc001);
    write(3, 4, 3, 2);
    EXPECT_EQ(memory.read(0xe0001010, 4), 0x1010u);
    EXPECT_EQ(ports.read(0xc004, 4), 0x1004u);
    write(3, 0x10, 0xe0005000);
    EXPECT_EQ(memory.read(0xe0001010, 4), 0xffffffffu);
    EXPECT_EQ(memory.read(0xe0005ffc, 4), 0x1ffcu);
    write(3, 4, 1, 2);
    EXPECT_EQ(memory.read(0xe0005ffc, 4), 0xffffffffu);
    EXPECT_EQ(ports.read(0xc004, 4), 0x1004u);
}

TEST_F(PciTest, SixtyFourBitBarAboveFourGigabytes) {
    write(3, 4, 2, 2);
    write(3, 0x18, 0x00020000);
    write(3, 0x1c, 0x8);
    EXPECT_EQ(memory.read(0x8'0002'0008, 4), 0x1008u);
    write(3, 0x1c, 0xffffffff);  // beyond any bus
    EXPECT_EQ(memory.read(0x8'0002'0008, 4), 0xffffffffu);
}

TEST_F(PciTest, SizingWithDecodingOnIsHarmless) {
    write(3, 0x10, 0xe0000000);
    write(3, 4, 2, 2);
    write(3, 0x10, 0xffffffff);
    EXPECT_EQ(memory.read(0xfffff000, 4), 0xffffffffu);
    write(3, 0x10, 0xe0000000);
    EXPECT_EQ(memory.read(0xe0000000, 4), 0x1000u);
}

TEST_F(PciTest, OverlappingBarStaysOff) {
    TestFunction other(surroundings);
    bus.connect(4, other);
    write(3, 0x10, 0xe0000000);
    write(3, 4, 2, 2);
    write(4, 0x10, 0xe0000000);
    write(4, 4, 2, 2);
    memory.write(0xe0000000, 4, 7);
    EXPECT_EQ(function.memory.written.size(), 1u);
    EXPECT_TRUE(other.memory.written.empty());
    write(3, 0x10, 0xe0002000);
    write(4, 0x10, 0xe0000000);
    memory.write(0xe0000000, 4, 7);
    EXPECT_EQ(other.memory.written.size(), 1u);
}

TEST_F(PciTest, BusMasterGatesDma) {
    std::array<std::byte, 4> bytes{};
    EXPECT_FALSE(function.dma().read({0}, bytes));
    EXPECT_FALSE(function.dma().write({0}, bytes));
    write(3, 4, 4, 2);
    EXPECT_TRUE(function.dma().read({0}, bytes));
}

TEST_F(PciTest, InterruptPinStatusAndDisable) {
    function.set_interrupt_pin(true);
    EXPECT_TRUE(line.high());
    EXPECT_TRUE(read(3, 6, 2) & status::interrupt);
    write(3, 4, command::interrupt_disable, 2);
    EXPECT_FALSE(line.high());
    EXPECT_TRUE(read(3, 6, 2) & status::interrupt);
    write(3, 4, 0, 2);
    EXPECT_TRUE(line.high());
    function.set_interrupt_pin(false);
    EXPECT_FALSE(line.high());
    EXPECT_FALSE(read(3, 6, 2) & status::interrupt);
}

TEST_F(PciTest, AddressesAssignedAsByFirmware) {
    TestFunction other(surroundings);
    bus.connect(4, other);
    ASSERT_TRUE(bus.assign_addresses({0xe0000000, 0x100000}, {0xc000, 0x1000}).has_value());
    EXPECT_EQ(read(3, 0x10), 0xe0000000u);
    EXPECT_EQ(read(3, 0x14), 0xc001u);
    EXPECT_EQ(read(3, 0x18), 0xe0010004u);
    EXPECT_EQ(read(3, 0x1c), 0u);
    EXPECT_EQ(read(4, 0x10), 0xe0020000u);
    EXPECT_EQ(read(4, 0x14), 0xc021u);
    EXPECT_EQ(memory.read(0xe0030000, 4), 0x1000u);
    EXPECT_EQ(ports.read(0xc020, 4), 0x1000u);
    EXPECT_FALSE(bus.assign_addresses({0xe0000000, 0x11000}, {0xc000, 0x1000}).has_value());
}

TEST_F(PciTest, ResetTakesEverythingBack) {
    write(3, 0x10, 0xe0000000);
    write(3, 4, 7, 2);
    function.reset();
    EXPECT_EQ(memory.read(0xe0000000, 4), 0xffffffffu);
    EXPECT_EQ(read(3, 4, 2), 0u);
    EXPECT_EQ(read(3, 0x10), 0u);
}

TEST_F(PciTest, SaveAndRestoreMapsAgain) {
    write(3, 0x10, 0xe0000000);
    write(3, 4, 7, 2);
    function.set_interrupt_pin(true);
    const bus::SavedState saved = function.save();

    bus::AddressSpace ports2, memory2;
    FakeLine line2;
    TestFunction other(Surroundings{ports2, memory2, ram, messages, &line2});
    ASSERT_TRUE(other.restore_configuration(saved.fields).has_value());
    EXPECT_EQ(memory2.read(0xe0000000, 4), 0x1000u);
    EXPECT_TRUE(line2.high());
    EXPECT_EQ(other.save().fields, saved.fields);

    nlohmann::json bad = saved.fields;
    bad["bytes"][0] = 0x99;  // another vendor
    EXPECT_FALSE(other.restore_configuration(bad).has_value());
    bad = saved.fields;
    bad["bytes"].erase(0);
    EXPECT_FALSE(other.restore_configuration(bad).has_value());

    const bus::SavedState root = bus.save();
    auto restored = RootBus::restore(platform, root);
    ASSERT_TRUE(restored.has_value());
    EXPECT_EQ((*restored)->save().fields, root.fields);
    bus::SavedState wrong = root;
    wrong.fields["address"] = 3;
    EXPECT_FALSE(RootBus::restore(platform, wrong).has_value());
}

TEST_F(PciTest, HostBridge) {
    HostBridge bridge(Surroundings{ports, memory, ram, messages, nullptr}, [](const ShadowSegment&) {});
    bus.connect(0, bridge);
    EXPECT_EQ(read(0, 0), 0x12378086u);
    EXPECT_EQ(read(0, 8), 0x06000002u);
    EXPECT_EQ(read(0, 0x3d, 1), 0u);
    write(0, 0x59, 0xff, 1);
    EXPECT_EQ(read(0, 0x59, 1), 0x30u);
    const auto saved = bridge.save();
    std::vector<ShadowSegment> told;
    auto restored = HostBridge::restore(
        Surroundings{ports, memory, ram, messages, nullptr},
        [&](const ShadowSegment& s) { told.push_back(s); }, saved);
    ASSERT_TRUE(restored.has_value());
    EXPECT_EQ((*restored)->save().fields, saved.fields);
    EXPECT_EQ(told.back(), (ShadowSegment{{0xf0000, 0x10000}, true, true}));
}

TEST_F(PciTest, AttributeMapSaysWhichSegmentChanged) {
    std::vector<ShadowSegment> told;
    HostBridge bridge(Surroundings{ports, memory, ram, messages, nullptr},
                      [&](const ShadowSegment& s) { told.push_back(s); });
    bus.connect(0, bridge);
    ASSERT_EQ(told.size(), 13u);
    u64 covered = 0;
    for (const ShadowSegment& s : told) {
        EXPECT_FALSE(s.reads_ram || s.writes_ram);
        covered += s.range.size;
    }
    EXPECT_EQ(covered, 0x40000u);
    told.clear();
    write(0, 0x5a, 0x21, 1);  // 0xc0000 reads RAM, 0xc4000 writes it
    write(0, 0x5f, 0x30, 1);
    write(0, 0x5f, 0x30, 1);
    EXPECT_EQ(told, (std::vector<ShadowSegment>{{{0xc0000, 0x4000}, true, false},
                                                {{0xc4000, 0x4000}, false, true},
                                                {{0xec000, 0x4000}, true, true}}));
    told.clear();
    bridge.reset();
    EXPECT_EQ(told.size(), 3u);
    told.clear();
    bridge.shadow_everything();
    EXPECT_EQ(told.size(), 13u);
}

TEST_F(PciTest, ExpansionRomIsSizedAndDecodedByItsOwnEnable) {
    Surroundings with_rom = surroundings;
    with_rom.option_rom.assign(3000, 0x55);
    TestFunction card(with_rom);
    bus.connect(4, card);
    write(4, 0x30, 0xffffffff);
    EXPECT_EQ(read(4, 0x30), 0xfffff001u);
    write(4, 0x30, 0xfebf0001);
    EXPECT_EQ(memory.read(0xfebf0000, 1), 0xffu);  // memory decoding is off
    write(4, 4, command::memory_decode, 2);
    EXPECT_EQ(memory.read(0xfebf0000, 4), 0x55555555u);
    EXPECT_EQ(memory.read(0xfebf0000 + 2998, 4), 0xffff5555u);
    memory.write(0xfebf0000, 4, 0);
    EXPECT_EQ(memory.read(0xfebf0000, 1), 0x55u);
    write(4, 0x30, 0xfebf0000);
    EXPECT_EQ(memory.read(0xfebf0000, 1), 0xffu);
    EXPECT_EQ(read(3, 0x30), 0u);  // a card without one
}

TEST_F(PciTest, FunctionsOfOneSlot) {
    TestFunction second(surroundings);
    EXPECT_EQ(read(3, 0x0e, 1), 0u);
    bus.connect(3, second, 1);
    EXPECT_EQ(read(3, 0x0e, 1), 0x80u);
    select(3, 0, 1);
    EXPECT_EQ(ports.read(0xcfc, 4), 0x56781234u);
    select(3, 0, 2);
    EXPECT_EQ(ports.read(0xcfc, 4), 0xffffffffu);
}

TEST(SharedLine, HighWhileAnyInputIs) {
    FakeLine out;
    SharedLine shared(out);
    auto& a = shared.add_input();
    auto& b = shared.add_input();
    a.set_level(true);
    b.set_level(true);
    b.set_level(true);
    a.set_level(false);
    EXPECT_TRUE(out.high());
    b.set_level(false);
    EXPECT_FALSE(out.high());
    b.set_level(false);
    a.set_level(true);
    EXPECT_TRUE(out.high());
}

struct MsixTest : ::testing::Test {
    ConfigSpace configuration;
    MessageLog log;
    Msix msix{configuration, 3, 1, 0x1000, 0x2000, log};
    void control(u16 value) {
        configuration.write(0x42, 2, value);
        msix.follow(configuration);
    }
    void set_up(unsigned vector, u32 data) {
        msix.write_table(16 * vector, 4, 0xfee00000);
        msix.write_table(16 * vector + 8, 8, data);  // data, and control 0
    }
};

TEST_F(MsixTest, Capability) {
    EXPECT_EQ(configuration.read(0x34, 1), 0x40u);
    EXPECT_EQ(configuration.read(0x40, 4), 0x00020011u);
    EXPECT_EQ(configuration.read(0x44, 4), 0x1001u);
    EXPECT_EQ(configuration.read(0x48, 4), 0x2001u);
    control(0xffff);
    EXPECT_EQ(configuration.read(0x42, 2), 0xc002u);
}

TEST_F(MsixTest, SendsWhenEnabledAndUnmasked) {
    set_up(1, 0x41);
    msix.send(1);
    EXPECT_TRUE(log.sent.empty());  // not enabled: lost, as there is no pin's worth of state
    control(0x8000);
    EXPECT_TRUE(log.sent.empty());
    msix.send(1);
    ASSERT_EQ(log.sent.size(), 1u);
    EXPECT_EQ(log.sent[0].data, 0x41u);
    msix.send(3);
    msix.send(0xffff);
    EXPECT_EQ(log.sent.size(), 1u);
}

TEST_F(MsixTest, MaskedVectorsStayPending) {
    set_up(0, 0x40);
    set_up(1, 0x41);
    control(0x8000);
    msix.write_table(16 + 12, 4, 1);
    msix.send(1);
    msix.send(1);
    EXPECT_EQ(msix.read_pending(0, 8), 2u);
    msix.write_table(16 + 12, 4, 0);
    EXPECT_EQ(log.sent.size(), 1u);
    EXPECT_EQ(msix.read_pending(0, 4), 0u);
    control(0xc000);
    msix.send(0);
    EXPECT_EQ(log.sent.size(), 1u);
    control(0x8000);
    EXPECT_EQ(log.sent.size(), 2u);
}

TEST_F(MsixTest, OddTableAccesses) {
    EXPECT_EQ(msix.read_table(0, 1), ~u64{0});
    EXPECT_EQ(msix.read_table(2, 4), ~u64{0});
    EXPECT_EQ(msix.read_table(16 * 3, 4), 0u);
    msix.write_table(16 * 3, 4, 5);
    msix.write_table(1, 2, 5);
    EXPECT_EQ(msix.read_table(12, 4), 1u);  // masked after reset
    EXPECT_EQ(msix.read_table(8, 8), u64{1} << 32);
}

TEST_F(MsixTest, SaveAndRestorePending) {
    set_up(2, 0x42);
    control(0xc000);
    msix.send(2);
    const auto saved = msix.save();
    ConfigSpace c2;
    MessageLog log2;
    Msix other(c2, 3, 1, 0x1000, 0x2000, log2);
    ASSERT_TRUE(other.restore(saved).has_value());
    c2.write(0x42, 2, 0x8000);
    other.follow(c2);
    ASSERT_EQ(log2.sent.size(), 1u);
    EXPECT_EQ(log2.sent[0].data, 0x42u);
    nlohmann::json bad = saved;
    bad["entries"].erase(0);
    EXPECT_FALSE(other.restore(bad).has_value());
    bad = saved;
    bad["entries"][0]["control"] = 2;
    EXPECT_FALSE(other.restore(bad).has_value());
}

struct MsiTest : ::testing::Test {
    ConfigSpace configuration;
    MessageLog log;
    Msi msi{configuration, {.vectors = 4, .wide = true, .maskable = true}, log};
    void write(u8 offset, unsigned width, u32 value) {
        configuration.write(offset, width, value);
        msi.follow(configuration);
    }
    void enable(u16 more = 0) {
        write(0x44, 4, 0xfee0'1000);
        write(0x4c, 2, 0x4143);
        write(0x42, 2, 1 | more);
    }
    u32 pending() {
        msi.refresh(configuration);
        return configuration.read(0x54, 4);
    }
};

TEST_F(MsiTest, CapabilityShowsItsForm) {
    EXPECT_EQ(configuration.read(0x34, 1), 0x40u);
    EXPECT_EQ(configuration.read(0x40, 4), 0x0184'0005u);
    for (u8 offset = 0x40; offset < 0x58; offset += 4) write(offset, 4, ~0u);
    EXPECT_EQ(configuration.read(0x40, 4), 0x01f5'0005u);
    EXPECT_EQ(configuration.read(0x44, 4), ~3u);
    EXPECT_EQ(configuration.read(0x48, 4), ~0u);
    EXPECT_EQ(configuration.read(0x4c, 4), 0xffffu);
    EXPECT_EQ(configuration.read(0x50, 4), 0xfu);
    EXPECT_EQ(configuration.read(0x54, 4), 0u);  // pending: read only

    ConfigSpace narrow;
    const Msi plain(narrow, {}, log);
    EXPECT_EQ(narrow.read(0x40, 4), 0x0000'0005u);
    narrow.write(0x48, 4, ~0u);
    EXPECT_EQ(narrow.read(0x48, 4), 0xffffu);
    narrow.write(0x4c, 4, ~0u);
    EXPECT_EQ(narrow.read(0x4c, 4), 0u);
}

TEST_F(MsiTest, SendsWhenEnabledWithTheVectorInTheDatasLowBits) {
    msi.send(0);
    enable();
    EXPECT_TRUE(log.sent.empty());
    msi.send(2);  // one message is allowed: they share it, and its data stays whole
    ASSERT_EQ(log.sent.size(), 1u);
    EXPECT_EQ(log.sent[0].address, 0xfee0'1000u);
    EXPECT_EQ(log.sent[0].data, 0x4143u);
    write(0x42, 2, 1 | 2 << 4);
    msi.send(2);
    EXPECT_EQ(log.sent.back().data, 0x4142u);
    write(0x42, 2, 1 | 1 << 4);
    msi.send(3);
    EXPECT_EQ(log.sent.back().data, 0x4143u);
    msi.send(0);
    EXPECT_EQ(log.sent.back().data, 0x4142u);
    write(0x42, 2, 1 | 7 << 4);  // more than there are
    msi.send(1);
    EXPECT_EQ(log.sent.back().data, 0x4141u);
    const std::size_t sent = log.sent.size();
    msi.send(4);
    EXPECT_EQ(log.sent.size(), sent);
    write(0x48, 4, 1);  // an address that no interrupt controller has
    msi.send(0);
    EXPECT_EQ(log.sent.size(), sent);
}

TEST_F(MsiTest, MaskedMessagesWait) {
    enable(2 << 4);
    write(0x50, 4, 6);
    msi.send(1);
    msi.send(1);
    msi.send(2);
    EXPECT_TRUE(log.sent.empty());
    EXPECT_EQ(pending(), 6u);
    write(0x54, 4, 0);  // no software clears them
    EXPECT_EQ(pending(), 6u);
    write(0x50, 4, 4);
    ASSERT_EQ(log.sent.size(), 1u);
    EXPECT_EQ(log.sent[0].data, 0x4141u);
    EXPECT_EQ(pending(), 4u);
    configuration.reset();
    msi.reset();
    enable(2 << 4);
    EXPECT_EQ(log.sent.size(), 1u);
}

TEST_F(MsiTest, SaveAndRestorePending) {
    enable(2 << 4);
    write(0x50, 4, 8);
    msi.send(3);
    EXPECT_EQ(pending(), 8u);
    const auto saved = msi.save();
    ConfigSpace c2;
    MessageLog log2;
    Msi other(c2, {.vectors = 4, .wide = true, .maskable = true}, log2);
    ASSERT_TRUE(other.restore(saved).has_value());
    ASSERT_TRUE(c2.load(configuration.bytes(), 0x06).has_value());
    other.follow(c2);
    EXPECT_TRUE(log2.sent.empty());
    c2.write(0x50, 4, 0);
    other.follow(c2);
    ASSERT_EQ(log2.sent.size(), 1u);
    EXPECT_EQ(log2.sent[0].data, 0x4143u);
    EXPECT_FALSE(other.restore({{"pending", 16}}).has_value());
    ConfigSpace c3;
    Msi plain(c3, {}, log2);
    EXPECT_FALSE(plain.restore(saved).has_value());
}

}  // namespace
}  // namespace softmetal::devices::pci
