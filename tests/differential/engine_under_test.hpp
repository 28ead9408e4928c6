// The engines the oracle can judge, behind one call.
#pragma once

#include "base/result.hpp"
#include "cpu/vcpu.hpp"

#include <memory>
#include <string_view>

namespace softmetal::differential {

class EngineUnderTest {
 public:
    virtual ~EngineUnderTest() = default;
    /// Until the CPU is no longer running, or about `budget` instructions are done.
    virtual void run(u64 budget) = 0;
};

[[nodiscard]] Result<std::unique_ptr<EngineUnderTest>> make_engine(std::string_view name, Vcpu& vcpu);

}  // namespace softmetal::differential
