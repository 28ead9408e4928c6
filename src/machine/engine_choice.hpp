// The mode policy: which engine runs a vCPU.
#pragma once

#include "cpu/vcpu.hpp"
#include "machine/machine.hpp"
#include "monitor/engine.hpp"

namespace softmetal::machine {

[[nodiscard]] Result<std::unique_ptr<monitor::Engine>> choose_engine(const MachineConfig& config, Vcpu& vcpu);

}  // namespace softmetal::machine
