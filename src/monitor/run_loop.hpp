// One vCPU's thread: takes events, runs the engine, sleeps in HLT, until the CPU shuts down or is told to
// end.
#pragma once

#include "monitor/debug_control.hpp"
#include "monitor/engine.hpp"
#include "monitor/stop_gate.hpp"

namespace softmetal::monitor {

enum class RunEnd { stopped, shutdown };

[[nodiscard]] RunEnd run_vcpu(Vcpu& vcpu, Engine& engine, StopGate& gate, DebugControl* debug = nullptr);

}  // namespace softmetal::monitor
