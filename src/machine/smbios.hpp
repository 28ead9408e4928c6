// What the machine says of itself by System Management BIOS tables (DMTF DSP0134, version 2.8): dmidecode,
// and the quirk lists of operating systems, read them.
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"
#include "bus/dma.hpp"

#include <cstddef>
#include <vector>

namespace softmetal::machine {

struct SmbiosFacts {
    u64 memory_bytes = 0;
    unsigned cpus = 1;
    bool has_firmware = true;  // which describes itself, in a structure of its own
};

/// The entry point's address of the structures, and its checksums, are for whoever places them.
struct SmbiosTables {
    std::vector<std::byte> entry_point, structures;
};

[[nodiscard]] SmbiosTables build_smbios(const SmbiosFacts& facts);

/// Writes them where firmware keeps them. For a kernel that is booted without.
[[nodiscard]] Result<> install_smbios(bus::DmaView& memory, const SmbiosFacts& facts);

}  // namespace softmetal::machine
