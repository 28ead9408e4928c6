// Lockstep: every block is run by the translator, undone, and run again by the interpreter; what they
// disagree on is reported, and the interpreter's result stands. Memory is compared by the pages either of
// them wrote.
//
// Instructions that the translator hands to the interpreter anyway (devices, time, anything with a fault) are
// run once and not compared, so nothing outside the vCPU happens twice.
#pragma once

#include "translator/translator.hpp"

#include <functional>
#include <string>
#include <vector>

namespace softmetal {

class Lockstep final {
 public:
    /// `report` gets one text a difference.
    Lockstep(Vcpu& vcpu, Interpreter& interpreter, Translator& translator,
             std::function<void(std::string)> report);
    ~Lockstep();

    /// As Translator::run.
    void run(u64 budget);

    [[nodiscard]] u64 blocks_compared() const { return blocks_compared_; }
    [[nodiscard]] u64 differences() const { return differences_; }

 private:
    /// Pages of RAM as they were when one of the engines first asked to write them.
    class UndoLog;

    void compare_one_block();
    [[nodiscard]] std::string compare(const CpuState& translated, u16 live_flags) const;
    void describe(const Translator::BlockRun& run, const CpuState& before, const std::string& what);

    Vcpu& vcpu_;
    Interpreter& interpreter_;
    Translator& translator_;
    std::function<void(std::string)> report_;
    std::unique_ptr<UndoLog> undo_;
    u64 blocks_compared_ = 0;
    u64 differences_ = 0;
};

}  // namespace softmetal
