// What the machine tells its firmware by the firmware configuration device.
#pragma once

#include "devices/fw_cfg/fw_cfg.hpp"
#include "machine/ide_places.hpp"
#include "machine/machine.hpp"

namespace softmetal::machine {

[[nodiscard]] Result<devices::FwCfgItems> firmware_files(const MachineConfig& config,
                                                         std::size_t virtio_disks, const IdePlaces& places);

}  // namespace softmetal::machine
