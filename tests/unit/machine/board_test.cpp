// The board's wiring, looked at from the guest's side: ports and memory that answer, interrupts that arrive.
#include "machine/board.hpp"

#include "cpu/event_delivery.hpp"
#include "machine/board_layout.hpp"
#include "machine/boot/bios_environment.hpp"
#include "machine_resources.hpp"

#include <gmock/gmock.h>

namespace softmetal::machine {
namespace {

using ::testing::HasSubstr;

struct Wired : ::testing::Test {
    testing::Outside outside;
    std::unique_ptr<Board> board;
    Vcpu* cpu = nullptr;

    void build(unsigned cpus = 1, unsigned disks = 0) {
        auto made = Board::create({.memory_bytes = 16u << 20, .cpus = cpus}, outside.resources(disks),
                                  outside.platform);
        ASSERT_TRUE(made) << made.error().message;
        board = std::move(*made);
        cpu = board->vcpus().front().get();
        const auto ready = board->hand_over_as_firmware();
        ASSERT_TRUE(ready) << ready.error().message;
    }
    void out(u64 port, unsigned width, u64 value) { cpu->ports.write(port, width, value); }
    u64 in(u64 port, unsigned width) { return cpu->ports.read(port, width); }
    u64 pci_read(unsigned slot, unsigned offset) {
        out(0xcf8, 4, 0x8000'0000u | slot << 11 | offset);
        return in(0xcfc, 4);
    }
    void redirect(unsigned gsi, u8 vector, bool level) {
        cpu->mmio.write(layout::io_apic_base, 4, 0x10 + 2 * gsi + 1);
        cpu->mmio.write(layout::io_apic_base + 0x10, 4, 0);
        cpu->mmio.write(layout::io_apic_base, 4, 0x10 + 2 * gsi);
        cpu->mmio.write(layout::io_apic_base + 0x10, 4, vector | (level ? 1u << 15 : 0));
    }
    void initialize_8259s() {
        out(0x20, 1, 0x11), out(0xa0, 1, 0x11);
        out(0x21, 1, 0x20), out(0xa1, 1, 0x28);
        out(0x21, 1, 4), out(0xa1, 1, 2);
        out(0x21, 1, 1), out(0xa1, 1, 1);
        out(0x21, 1, 0), out(0xa1, 1, 0);
    }
};

TEST_F(Wired, SerialPortWritesToTheStream) {
    build();
    for (char c : std::string_view("hi")) out(layout::com1_port, 1, static_cast<u8>(c));
    EXPECT_EQ(outside.serial.text, "hi");
}

TEST_F(Wired, AcpiSwitchesOffAndTheChipsetResets) {
    build();
    out(layout::pm1_control_port, 2, 5u << 10 | 1u << 13);
    EXPECT_EQ(outside.platform.power_offs, 1u);
    out(layout::reset_port, 1, layout::reset_value);
    EXPECT_EQ(outside.platform.resets, 1u);
    out(layout::i8042_command_port, 1, 0xfe);
    EXPECT_EQ(outside.platform.resets, 2u);
}

TEST_F(Wired, PowerButtonInterruptsThroughTheIoApic) {
    build();
    cpu->apic->write_register(0xf0, 0x1ff);
    redirect(layout::sci_irq, 0x51, true);
    out(layout::pm1_event_port + 2, 2, 1u << 8);
    board->press_power_button();
    ASSERT_TRUE(cpu->apic->deliverable());
    EXPECT_EQ(cpu->apic->acknowledge(), 0x51);
    EXPECT_TRUE(in(layout::pm1_event_port, 2) & 1u << 8);
}

// Time stands still at 0, so the counter is what TSC_ADJUST says.
TEST_F(Wired, TscDeadlineFiresWhereTheCounterHasReachedIt) {
    build();
    cpu->apic->write_register(0xf0, 0x1ff);
    cpu->apic->write_register(0x320, 2u << 17 | 0x61);  // LVT timer: TSC deadline
    const auto fires = [&](u64 counter, u64 deadline) {
        cpu->state.tsc_adjust = counter;
        EXPECT_TRUE(cpu->apic->write_msr(0x6e0, deadline));
        const bool fired = cpu->apic->deliverable();
        if (fired) {
            EXPECT_EQ(cpu->apic->acknowledge(), 0x61);
            cpu->apic->write_register(0xb0, 0);
        }
        EXPECT_TRUE(cpu->apic->write_msr(0x6e0, 0));  // disarmed
        return fired;
    };
    constexpr u64 last = ~u64{0}, half = u64{1} << 63;
    EXPECT_TRUE(fires(1000, 1));
    EXPECT_TRUE(fires(1000, 1000));
    EXPECT_FALSE(fires(1000, 1001));
    // As good as never, and not in the past.
    for (const u64 deadline : {half - 1, half, half + 1000, half + 1001, last})
        EXPECT_FALSE(fires(1000, deadline)) << deadline;
    EXPECT_TRUE(fires(last - 10, 5));
    EXPECT_TRUE(fires(last - 10, half));
    EXPECT_FALSE(fires(last - 10, last));
    EXPECT_FALSE(fires(half + 5, last));
}

TEST_F(Wired, PowerButtonInterruptsThroughThe8259s) {
    build();
    initialize_8259s();
    out(layout::pm1_event_port + 2, 2, 1u << 8);
    EXPECT_FALSE(cpu->apic->deliverable());
    board->press_power_button();
    ASSERT_TRUE(cpu->apic->deliverable()) << "LINT0 is in virtual wire mode";
    EXPECT_EQ(cpu->apic->acknowledge(), 0x28 + layout::sci_irq - 8);
}

TEST_F(Wired, TheA20GateMovesAtTheNextInstruction) {
    build(2);
    const auto physical = [](Vcpu& vcpu) {
        return vcpu.mmu.translate({0x10'0000}, Access::read, Privilege::supervisor_any)->physical.value;
    };
    EXPECT_EQ(physical(*cpu), 0x10'0000u);
    out(0x92, 1, 0);
    out(layout::i8042_command_port, 1, 0xd1);
    out(layout::i8042_data_port, 1, 0xdd);
    for (const auto& vcpu : board->vcpus()) {
        EXPECT_TRUE(vcpu->block.attention.load() & attention::address_mask);
        EXPECT_TRUE(take_pending_event(*vcpu));
        EXPECT_EQ(physical(*vcpu), 0u);
    }
    out(0x92, 1, 2);
    EXPECT_TRUE(take_pending_event(*cpu));
    EXPECT_EQ(physical(*cpu), 0x10'0000u);
}

TEST_F(Wired, HpetInterruptsThroughTheIoApic) {
    build();
    cpu->apic->write_register(0xf0, 0x1ff);
    redirect(layout::hpet_gsis[1], 0x52, false);
    EXPECT_EQ(cpu->mmio.read(layout::hpet_base, 4), 0x8086'a201u);
    cpu->mmio.write(layout::hpet_base + 0x100, 4, 4 | layout::hpet_gsis[1] << 9);
    cpu->mmio.write(layout::hpet_base + 0x108, 8, 0);
    cpu->mmio.write(layout::hpet_base + 0x10, 4, 1);
    ASSERT_TRUE(cpu->apic->deliverable());
    EXPECT_EQ(cpu->apic->acknowledge(), 0x52);
}

TEST_F(Wired, HpetTakesThePitsPlaceWhereItIsToldTo) {
    build();
    initialize_8259s();
    out(0x43, 1, 0x30);  // counter 0, mode 0: low until it has counted down
    out(0x43, 1, 0x34);  // mode 2: high
    EXPECT_EQ(cpu->apic->acknowledge(), 0x20);
    out(0x20, 1, 0x20);
    out(0x43, 1, 0x30);
    cpu->mmio.write(layout::hpet_base + 0x10, 4, 2);
    out(0x43, 1, 0x34);
    EXPECT_FALSE(cpu->apic->deliverable()) << "the PIT is cut off";
    cpu->mmio.write(layout::hpet_base + 0x10, 4, 0);
    EXPECT_EQ(cpu->apic->acknowledge(), 0x20);
}

TEST_F(Wired, FirmwareConfigurationTellsTheNumberOfProcessors) {
    build(3);
    out(layout::fw_cfg_port, 2, 5);
    EXPECT_EQ(in(layout::fw_cfg_port + 1, 1), 3u);
}

TEST_F(Wired, DebugExitIsThereOnlyWhereAskedFor) {
    build();
    out(0xf4, 1, 5);
    EXPECT_FALSE(outside.platform.exit_value);
    const auto with_port = [&](u16 port) {
        auto made = Board::create({.memory_bytes = 16u << 20, .debug_exit_port = port}, outside.resources(),
                                  outside.platform);
        if (made) board = std::move(*made);
        return made ? "accepted" : made.error().message;
    };
    EXPECT_EQ(with_port(0xf4), "accepted");
    cpu = board->vcpus().front().get();
    out(0xf4, 1, 5);
    EXPECT_EQ(outside.platform.exit_value, 5u);
    EXPECT_THAT(with_port(0x60), HasSubstr("0x60"));
    EXPECT_THAT(with_port(0xffff), HasSubstr("0xffff"));
}

TEST_F(Wired, TheTestDeviceDrivesInterruptLines) {
    auto made = Board::create({.memory_bytes = 16u << 20, .test_device = true}, outside.resources(),
                              outside.platform);
    ASSERT_TRUE(made) << made.error().message;
    board = std::move(*made);
    cpu = board->vcpus().front().get();
    cpu->apic->write_register(0xf0, 0x1ff);
    redirect(14, 0x53, false);
    out(layout::test_line_port + 14, 1, 1);
    EXPECT_EQ(cpu->apic->acknowledge(), 0x53);
    out(layout::test_line_port + 10, 1, 1);  // which PCI pins share
    out(layout::test_data_port, 1, 7);
    EXPECT_EQ(in(layout::test_data_port, 1), 7u);
    cpu->mmio.write(layout::test_memory_base, 4, 8);
    EXPECT_EQ(cpu->mmio.read(layout::test_memory_base, 4), 8u);
}

TEST_F(Wired, FirmwareBeginsAtTheResetVectorAndCanShadowItself) {
    auto made = Board::create({.memory_bytes = 16u << 20}, outside.resources(), outside.platform);
    ASSERT_TRUE(made) << made.error().message;
    board = std::move(*made);
    cpu = board->vcpus().front().get();
    std::vector<std::byte> image(0x20000, std::byte{0x90});
    image[0x1fff0] = std::byte{0xea};
    EXPECT_THAT(board->install_firmware(std::span(image).first(100)).error().message, HasSubstr("64 KiB"));
    ASSERT_TRUE(board->install_firmware(image));
    ASSERT_TRUE(take_pending_event(*cpu));
    EXPECT_EQ(cpu->state.linear_rip(), 0xffff'fff0u);
    const auto byte = [&](u64 at) { return cpu->linear.read<u8>({at}, Privilege::supervisor_any); };
    EXPECT_EQ(byte(0xffff'fff0), 0xea);
    EXPECT_EQ(byte(0xffff0), 0xea);
    const auto pam0 = [&](u64 value) {
        out(0xcf8, 4, 0x8000'0058), out(0xcfd, 1, value);
        EXPECT_TRUE(take_pending_event(*cpu));
    };
    pam0(0x30);
    EXPECT_EQ(byte(0xffff0), 0);
    cpu->linear.write<u8>({0xffff0}, 0x77, Privilege::supervisor_any);
    pam0(0x10);
    cpu->linear.write<u8>({0xffff0}, 0x78, Privilege::supervisor_any);
    EXPECT_EQ(byte(0xffff0), 0x77);
    EXPECT_EQ(byte(0xffff'fff0), 0xea);
}

TEST_F(Wired, PciPinsReachBothKindsOfInterruptController) {
    build(1, 1);
    EXPECT_EQ(pci_read(layout::pci_piix_slot, 0), 0x7000'8086u);
    EXPECT_EQ(pci_read(layout::pci_piix_slot, 0x60), 0x0b0b'0a0au);
    EXPECT_EQ(in(layout::pic_edge_level_port + 1, 1), 0x0eu) << "9, 10 and 11 are level-triggered";
    out(0xcf8, 4, 0x8000'0040 | layout::pci_piix_slot << 11 | layout::pci_power_function << 8);
    EXPECT_EQ(in(0xcfc, 4), layout::acpi_pm_port | 1);
}

TEST_F(Wired, PciFunctionsAreConfigured) {
    build(1, 2);
    EXPECT_EQ(pci_read(layout::pci_host_bridge_slot, 0), 0x1237'8086u);
    EXPECT_EQ(pci_read(layout::pci_rng_slot, 0), 0x1044'1af4u);
    for (unsigned slot : {layout::pci_first_disk_slot, layout::pci_first_disk_slot + 1}) {
        EXPECT_EQ(pci_read(slot, 0), 0x1042'1af4u);
        const u64 bar = pci_read(slot, 0x10) & ~u64{0xf};
        EXPECT_GE(bar, layout::pci_window_start);
        EXPECT_LT(bar, layout::pci_window_end);
        EXPECT_NE(cpu->mmio.read(bar, 4), 0xffff'ffffu) << "the common configuration answers";
    }
    EXPECT_EQ(pci_read(layout::pci_first_disk_slot + 2, 0), 0xffff'ffffu);
}

TEST_F(Wired, RefusesMoreDisksThanSlots) {
    const auto made = Board::create({.memory_bytes = 16u << 20, .cpus = 1},
                                    outside.resources(layout::maximum_disks + 1), outside.platform);
    ASSERT_FALSE(made);
    EXPECT_THAT(made.error().message, HasSubstr("at most 22 disks, not 23"));
}

TEST_F(Wired, ProcessorsHaveApicsOfTheirOwn) {
    build(3);
    for (const auto& vcpu : board->vcpus()) vcpu->block.attention = 0;
    ASSERT_EQ(board->vcpus().size(), 3u);
    for (const auto& vcpu : board->vcpus()) {
        EXPECT_EQ(vcpu->apic->read_register(0x20) >> 24, vcpu->index);
        EXPECT_EQ(vcpu->state.activity, vcpu->index == 0 ? Activity::running : Activity::wait_for_startup);
    }
    cpu->apic->write_register(0xf0, 0x1ff);
    cpu->apic->write_register(0x310, 2u << 24);
    cpu->apic->write_register(0x300, 0x4609);  // SIPI to APIC id 2
    EXPECT_EQ(board->vcpus()[2]->block.attention.load() & ~attention::memory_map, attention::startup);
    EXPECT_EQ(board->vcpus()[2]->startup_vector(), 9);
    EXPECT_EQ(board->vcpus()[1]->block.attention.load() & ~attention::memory_map, 0u);
}

TEST_F(Wired, TheBiosEnvironmentHasATickAndHandlersThatReturn) {
    build();
    ASSERT_TRUE(leave_bios_environment(board->memory(), cpu->ports));
    out(0x43, 1, 0x30);  // mode 0 and mode 2 again: an edge
    out(0x43, 1, 0x34);
    ASSERT_TRUE(cpu->apic->deliverable());
    EXPECT_EQ(cpu->apic->acknowledge(), 8);
    const auto byte = [&](u64 address) {
        u8 value = 0;
        EXPECT_TRUE(board->memory().read({address}, std::as_writable_bytes(std::span(&value, 1))));
        return value;
    };
    const auto handler = [&](unsigned vector) {
        const u64 at = vector * 4;
        return (u64{byte(at + 3)} << 8 | byte(at + 2)) * 16 + (byte(at + 1) << 8 | byte(at));
    };
    EXPECT_EQ(byte(handler(0x10)), 0xcf);
    EXPECT_EQ(byte(handler(8) + 6), 0xcf);
    EXPECT_EQ(byte(handler(8) + 4), 0x20);
    EXPECT_EQ(byte(handler(0x77) + 4), 0xa0);
    EXPECT_EQ(byte(handler(0x77) + 8), 0xcf);
}

TEST_F(Wired, CmosAndClockAnswer) {
    build();
    const auto cmos = [&](u8 index) {
        out(layout::cmos_port, 1, index);
        return in(layout::cmos_port + 1, 1);
    };
    EXPECT_EQ(cmos(0x15) | cmos(0x16) << 8, 640u);
    EXPECT_EQ(cmos(0x09), 0x70u) << "1970";
    EXPECT_EQ(cmos(0x32), 0x19u);
}

}  // namespace
}  // namespace softmetal::machine
