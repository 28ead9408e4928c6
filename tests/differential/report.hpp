// What a campaign found: mismatches as they come, sums at the end.
#pragma once

#include "campaign.hpp"

#include <map>
#include <string>
#include <vector>

namespace softmetal::differential {

class Report {
 public:
    Report(const std::vector<InstructionForm>& forms, bool json)
        : forms_(forms), by_form_(forms.size()), json_(json) {}

    /// A form's result; with another seed it may come again.
    void add(const FormResult& result);
    [[nodiscard]] std::string progress() const;
    /// Prints the sums and answers the exit status.
    [[nodiscard]] int finish() const;

 private:
    struct Tally {
        u64 forms = 0, cases = 0, completed = 0, mismatches = 0;
        void add(const Tally& other);
    };
    struct Sums {
        Tally total;
        std::map<std::string, Tally> by_set;
        std::vector<std::string> always_fault;
        std::map<std::string, u64> differing;
    };
    [[nodiscard]] Sums sums() const;
    void print_text(const Sums& sums) const;
    void print_json(const Sums& sums) const;

    const std::vector<InstructionForm>& forms_;
    std::vector<Tally> by_form_;
    const bool json_;
    std::vector<std::string> reports_;  // for JSON
};

}  // namespace softmetal::differential
