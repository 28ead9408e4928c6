// T0: the reference engine. Every mode, every instruction the CPU model reports, one at a time, exactly.
//
// It keeps no state of its own that a guest could see: a cached decoding is compared with the bytes in memory
// each time, so code may change under it freely.
#pragma once

#include "cpu/vcpu.hpp"
#include "decoder/instruction.hpp"

#include <memory>

namespace softmetal {

class Interpreter {
 public:
    explicit Interpreter(Vcpu& vcpu);
    ~Interpreter();

    /// Executes one instruction (of a REP string instruction: a bounded number of iterations, RIP then stays)
    /// and delivers the exception it raises, if any. Does not look at pending events: the run loop does,
    /// between steps.
    void step();

    /// Steps until attention is raised, the CPU is no longer running, or `budget` instructions are done.
    void run(u64 budget);

 private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

}  // namespace softmetal
