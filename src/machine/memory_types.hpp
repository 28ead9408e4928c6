// The memory-type range registers as firmware sets them: RAM write-back, device windows uncached (SDM vol. 3,
// ch. 11.11). Systems that find them off distrust the page attribute table as well.
#pragma once

#include "cpu/state.hpp"

namespace softmetal::machine {

void set_memory_types(CpuState& state, unsigned physical_address_bits);

}  // namespace softmetal::machine
