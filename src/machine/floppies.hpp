// The floppy disks of a machine: which images there can be, and what CMOS says of their drives.
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"
#include "bus/backends/block_store.hpp"

#include <span>

namespace softmetal::machine {

/// Exactly the size of a whole floppy disk.
[[nodiscard]] bool is_floppy_size(u64 bytes);
[[nodiscard]] Result<> check_floppies(std::span<bus::BlockStore* const> disks);

/// CMOS bytes 0x10, drive types, and 0x14, equipment.
void describe_floppies_in_cmos(std::span<u8> cmos, std::span<bus::BlockStore* const> disks);

}  // namespace softmetal::machine
