// The firmware's memory map ("e820"; ACPI 6.5, ch. 15) of a board with so much RAM.
#pragma once

#include "base/integers.hpp"

#include <vector>

namespace softmetal::machine {

enum class MemoryType : u32 { ram = 1, reserved = 2 };

struct MemoryRange {
    u64 first = 0;
    u64 size = 0;
    MemoryType type = MemoryType::ram;
    bool operator==(const MemoryRange&) const = default;
};

/// Sorted, without overlaps.
[[nodiscard]] std::vector<MemoryRange> memory_map(u64 ram_bytes);

/// End of the RAM that lies below 4 GiB.
[[nodiscard]] u64 low_ram_end(u64 ram_bytes);

/// The BIOS' two figures, in KiB: RAM from 0 on and from 1 MiB on, each up to its first hole.
[[nodiscard]] u64 lower_memory_kib(const std::vector<MemoryRange>& map);
[[nodiscard]] u64 upper_memory_kib(const std::vector<MemoryRange>& map);

}  // namespace softmetal::machine
