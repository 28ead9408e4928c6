// The ACPI tables as an operating system would find and read them.
#include "machine/acpi/table_loader.hpp"
#include "machine/acpi/tables.hpp"
#include "machine/board_layout.hpp"
#include "memory/guest_memory.hpp"

#include <algorithm>
#include <cstring>
#include <gtest/gtest.h>
#include <map>
#include <string>

namespace softmetal::machine::acpi {
namespace {

using Bytes = std::vector<u8>;

u64 number(const Bytes& b, std::size_t at, unsigned size) {
    u64 value = 0;
    for (unsigned i = size; i-- > 0;) value = value << 8 | b.at(at + i);
    return value;
}

u8 sum(const Bytes& b, std::size_t count) {
    u8 s = 0;
    for (std::size_t i = 0; i < count; i++) s = static_cast<u8>(s + b[i]);
    return s;
}

struct AcpiTables : testing::Test {
    static constexpr unsigned cpus = 3;
    std::unique_ptr<GuestMemory> memory = *GuestMemory::create(2u << 20);
    std::map<std::string, Bytes> tables;  // by signature, as the XSDT leads to them
    std::vector<u64> from_rsdt, from_xsdt;

    Bytes read(u64 address, std::size_t size) {
        Bytes bytes(size);
        EXPECT_TRUE(memory->read({address}, std::as_writable_bytes(std::span(bytes))));
        return bytes;
    }
    Bytes table(u64 address) {
        const Bytes bytes = read(address, number(read(address, 8), 4, 4));
        EXPECT_EQ(sum(bytes, bytes.size()), 0);
        return bytes;
    }
    static std::string signature(const Bytes& b) { return {b.begin(), b.begin() + 4}; }

