#include "machine/acpi/tables.hpp"

#include "base/bits.hpp"
#include "devices/hpet/hpet_registers.hpp"
#include "machine/acpi/processors.hpp"
#include "machine/acpi/table_writer.hpp"
#include "machine/board_layout.hpp"

#include <fmt/format.h>

namespace softmetal::machine::acpi {
namespace {

#include "machine/acpi/dsdt.hex"

constexpr std::size_t table_alignment = 64;  // what the FACS asks for
constexpr std::size_t rsdp_size = 36, rsdp_checksum = 8, rsdp_extended_checksum = 32,
                      rsdp_version_1_size = 20;

std::vector<std::byte> rsdp(u32 rsdt, u64 xsdt) {
    TableWriter t;
    t.text("RSD PTR ").number8(0).text("SFTMTL").number8(2).number32(rsdt).number32(rsdp_size);
    t.number64(xsdt).number8(0).zeros(3);
    t.seal(rsdp_checksum, rsdp_version_1_size);
    t.seal(rsdp_extended_checksum, rsdp_size);
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

std::vector<std::byte> build_tables(GuestPhysical base, unsigned cpus) {
    std::vector<std::byte> area(align_up(rsdp_size, table_alignment));
    const auto place = [&](std::span<const std::byte> table) {
        const u64 address = base.value + area.size();
        area.insert(area.end(), table.begin(), table.end());
        area.resize(align_up(area.size(), table_alignment));
        return address;
    };
    const u32 facs_address = static_cast<u32>(place(facs()));
    const u32 dsdt_address = static_cast<u32>(place(std::as_bytes(std::span(dsdt_aml_code))));
    const std::vector<u64> tables = {place(fadt(facs_address, dsdt_address)), place(madt(cpus)),
                                     place(processor_table(cpus)), place(hpet())};
    const u64 rsdt = place(root_table_32(tables));
    const u64 xsdt = place(root_table_64(tables));
    std::ranges::copy(rsdp(static_cast<u32>(rsdt), xsdt), area.begin());
    return area;
}

Result<GuestPhysical> install_tables(bus::DmaView& memory, unsigned cpus) {
    const GuestPhysical base{layout::firmware_start};
    const auto tables = build_tables(base, cpus);
    if (tables.size() > layout::firmware_end - layout::firmware_start)
        return fail(fmt::format("the ACPI tables of {} processors do not fit below 1 MiB", cpus));
    if (!memory.write(base, tables)) return fail("guest memory is too small to hold the ACPI tables");
    return base;
}

}  // namespace softmetal::machine::acpi
