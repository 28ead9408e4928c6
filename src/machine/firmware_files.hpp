// What the machine tells its firmware by the firmware configuration device.
#pragma once

#include "devices/fw_cfg/fw_cfg.hpp"
#include "machine/ide_places.hpp"
#include "machine/machine.hpp"

namespace softmetal::machine {

/// What there is to boot from.
struct BootSources {
    std::size_t virtio_disks = 0, network_cards = 0, floppies = 0;
    IdePlaces ide = {};
};

[[nodiscard]] Result<devices::FwCfgItems> firmware_files(const MachineConfig& config,
                                                         const BootSources& sources,
                                                         std::span<const FirmwareFile> more = {});

}  // namespace softmetal::machine
