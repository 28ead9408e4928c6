#include "machine/acpi/tables.hpp"

#include "base/bits.hpp"
#include "devices/hpet/hpet_registers.hpp"
#include "machine/acpi/processors.hpp"
#include "machine/acpi/table_writer.hpp"
#include "machine/board_layout.hpp"

#include <fmt/format.h>

namespace softmetal::machine::acpi {
namespace {

#include "machine/acpi/com2.hex"
#include "machine/acpi/com3.hex"
#include "machine/acpi/com4.hex"
#include "machine/acpi/dsdt.hex"
#include "machine/acpi/floppy.hex"

constexpr u32 rsdp_size = 36, rsdp_checksum = 8, rsdp_extended_checksum = 32, rsdp_version_1_size = 20;
constexpr u32 header_size = 36, header_checksum = 9;
// Offsets of addresses.
constexpr u32 rsdp_rsdt = 16, rsdp_xsdt = 24;
constexpr u32 fadt_facs = 36, fadt_dsdt = 40, fadt_facs_64 = 132, fadt_dsdt_64 = 140;

std::vector<std::byte> rsdp(u32 rsdt, u64 xsdt) {
    TableWriter t;
    t.text("RSD PTR ").number8(0).text("SFTMTL").number8(2).number32(rsdt).number32(rsdp_size);
    t.number64(xsdt).number8(0).zeros(3);
    return std::move(t).finish_raw();
}

/// Firmware ACPI Control Structure (ACPI 6.5, table 5.14): the waking vector and the global lock, both
/// unused.
std::vector<std::byte> facs() {
    TableWriter t;
    t.text("FACS").number32(64).zeros(24).number8(2).zeros(31);
    return std::move(t).finish_raw();
}

void port_address(TableWriter& t, u64 port, unsigned bytes) {
    constexpr u8 system_io = 1;
    t.number8(port ? system_io : 0).number8(static_cast<u8>(bytes * 8)).number8(0).number8(0).number64(port);
}

/// Fixed ACPI Description Table, revision 3 (ACPI 6.5, table 5.9).
std::vector<std::byte> fadt(u32 facs_address, u32 dsdt_address) {
    using namespace layout;
    constexpr u32 wbinvd = 1u << 0, c1_halts = 1u << 2, no_sleep_button = 1u << 5, timer_32_bits = 1u << 8,
                  reset_register = 1u << 10;
    constexpr u16 legacy_devices = 1u << 0, keyboard_controller = 1u << 1;
    constexpr u16 no_c2 = 0xfff, no_c3 = 0xfff;
    constexpr u8 century_byte = 0x32;  // in CMOS

    TableWriter t("FACP", 3);
    t.number32(facs_address).number32(dsdt_address);
    t.number8(0).number8(0);          // reserved, preferred profile: unspecified
    t.number16(sci_irq).number32(0);  // SMI_CMD 0: ACPI mode is always on
    t.number8(0).number8(0).number8(0).number8(0);
    t.number32(pm1_event_port).number32(0);
    t.number32(pm1_control_port).number32(0);
    t.number32(0).number32(pm_timer_port).number32(0).number32(0);
    t.number8(4).number8(2).number8(0).number8(4).number8(0).number8(0).number8(0).number8(0);
    t.number16(no_c2).number16(no_c3).number16(0).number16(0);
    t.number8(0).number8(0).number8(0).number8(0).number8(century_byte);
    t.number16(legacy_devices | keyboard_controller).number8(0);
    t.number32(wbinvd | c1_halts | no_sleep_button | timer_32_bits | reset_register);
    port_address(t, reset_port, 1);
    t.number8(reset_value).zeros(3);
    t.number64(facs_address).number64(dsdt_address);
    port_address(t, pm1_event_port, 4);
    port_address(t, 0, 0);
    port_address(t, pm1_control_port, 2);
    port_address(t, 0, 0);
    port_address(t, 0, 0);
    port_address(t, pm_timer_port, 4);
    port_address(t, 0, 0);
    port_address(t, 0, 0);
    return std::move(t).finish();
}

/// Multiple APIC Description Table (ACPI 6.5, ch. 5.2.12).
std::vector<std::byte> madt(unsigned cpus) {
    using namespace layout;
    constexpr u32 has_8259s = 1, enabled = 1;
    constexpr u8 local_apic = 0, io_apic = 1, source_override = 2, local_apic_nmi = 4;
    constexpr u16 as_the_bus_has_it = 0, level_active_high = 0xd;
    constexpr u8 isa_bus = 0, all_processors = 0xff, lint1 = 1;

    TableWriter t("APIC", 3);
    t.number32(static_cast<u32>(local_apic_base)).number32(has_8259s);
    for (unsigned i = 0; i < cpus; i++) {
        const u8 id = static_cast<u8>(i);
        t.number8(local_apic).number8(8).number8(id).number8(id).number32(enabled);
    }
    t.number8(io_apic).number8(12).number8(io_apic_id).number8(0);
    t.number32(static_cast<u32>(io_apic_base)).number32(0);
    const auto override_irq = [&](unsigned irq, unsigned gsi, u16 flags) {
        t.number8(source_override).number8(10).number8(isa_bus).number8(static_cast<u8>(irq));
        t.number32(gsi).number16(flags);
    };
    override_irq(timer_irq, timer_gsi, as_the_bus_has_it);
    override_irq(sci_irq, sci_irq, level_active_high);
    t.number8(local_apic_nmi).number8(6).number8(all_processors).number16(0).number8(lint1);
    return std::move(t).finish();
}

/// IA-PC HPET Specification 1.0a, table 3.
std::vector<std::byte> hpet() {
    using devices::hpet::capability::all;
    constexpr u16 least_ticks = 2500;  // of a period: edges come no closer
    TableWriter t("HPET", 1);
    t.number32(static_cast<u32>(all));
    t.number8(0).number8(64).number8(0).number8(0).number64(layout::hpet_base);  // in memory
    t.number8(0).number16(least_ticks).number8(0);
    return std::move(t).finish();
}

std::vector<std::byte> root_table_32(std::span<const u64> tables) {
    TableWriter t("RSDT", 1);
    for (u64 address : tables) t.number32(static_cast<u32>(address));
    return std::move(t).finish();
}

std::vector<std::byte> root_table_64(std::span<const u64> tables) {
    TableWriter t("XSDT", 1);
    for (u64 address : tables) t.number64(address);
    return std::move(t).finish();
}

}  // namespace

TableImage build_tables(const Board& board) {
    using Part = TableImage::Part;
    TableImage image;
    const auto place = [&](std::span<const std::byte> table) {
        const auto at = static_cast<u32>(image.tables.size());
        image.tables.insert(image.tables.end(), table.begin(), table.end());
        image.tables.resize(align_up(image.tables.size(), table_alignment));
        return at;
    };
    const auto pointer = [&](u32 at, u8 size) { image.pointers.push_back({Part::tables, at, size}); };
    const auto place_with_pointers = [&](std::span<const std::byte> table) {
        const u32 at = place(table);
        image.checksums.push_back({Part::tables, at + header_checksum, at, static_cast<u32>(table.size())});
        return at;
    };

    const u32 facs_at = place(facs());
    const u32 dsdt_at = place(std::as_bytes(std::span(dsdt_aml_code)));
    const u32 fadt_at = place_with_pointers(fadt(facs_at, dsdt_at));
    for (u32 field : {fadt_facs, fadt_dsdt}) pointer(fadt_at + field, 4);
    for (u32 field : {fadt_facs_64, fadt_dsdt_64}) pointer(fadt_at + field, 8);
    std::vector<u64> tables = {fadt_at, place(madt(board.cpus)), place(processor_table(board.cpus)),
                               place(hpet())};
    const auto add = [&](std::span<const unsigned char> aml) { tables.push_back(place(std::as_bytes(aml))); };
    if (board.has_floppies) add(floppy_aml_code);
    if (board.serial_ports[1]) add(com2_aml_code);
    if (board.serial_ports[2]) add(com3_aml_code);
    if (board.serial_ports[3]) add(com4_aml_code);
    const u32 rsdt = place_with_pointers(root_table_32(tables));
    const u32 xsdt = place_with_pointers(root_table_64(tables));
    for (u32 i = 0; i < tables.size(); i++) {
        pointer(rsdt + header_size + 4 * i, 4);
        pointer(xsdt + header_size + 8 * i, 8);
    }

    image.rsdp = rsdp(rsdt, xsdt);
    image.pointers.push_back({Part::rsdp, rsdp_rsdt, 4});
    image.pointers.push_back({Part::rsdp, rsdp_xsdt, 8});
    image.checksums.push_back({Part::rsdp, rsdp_checksum, 0, rsdp_version_1_size});
    image.checksums.push_back({Part::rsdp, rsdp_extended_checksum, 0, rsdp_size});
    return image;
}

namespace {

void move_to(TableImage& image, u64 base) {
    for (const TableImage::Pointer& p : image.pointers) {
        u64 value = 0;
        std::byte* field = image.bytes(p.part).data() + p.at;
        std::memcpy(&value, field, p.size);
        value += base;
        std::memcpy(field, &value, p.size);
    }
    for (const TableImage::Checksum& c : image.checksums) {
        std::vector<std::byte>& bytes = image.bytes(c.part);
        bytes[c.at] = std::byte{0};
        bytes[c.at] = checksum(std::span(bytes).subspan(c.first, c.size));
    }
}

}  // namespace

Result<GuestPhysical> install_tables(bus::DmaView& memory, const Board& board) {
    const GuestPhysical base{layout::firmware_start};
    const GuestPhysical tables = base + align_up(rsdp_size, table_alignment);
    TableImage image = build_tables(board);
    move_to(image, tables.value);
    if (tables.value + image.tables.size() > layout::smbios_start)
        return fail(fmt::format("the ACPI tables of {} processors do not fit below 1 MiB", board.cpus));
    if (!memory.write(base, image.rsdp) || !memory.write(tables, image.tables))
        return fail("guest memory is too small to hold the ACPI tables");
    return base;
}

}  // namespace softmetal::machine::acpi
