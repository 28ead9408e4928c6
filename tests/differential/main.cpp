// oracle: runs random cases of every user-level instruction form on the host CPU and in an engine, and
// compares registers, flags, vector and x87 state, memory and exceptions.
#include "campaign.hpp"
#include "native_runner.hpp"
#include "report.hpp"
#include "scope.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fmt/format.h>

namespace softmetal::differential {
namespace {

struct Selection {
    double hours = 0;
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

std::vector<InstructionForm> all_forms(const std::string& code, const CpuModel& model) {
    const CpuModel host = CpuModel::host(1, 1'000'000'000);
    std::vector<InstructionForm> forms;
    for (const auto& [name, size] : {std::pair{"64", 8u}, {"32", 4u}, {"16", 2u}})
        if ((code == name || code == "all") && (size != 8 || model.features().long_mode))
            std::ranges::move(enumerate_forms(host, model, size), std::back_inserter(forms));
    return forms;
}

/// What this host cannot compare.
void leave_out_what_cannot_run(std::vector<InstructionForm>& forms) {
    const auto possible = NativeRunner::can_have_local_segments();
    if (possible) return;
    std::erase_if(forms, [](const InstructionForm& form) { return form.local_segments; });
    fmt::print(stderr, "oracle: only 64-bit mode is compared, and no segments: {}\n",
               possible.error().message);
}

int run(const Selection& selection, CampaignOptions options) {
    if (selection.list_excluded) return print_excluded(), 0;
    const auto model = CpuModel::named(options.cpu, 1, 1'000'000'000);
    if (!model) {
        fmt::print(stderr, "oracle: {}\n", model.error().message);
        return 2;
    }
    auto forms = select(all_forms(selection.code, *model), selection.form);
    if (forms.empty()) {
        fmt::print(stderr, "oracle: no instruction form contains '{}'; see oracle --list\n", selection.form);
        return 2;
    }
    if (selection.list) return print_list(forms), 0;
    leave_out_what_cannot_run(forms);
    Report report(forms, selection.json);
    using Hours = std::chrono::duration<double, std::ratio<3600>>;
    const auto begun = std::chrono::steady_clock::now();
    for (;; options.seed++) {
        if (auto result = run_campaign(forms, options, [&](const FormResult& r) { report.add(r); });
            !result) {
            fmt::print(stderr, "oracle: {}\n", result.error().message);
            return 2;
        }
        const Hours elapsed = std::chrono::steady_clock::now() - begun;
        if (elapsed.count() >= selection.hours) return report.finish();
        fmt::print(stderr, "{:.2f} of {:g} hours, seed {} done: {}\n", elapsed.count(), selection.hours,
                   options.seed, report.progress());
    }
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
    app.add_option("--cpu", options.cpu, "The guest's processor model; what it lacks must raise #UD")
        ->capture_default_str();
    app.add_option("--seed", options.seed, "Another seed, other cases")->capture_default_str();
    app.add_option("--cases", options.cases, "Cases a form")->capture_default_str();
    auto* one = app.add_option("--case", options.first_case, "Only this case");
    app.add_option("--form", selection.form, "Only this form, or those whose name contains this");
    app.add_option("--jobs", options.jobs, "Worker processes")
        ->capture_default_str()
        ->check(CLI::Range(1, 256));
    app.add_option("--code", selection.code,
                   "Instructions of 64-bit mode, of 32-bit code, of 16-bit code, or all")
        ->check(CLI::IsMember({"64", "32", "16", "all"}))
        ->capture_default_str();
    app.add_option("--hours", selection.hours, "Goes on with the next seed until so many hours are over")
        ->check(CLI::PositiveNumber);
    app.add_flag("--list", selection.list, "Names the forms");
    app.add_flag("--list-excluded", selection.list_excluded, "Names what is left out, and why");
    app.add_flag("--json", selection.json, "The report as JSON");
    CLI11_PARSE(app, argc, argv);
    if (one->count()) options.cases = 1;
    return run(selection, options);
}
