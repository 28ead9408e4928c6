// Both sides of the comparison: judges one case, and a form's cases one after another.
#pragma once

#include "campaign.hpp"
#include "comparison.hpp"
#include "guest_runner.hpp"
#include "native_runner.hpp"

namespace softmetal::differential {

class Laboratory {
 public:
    /// `local_segments`: with what forms that need those, and 32-bit and 16-bit cases, need.
    [[nodiscard]] static Result<std::unique_ptr<Laboratory>> create(const CampaignOptions& options,
                                                                    bool local_segments);

    [[nodiscard]] FormResult run(const InstructionForm& form, std::size_t index);

 private:
    struct Guest {
        const char* name;  // of the mode its cases run in
        unsigned code_size;
        bool long_mode;
        GuestRunner* runner;
    };
    struct Verdict {
        bool completed = false;  // on the host
        const char* guest = "";  // the first that differs
        std::vector<Difference> differences{};
    };

    explicit Laboratory(const CampaignOptions& options) : options_(options) {}
    [[nodiscard]] Result<> add_guests(bool local_segments, const CpuModel& model);
    [[nodiscard]] static bool suits(const Guest& guest, const TestCase& test);
    void run_native(const TestCase& test);
    /// The failing case in test_, reduced.
    [[nodiscard]] std::string report(const InstructionForm& form, u64 number);
    /// A form that the processor model does not have must raise #UD and change nothing.
    [[nodiscard]] Verdict judge_foreign(const TestCase& test);
    [[nodiscard]] Verdict judge_against_host(const InstructionForm& form, const TestCase& test);
    [[nodiscard]] Verdict judge(const InstructionForm& form, const TestCase& test);

    const CampaignOptions& options_;
    std::unique_ptr<NativeRunner> native_;
    std::unique_ptr<GuestRunner> long_mode_, protected_mode_;
    std::vector<Guest> guests_;
    UndefinedResults undefined_;
    std::unique_ptr<TestCase> test_ = std::make_unique<TestCase>();
    std::unique_ptr<Outcome> native_outcome_ = std::make_unique<Outcome>(),
                             guest_outcome_ = std::make_unique<Outcome>();
};

}  // namespace softmetal::differential
