// What runs a vCPU's instructions: the interpreter or the translator, behind one small interface.
#pragma once

#include "base/counters.hpp"
#include "base/integers.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace softmetal::monitor {

class Engine {
 public:
    virtual ~Engine() = default;
    [[nodiscard]] virtual std::string_view name() const = 0;
    /// Which counter the time spent in run() belongs to.
    [[nodiscard]] virtual u64 Counters::*time_counter() const = 0;
    /// Runs at least one instruction, whatever asks for attention: the run loop has just looked; none where a
    /// debugger's breakpoint comes before it. Then goes on
    /// until attention is raised, the CPU is no longer running, or about `budget` instructions are done.
    virtual void run(u64 budget) = 0;
    /// How often which instruction left the engine's fast path, most frequent first. While the vCPU is
    /// stopped.
    [[nodiscard]] virtual std::vector<std::pair<std::string, u64>> fallback_profile() const { return {}; }
    // The vCPU's thread, between instructions.
    /// No instruction is run until catch_up(): nobody needs to wait for this vCPU.
    virtual void rest() {}
    /// What other threads have left for this engine is done now. Before the first run(), after rest(), and on
    /// attention::code.
    virtual void catch_up() {}
};

}  // namespace softmetal::monitor
