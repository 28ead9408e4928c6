#include "report.hpp"

#include <cstdio>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace softmetal::differential {

void Report::Tally::add(const Tally& other) {
    forms += other.forms, cases += other.cases, completed += other.completed, mismatches += other.mismatches;
}

void Report::add(const FormResult& r) {
    Tally& tally = by_form_[r.form];
    tally.forms = 1;
    tally.add({.cases = r.cases, .completed = r.completed, .mismatches = r.mismatches});
    if (json_)
        reports_.insert(reports_.end(), r.reports.begin(), r.reports.end());
    else
        for (const std::string& text : r.reports) fmt::print("MISMATCH {}\n", text);
    std::fflush(stdout);
}

Report::Sums Report::sums() const {
    constexpr u64 telling = 20;  // cases after which a form should have completed once
    Sums s;
    for (std::size_t i = 0; i < forms_.size(); i++) {
        const Tally& tally = by_form_[i];
        if (!tally.forms) continue;
        s.total.add(tally);
        s.by_set[ZydisISASetGetString(forms_[i].isa_set)].add(tally);
        if (!tally.completed && tally.cases >= telling) s.always_fault.push_back(forms_[i].id);
        if (tally.mismatches) s.differing[forms_[i].id] = tally.mismatches;
    }
    return s;
}

std::string Report::progress() const {
    const Sums s = sums();
    return fmt::format("{} cases, {} mismatches in {} forms", s.total.cases, s.total.mismatches,
                       s.differing.size());
}

int Report::finish() const {
    const Sums s = sums();
    json_ ? print_json(s) : print_text(s);
    return s.total.mismatches ? 1 : 0;
}

void Report::print_text(const Sums& s) const {
    const auto row = [](std::string_view name, const Tally& t) {
        fmt::print("{:<18}{:>8}{:>12}{:>12}{:>12}\n", name, t.forms, t.cases, t.completed, t.mismatches);
    };
    fmt::print("{:<18}{:>8}{:>12}{:>12}{:>12}\n", "instruction set", "forms", "cases", "completed",
               "mismatches");
    for (const auto& [name, tally] : s.by_set) row(name, tally);
    if (!s.always_fault.empty()) fmt::print("always fault: {}\n", fmt::join(s.always_fault, ", "));
    for (const auto& [id, count] : s.differing) fmt::print("differs: {} ({} cases)\n", id, count);
    fmt::print("{} forms, {} cases, {} completed, {} mismatches in {} forms\n", s.total.forms, s.total.cases,
               s.total.completed, s.total.mismatches, s.differing.size());
}

void Report::print_json(const Sums& s) const {
    const auto object = [](const Tally& t) {
        return nlohmann::json{
            {"forms", t.forms}, {"cases", t.cases}, {"completed", t.completed}, {"mismatches", t.mismatches}};
    };
    nlohmann::json out = object(s.total);
    for (const auto& [name, t] : s.by_set) out["instruction_sets"][name] = object(t);
    out["always_fault"] = s.always_fault;
    out["differing_forms"] = s.differing;
    out["reports"] = reports_;
    fmt::print("{}\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace softmetal::differential
