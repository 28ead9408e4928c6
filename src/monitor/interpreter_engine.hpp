// The interpreter as an engine.
#pragma once

#include "interpreter/interpreter.hpp"
#include "monitor/engine.hpp"

namespace softmetal::monitor {

class InterpreterEngine final : public Engine {
 public:
    explicit InterpreterEngine(Vcpu& vcpu) : interpreter_(vcpu) {}
    [[nodiscard]] std::string_view name() const override { return "interpreter"; }
    [[nodiscard]] u64 Counters::*time_counter() const override { return &Counters::nanoseconds_interpreting; }
    void run(u64 budget) override {
        interpreter_.step();
        interpreter_.run(budget);
    }

 private:
    Interpreter interpreter_;
};

}  // namespace softmetal::monitor
