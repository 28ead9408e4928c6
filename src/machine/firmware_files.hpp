// What the machine tells its firmware by the firmware configuration device.
#pragma once

#include "devices/fw_cfg/fw_cfg.hpp"
#include "machine/acpi/tables.hpp"
#include "machine/boot/real_mode_kernel.hpp"
#include "machine/ide_places.hpp"
#include "machine/machine.hpp"

namespace softmetal::machine {

/// What there is to boot from.
struct BootSources {
    std::size_t virtio_disks = 0, network_cards = 0, floppies = 0;
    IdePlaces ide = {};
    std::optional<RealModeKernel> kernel = {};  // before all others
};

/// Does the machine begin with firmware? A kernel begins by itself unless it cannot, or is not to.
[[nodiscard]] bool firmware_begins(const MachineConfig& config, const MachineResources& resources);

/// What the machine's ACPI tables have to tell.
[[nodiscard]] acpi::Board acpi_board(const MachineConfig& config, const MachineResources& resources);

[[nodiscard]] Result<devices::FwCfgItems> firmware_files(const MachineConfig& config,
                                                         const acpi::Board& board, BootSources sources,
                                                         std::span<const FirmwareFile> more = {});

}  // namespace softmetal::machine
