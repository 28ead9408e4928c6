// What a BIOS leaves behind for a kernel that goes back to real mode: interrupt vectors that return, the
// 8259s at their customary vectors, the tick of 18.2 Hz.
#pragma once

#include "base/result.hpp"
#include "bus/address_space.hpp"
#include "bus/dma.hpp"

namespace softmetal::machine {

[[nodiscard]] Result<> leave_bios_environment(bus::DmaView& memory, bus::AddressSpace& ports);

}  // namespace softmetal::machine
