// The processor as the 64-bit boot protocol hands it over (Linux boot.rst, "64-bit Boot Protocol"): long
// mode, the first 4 GiB mapped to themselves, flat segments, interrupts off, RSI = boot_params.
#pragma once

#include "base/result.hpp"
#include "cpu/state.hpp"
#include "memory/guest_memory.hpp"

namespace softmetal::machine {

/// Writes GDT and page tables into guest memory and sets `state` up to begin at `entry`.
[[nodiscard]] Result<> enter_long_mode(GuestMemory& memory, CpuState& state, GuestPhysical entry);

}  // namespace softmetal::machine
