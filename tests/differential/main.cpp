// oracle: runs random cases of every user-level instruction form on the host CPU and in an engine, and
// compares registers, flags, vector and x87 state, memory and exceptions.
#include "campaign.hpp"
#include "scope.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>

namespace softmetal::differential {
namespace {

struct Selection {
    std::string form, code = "all";
    bool list = false, list_excluded = false, json = false;
};

void print_list(const std::vector<InstructionForm>& forms) {
    for (const InstructionForm& form : forms)
        fmt::print("{:<44} {}\n", form.id, ZydisISASetGetString(form.isa_set));
}

void print_excluded() {
    for (const Exclusion& e : exclusions())
        fmt::print("{:<12} {}\n", ZydisMnemonicGetString(e.mnemonic), e.reason);
}

/// Forms whose id is `text`, or where there is none, those that contain it.
std::vector<InstructionForm> select(std::vector<InstructionForm> forms, const std::string& text) {
    if (text.empty()) return forms;
    std::vector<InstructionForm> exact, containing;
    for (InstructionForm& form : forms) {
        if (form.id == text) exact.push_back(form);
        if (form.id.find(text) != std::string::npos) containing.push_back(std::move(form));
    }
    return exact.empty() ? containing : exact;
}

std::vector<InstructionForm> all_forms(const std::string& code) {
    const CpuModel model = CpuModel::host(1, 1'000'000'000);
    std::vector<InstructionForm> forms;
    for (const auto& [name, size] : {std::pair{"64", 8u}, {"32", 4u}})
        if (code == name || code == "all")
            std::ranges::move(enumerate_forms(model, size), std::back_inserter(forms));
    return forms;
}

struct Tally {
    u64 forms = 0, cases = 0, completed = 0, mismatches = 0;
    void add(const FormResult& r) {
        forms++, cases += r.cases, completed += r.completed, mismatches += r.mismatches;
    }
};

class Report {
 public:
    Report(const std::vector<InstructionForm>& forms, bool json) : forms_(forms), json_(json) {}

    void add(const FormResult& r) {
        const InstructionForm& form = forms_[r.form];
        total_.add(r);
        by_set_[ZydisISASetGetString(form.isa_set)].add(r);
        if (r.mismatches) failed_[form.id] = r.mismatches;
        if (!r.completed && r.cases >= 20) never_completed_.push_back(form.id);
        if (json_)
            reports_.insert(reports_.end(), r.reports.begin(), r.reports.end());
        else
            for (const std::string& text : r.reports) fmt::print("MISMATCH {}\n", text);
        std::fflush(stdout);
    }

    int finish() const {
        json_ ? print_json() : print_text();
        return total_.mismatches ? 1 : 0;
    }

 private:
    void print_text() const {
        fmt::print("{:<18}{:>8}{:>12}{:>12}{:>12}\n", "instruction set", "forms", "cases", "completed",
                   "mismatches");
        for (const auto& [name, t] : by_set_)
            fmt::print("{:<18}{:>8}{:>12}{:>12}{:>12}\n", name, t.forms, t.cases, t.completed, t.mismatches);
        if (!never_completed_.empty()) fmt::print("always fault: {}\n", fmt::join(never_completed_, ", "));
        for (const auto& [id, count] : failed_) fmt::print("differs: {} ({} cases)\n", id, count);
        fmt::print("{} forms, {} cases, {} completed, {} mismatches in {} forms\n", total_.forms,
                   total_.cases, total_.completed, total_.mismatches, failed_.size());
    }
    void print_json() const {
        const auto object = [](const Tally& t) {
            return nlohmann::json{{"forms", t.forms},
                                  {"cases", t.cases},
                                  {"completed", t.completed},
                                  {"mismatches", t.mismatches}};
        };
        nlohmann::json out = object(total_);
        for (const auto& [name, t] : by_set_) out["instruction_sets"][name] = object(t);
        out["always_fault"] = never_completed_;
        out["differing_forms"] = failed_;
        out["reports"] = reports_;
        fmt::print("{}\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
    }

    const std::vector<InstructionForm>& forms_;
    const bool json_;
    Tally total_;
    std::map<std::string, Tally> by_set_;
    std::map<std::string, u64> failed_;
    std::vector<std::string> never_completed_, reports_;
};

int run(const Selection& selection, const CampaignOptions& options) {
    if (selection.list_excluded) return print_excluded(), 0;
    const auto forms = select(all_forms(selection.code), selection.form);
    if (forms.empty()) {
        fmt::print(stderr, "oracle: no instruction form contains '{}'; see oracle --list\n", selection.form);
        return 2;
    }
    if (selection.list) return print_list(forms), 0;
    Report report(forms, selection.json);
    if (auto result = run_campaign(forms, options, [&](const FormResult& r) { report.add(r); }); !result) {
        fmt::print(stderr, "oracle: {}\n", result.error().message);
        return 2;
    }
    return report.finish();
}

}  // namespace
}  // namespace softmetal::differential

int main(int argc, char** argv) {
    using namespace softmetal::differential;
    CLI::App app("Compares an engine with the host CPU, one random instruction at a time.");
    Selection selection;
    CampaignOptions options;
    options.undefined_results = SOFTMETAL_UNDEFINED_RESULTS;
    app.add_option("--engine", options.engine, "Which engine: interpreter or translator")
        ->capture_default_str();
    app.add_option("--seed", options.seed, "Another seed, other cases")->capture_default_str();
    app.add_option("--cases", options.cases, "Cases a form")->capture_default_str();
    auto* one = app.add_option("--case", options.first_case, "Only this case");
    app.add_option("--form", selection.form, "Only this form, or those whose name contains this");
    app.add_option("--jobs", options.jobs, "Worker processes")
        ->capture_default_str()
        ->check(CLI::Range(1, 256));
    app.add_option("--code", selection.code, "Instructions of 64-bit mode, of 32-bit code, or all")
        ->check(CLI::IsMember({"64", "32", "all"}))
        ->capture_default_str();
    app.add_flag("--list", selection.list, "Names the forms");
    app.add_flag("--list-excluded", selection.list_excluded, "Names what is left out, and why");
    app.add_flag("--json", selection.json, "The report as JSON");
    CLI11_PARSE(app, argc, argv);
    if (one->count()) options.cases = 1;
    return run(selection, options);
}