    void SetUp() override {
        const auto rsdp_address = install_tables(*memory, {.cpus = cpus});
        ASSERT_TRUE(rsdp_address) << rsdp_address.error().message;
        ASSERT_GE(rsdp_address->value, 0xe0000u);
        ASSERT_LT(rsdp_address->value, 0x100000u);
        const Bytes rsdp = read(rsdp_address->value, 36);
        ASSERT_EQ(std::string(rsdp.begin(), rsdp.begin() + 8), "RSD PTR ");
        EXPECT_EQ(sum(rsdp, 20), 0);
        EXPECT_EQ(sum(rsdp, 36), 0);
        const Bytes rsdt = table(number(rsdp, 16, 4)), xsdt = table(number(rsdp, 24, 8));
        for (std::size_t at = 36; at < rsdt.size(); at += 4) from_rsdt.push_back(number(rsdt, at, 4));
        for (std::size_t at = 36; at < xsdt.size(); at += 8) from_xsdt.push_back(number(xsdt, at, 8));
        for (u64 address : from_xsdt) {
            const Bytes t = table(address);
            tables[signature(t)] = t;
        }
    }
};

TEST_F(AcpiTables, BothRootsNameTheSameTables) {
    EXPECT_EQ(from_rsdt, from_xsdt);
    EXPECT_EQ(tables.size(), 4u);
}

TEST_F(AcpiTables, FadtLeadsToFacsAndDsdt) {
    const Bytes& fadt = tables.at("FACP");
    ASSERT_EQ(fadt.size(), 244u) << "the size of revision 3";
    const u64 facs = number(fadt, 36, 4), dsdt = number(fadt, 40, 4);
    EXPECT_EQ(facs % 64, 0u);
    EXPECT_EQ(signature(read(facs, 64)), "FACS");
    EXPECT_EQ(signature(table(dsdt)), "DSDT");
    EXPECT_EQ(number(fadt, 132, 8), facs);
    EXPECT_EQ(number(fadt, 140, 8), dsdt);
}

TEST_F(AcpiTables, FadtNamesTheBoardsRegisters) {
    const Bytes& fadt = tables.at("FACP");
    EXPECT_EQ(number(fadt, 46, 2), layout::sci_irq);
    EXPECT_EQ(number(fadt, 56, 4), layout::pm1_event_port);
    EXPECT_EQ(number(fadt, 64, 4), layout::pm1_control_port);
    EXPECT_EQ(number(fadt, 76, 4), layout::pm_timer_port);
    EXPECT_EQ(fadt.at(88), 4) << "length of PM1 event block";
    EXPECT_EQ(fadt.at(89), 2) << "length of PM1 control block";
    EXPECT_EQ(fadt.at(91), 4) << "length of the timer block";
    EXPECT_EQ(fadt.at(108), 0x32) << "century byte";
    EXPECT_EQ(number(fadt, 120, 8), layout::reset_port);
    EXPECT_EQ(fadt.at(128), layout::reset_value);
    EXPECT_EQ(number(fadt, 148 + 4, 8), layout::pm1_event_port);
    EXPECT_EQ(number(fadt, 172 + 4, 8), layout::pm1_control_port);
    EXPECT_EQ(number(fadt, 208 + 4, 8), layout::pm_timer_port);
    EXPECT_EQ(number(fadt, 112, 4) & (1u << 4), 0u) << "the power button is the fixed one";
}

TEST_F(AcpiTables, MadtListsProcessorsAndIoApic) {
    const Bytes& madt = tables.at("APIC");
    EXPECT_EQ(number(madt, 36, 4), layout::local_apic_base);
    std::map<unsigned, unsigned> count;
    std::map<unsigned, u64> override_gsi;
    std::size_t at = 44;
    for (; at < madt.size(); at += madt.at(at + 1)) {
        ASSERT_GE(madt.at(at + 1), 2);
        count[madt[at]]++;
        if (madt[at] == 0) {
            EXPECT_EQ(madt.at(at + 3), count[0] - 1) << "APIC id";
        }
        if (madt[at] == 1) {
            EXPECT_EQ(number(madt, at + 4, 4), layout::io_apic_base);
        }
        if (madt[at] == 2) override_gsi[madt.at(at + 3)] = number(madt, at + 4, 4);
    }
    EXPECT_EQ(at, madt.size());
    EXPECT_EQ(count[0], cpus);
    EXPECT_EQ(count[1], 1u);
    EXPECT_EQ(override_gsi.at(layout::timer_irq), layout::timer_gsi);
    EXPECT_EQ(override_gsi.at(layout::sci_irq), layout::sci_irq);
}

TEST_F(AcpiTables, HpetIsWhereTheBoardHasIt) {
    const Bytes& hpet = tables.at("HPET");
    ASSERT_EQ(hpet.size(), 56u);
    EXPECT_EQ(number(hpet, 36, 4), 0x8086a201u);
    EXPECT_EQ(hpet.at(40), 0) << "in memory";
    EXPECT_EQ(number(hpet, 44, 8), layout::hpet_base);
}

TEST_F(AcpiTables, SsdtHasADeviceForEachProcessor) {
    const Bytes& ssdt = tables.at("SSDT");
    const std::string text(ssdt.begin(), ssdt.end());
    EXPECT_NE(text.find("C000"), text.npos);
    EXPECT_NE(text.find("C002"), text.npos);
    EXPECT_EQ(text.find("C003"), text.npos);
    // Scope's PkgLength covers the rest of the table (ACPI 6.5, ch. 20.2.4).
    ASSERT_EQ(ssdt.at(36), 0x10);
    ASSERT_EQ(ssdt.at(37) >> 6, 1);
    EXPECT_EQ(37u + ((ssdt.at(37) & 0xf) | ssdt.at(38) << 4), ssdt.size());
}

TEST_F(AcpiTables, DsdtAgreesWithTheBoard) {
    const Bytes dsdt = table(number(tables.at("FACP"), 40, 4));
    const auto claims_ports = [&](u64 first, u64 count) {  // ACPI 6.5, table 6.37: I/O port descriptor
        const u8 low = static_cast<u8>(first), high = static_cast<u8>(first >> 8);
        const Bytes descriptor = {0x47, 1, low, high, low, high, 1, static_cast<u8>(count)};
        return !std::ranges::search(dsdt, descriptor).empty();
    };
    EXPECT_TRUE(claims_ports(layout::com1_port, layout::com1_port_count));
    EXPECT_TRUE(claims_ports(layout::pit_port, layout::pit_port_count));
    EXPECT_TRUE(claims_ports(layout::pic_primary_port, layout::pic_port_count));
    EXPECT_TRUE(claims_ports(layout::pic_secondary_port, layout::pic_port_count));
    EXPECT_TRUE(claims_ports(layout::pic_edge_level_port, layout::pic_edge_level_port_count));
    EXPECT_TRUE(claims_ports(layout::cmos_port, layout::cmos_port_count));
    EXPECT_TRUE(claims_ports(layout::fw_cfg_port, layout::fw_cfg_port_count));
    EXPECT_TRUE(claims_ports(layout::acpi_pm_port, 64));
    EXPECT_TRUE(claims_ports(layout::pci_config_port, layout::pci_config_port_count));

    Bytes pins = {0x12, 10, 4}, irqs = {0x12, 10, 4};  // PackageOp, length, count, then BytePrefix values
    for (unsigned pin = 0; pin < layout::pci_pin_count; pin++) {
        pins.insert(pins.end(), {0x0a, static_cast<u8>(layout::pci_gsi(pin))});
        irqs.insert(irqs.end(), {0x0a, static_cast<u8>(layout::pci_isa_irqs[pin])});
    }
    EXPECT_FALSE(std::ranges::search(dsdt, pins).empty());
    EXPECT_FALSE(std::ranges::search(dsdt, irqs).empty());

    Bytes window = {0, 0, 0, 0};
    for (u64 value : {layout::pci_window_start, layout::pci_window_end - 1})
        for (unsigned i = 0; i < 4; i++) window.push_back(static_cast<u8>(value >> (8 * i)));
    EXPECT_FALSE(std::ranges::search(dsdt, window).empty());
}

TEST(AcpiFloppy, IsNamedWhereThereIsOne) {
    const auto names_it = [](bool has_floppies) {
        const std::vector<std::byte> tables = build_tables({.cpus = 1, .has_floppies = has_floppies}).tables;
        const std::string text(reinterpret_cast<const char*>(tables.data()), tables.size());
        static_assert(layout::floppy_dma == 2);  // which a mask names (ACPI 6.5, table 6.36)
        return text.contains("FDC0") && text.contains("\x2a\x04");
    };
    EXPECT_TRUE(names_it(true));
    EXPECT_FALSE(names_it(false));
}

TEST(AcpiSerialPorts, AreNamedWhereTheyAreWithPortAndInterrupt) {
    for (unsigned present = 0; present < 8; present++) {
        Board board;
        for (unsigned i = 1; i < layout::serial_port_count; i++)
            board.serial_ports[i] = present >> (i - 1) & 1;
        const std::vector<std::byte> bytes = build_tables(board).tables;
        const Bytes tables(reinterpret_cast<const u8*>(bytes.data()),
                           reinterpret_cast<const u8*>(bytes.data()) + bytes.size());
        const std::string text(tables.begin(), tables.end());
        for (unsigned i = 0; i < layout::serial_port_count; i++) {
            const u64 port = layout::serial_ports[i];
            const u8 low = static_cast<u8>(port), high = static_cast<u8>(port >> 8);
            // An I/O port descriptor, and an IRQ descriptor with its mask (ACPI 6.5, tables 6.34 and 6.37).
            const Bytes resources = {
                0x47, 1, low, high, low, high, 1, 8, 0x22, static_cast<u8>(1u << layout::serial_irqs[i]), 0};
            EXPECT_EQ(!std::ranges::search(tables, resources).empty(), board.serial_ports[i]) << i;
            EXPECT_EQ(text.contains("COM" + std::to_string(i + 1)), board.serial_ports[i]) << i;
        }
    }
}

/// What firmware does with the loader's files: the tables must come out as they are installed without it.
TEST(AcpiLoader, FirmwareArrivesAtTheSameTables) {
    const auto memory = *GuestMemory::create(2u << 20);
    const auto rsdp = install_tables(*memory, {.cpus = 2});
    ASSERT_TRUE(rsdp);
    const u64 tables = rsdp->value + 64;
    TableImage image = build_tables({.cpus = 2});
    std::map<std::string, std::pair<std::vector<std::byte>*, u64>> files = {
        {rsdp_file, {&image.rsdp, rsdp->value}}, {tables_file, {&image.tables, tables}}};
    const auto script = loader_script(image);
    ASSERT_EQ(script.size() % 128, 0u);
    unsigned allocations = 0;
    for (std::size_t at = 0; at < script.size(); at += 128) {
        const auto* command = reinterpret_cast<const u8*>(script.data() + at);
        const Bytes bytes(command, command + 128);
        auto& file = *files.at(reinterpret_cast<const char*>(command + 4)).first;
        switch (number(bytes, 0, 4)) {
            case 1: allocations++; break;
            case 2: {
                const u64 base = files.at(reinterpret_cast<const char*>(command + 60)).second;
                const u64 where = number(bytes, 116, 4);
                u64 value = 0;
                std::memcpy(&value, file.data() + where, bytes[120]);
                value += base;
                std::memcpy(file.data() + where, &value, bytes[120]);
                break;
            }
            case 3: {
                u8 total = 0;
                const u64 first = number(bytes, 64, 4), size = number(bytes, 68, 4);
                for (u64 i = first; i < first + size; i++)
                    total = static_cast<u8>(total + std::to_integer<u8>(file.at(i)));
                std::byte& checksum = file.at(number(bytes, 60, 4));
                checksum = static_cast<std::byte>(std::to_integer<u8>(checksum) - total);
                break;
            }
            default: FAIL() << "unknown command";
        }
    }
    EXPECT_EQ(allocations, 2u);
    std::vector<std::byte> installed(image.tables.size()), root(image.rsdp.size());
    ASSERT_TRUE(memory->read({tables}, installed) && memory->read(*rsdp, root));
    EXPECT_EQ(image.tables, installed);
    EXPECT_EQ(image.rsdp, root);
}

TEST(AcpiInstall, FitsTheLargestBoardAndRefusesBeyond) {
    const auto memory = *GuestMemory::create(2u << 20);
    EXPECT_TRUE(install_tables(*memory, {layout::maximum_cpus, true, {true, true, true, true}}));
    const auto tiny = *GuestMemory::create(64u << 10);
    EXPECT_FALSE(install_tables(*tiny, {}));
}

}  // namespace
}  // namespace softmetal::machine::acpi
