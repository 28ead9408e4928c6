// Many cases of many forms, run in worker processes: an engine that crashes or hangs costs its form, not the
// run.
#pragma once

#include "base/result.hpp"
#include "instruction_form.hpp"

#include <functional>
#include <vector>

namespace softmetal::differential {

struct CampaignOptions {
    u64 seed = 1;
    u64 first_case = 0;
    u64 cases = 100;
    unsigned jobs = 1;
    std::string engine = "interpreter";
    std::string cpu = "host";
    std::string undefined_results;
};

struct FormResult {
    std::size_t form = 0;
    u64 cases = 0;
    u64 completed = 0;                   // ended at the INT3 behind the instruction rather than in a fault
    u64 mismatches = 0;                  // cases that differ; a crash or a hang of the engine is one
    std::vector<std::string> reports{};  // of the first few
};

/// Calls `on_result` for every form, in no particular order.
[[nodiscard]] Result<> run_campaign(const std::vector<InstructionForm>& forms, const CampaignOptions& options,
                                    const std::function<void(const FormResult&)>& on_result);

}  // namespace softmetal::differential
