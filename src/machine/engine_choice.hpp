// The mode policy: which engine runs a vCPU.
#pragma once

#include "cpu/vcpu.hpp"
#include "machine/machine.hpp"
#include "monitor/code_coherence.hpp"
#include "monitor/engine.hpp"

namespace softmetal::machine {

/// `coherence` is the machine's; engines that translate become members.
[[nodiscard]] Result<std::unique_ptr<monitor::Engine>> choose_engine(const MachineConfig& config, Vcpu& vcpu,
                                                                     monitor::CodeCoherence& coherence);

}  // namespace softmetal::machine
