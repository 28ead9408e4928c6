#include "machine/firmware_files.hpp"

#include "devices/fw_cfg/fw_cfg_registers.hpp"
#include "machine/acpi/table_loader.hpp"
#include "machine/board_layout.hpp"
#include "machine/boot/file_bytes.hpp"
#include "machine/boot/linux_rom.hpp"
#include "machine/boot/memory_map.hpp"
#include "machine/smbios.hpp"

#include <fmt/format.h>
#include <string>

namespace softmetal::machine {
namespace {

void append(std::vector<u8>& bytes, u64 value, unsigned size) {
    for (unsigned i = 0; i < size; i++) bytes.push_back(static_cast<u8>(value >> (8 * i)));
}

/// Entries of the BIOS' memory map (ACPI 6.5, table 15.4): RAM only, holes and tables are firmware's to add.
std::vector<u8> ram_map(u64 ram_bytes) {
    constexpr auto ram = static_cast<u32>(MemoryType::ram);
    std::vector<u8> map;
    const auto entry = [&](u64 first, u64 size) {
        append(map, first, 8);
        append(map, size, 8);
        append(map, ram, 4);
    };
    entry(0, low_ram_end(ram_bytes));
    if (ram_bytes > low_memory_end) entry(high_memory_start, ram_bytes - low_memory_end);
    return map;
}

/// In the order in which firmware is to try them, each a line with its Open Firmware path.
std::vector<u8> boot_order(BootDevice first, const BootSources& sources) {
    std::string disks, cdroms, network;
    for (unsigned place = 0; place < sources.ide.size(); place++) {
        if (!sources.ide[place]) continue;
        (sources.ide[place]->cdrom ? cdroms : disks) +=
            fmt::format("/pci@i0cf8/ide@{:x},{:x}/drive@{:x}/disk@{:x}\n", layout::pci_piix_slot,
                        layout::pci_ide_function, place / 2, place % 2);
    }
    for (std::size_t i = 0; i < sources.virtio_disks; i++)
        disks += fmt::format("/pci@i0cf8/scsi@{:x}/disk@0,0\n", layout::pci_first_disk_slot + i);
    for (std::size_t i = 0; i < sources.network_cards; i++)
        network +=
            fmt::format("/pci@i0cf8/ethernet@{:x}/ethernet-phy@0\n", layout::pci_first_network_slot + i);
    const std::string floppy = "/pci@i0cf8/isa@1/fdc@03f0/floppy@0\n";
    std::string all;
    switch (first) {
        case BootDevice::disk: all = disks + cdroms + floppy + network; break;
        case BootDevice::cdrom: all = cdroms + disks + floppy + network; break;
        case BootDevice::floppy: all = floppy + disks + cdroms + network; break;
        case BootDevice::network: all = network + disks + cdroms + floppy; break;
    }
    if (sources.kernel) all = fmt::format("/rom@{}\n", linux_rom_file) + all;
    return {all.begin(), all.end()};
}

void add_kernel(devices::FwCfgItems& items, RealModeKernel kernel) {
    namespace key = devices::fw_cfg::key;
    items.add_loadable({key::setup_address, key::setup_size, key::setup_data, kernel.setup.address,
                        std::move(kernel.setup.bytes)});
    items.add_loadable({key::kernel_address, key::kernel_size, key::kernel_data, kernel.payload.address,
                        std::move(kernel.payload.bytes)});
    items.add_loadable({key::command_line_address, key::command_line_size, key::command_line_data,
                        kernel.command_line.address, std::move(kernel.command_line.bytes)});
    items.add_loadable({key::initrd_address, key::initrd_size, key::initrd_data, kernel.initrd.address,
                        std::move(kernel.initrd.bytes)});
}

/// A number, as firmware reads settings.
std::vector<u8> number(u64 value) {
    std::vector<u8> bytes;
    append(bytes, value, 8);
    return bytes;
}

}  // namespace

bool firmware_begins(const MachineConfig& config, const MachineResources& resources) {
    return resources.kernel.empty() || config.kernel_by_firmware || needs_real_mode_entry(resources.kernel);
}

acpi::Board acpi_board(const MachineConfig& config, const MachineResources& resources) {
    acpi::Board board{.cpus = config.cpus, .has_floppies = !resources.floppies.empty()};
    for (std::size_t i = 1; i < board.serial_ports.size(); i++)
        board.serial_ports[i] = resources.serial_ports[i] != nullptr;
    return board;
}

Result<devices::FwCfgItems> firmware_files(const MachineConfig& config, const acpi::Board& board,
                                           BootSources sources, std::span<const FirmwareFile> more) {
    constexpr u64 boot_menu_milliseconds = 10'000;  // for a person to see the screen and press Escape
    devices::FwCfgItems items({.ram_bytes = config.memory_bytes,
                               .cpus = static_cast<u16>(config.cpus),
                               .boot_menu = config.boot_menu});
    const acpi::TableImage tables = acpi::build_tables(board);
    const SmbiosTables smbios = build_smbios({.memory_bytes = config.memory_bytes, .cpus = config.cpus});
    const struct {
        const char* name;
        std::vector<u8> content;
    } files[] = {
        {"etc/e820", ram_map(config.memory_bytes)},
        {acpi::tables_file, to_u8(tables.tables)},
        {acpi::rsdp_file, to_u8(tables.rsdp)},
        {acpi::loader_file, to_u8(acpi::loader_script(tables))},
        {"etc/smbios/smbios-anchor", to_u8(smbios.entry_point)},
        {"etc/smbios/smbios-tables", to_u8(smbios.structures)},
        {"bootorder", boot_order(config.boot, sources)},
        {"etc/boot-menu-wait", number(boot_menu_milliseconds)},
        // The BIOS' screen and keyboard are on the first serial port, too.
        {"etc/sercon-port", number(layout::com1_port)},
    };
    for (const auto& file : files)
        if (auto added = items.add_file(file.name, file.content); !added)
            return std::unexpected(added.error());
    if (sources.kernel) {
        add_kernel(items, std::move(*sources.kernel));
        if (auto added = items.add_file(linux_rom_file, linux_rom()); !added)
            return std::unexpected(added.error());
    }
    for (const FirmwareFile& file : more)
        if (auto added = items.add_file(file.name, to_u8(file.content)); !added)
            return std::unexpected(added.error());
    return items;
}

}  // namespace softmetal::machine
