#include "laboratory.hpp"

#include "case_generator.hpp"
#include "decoder/decoder.hpp"
#include "reduction.hpp"
#include "x86/exceptions.hpp"

#include <fmt/format.h>

namespace softmetal::differential {
namespace {

constexpr u64 reports_per_form = 3;

u64 overwritten_flags(const TestCase& test) {
    const auto decoded = decode({test.bytes.data(), test.length}, test.code_size);
    return decoded ? decoded->flags_killed & x86::flags::status : 0;
}

/// Did the host lose the x87 pointers that the case had loaded? AMD's XSAVE stores none without a pending
/// exception (APM vol. 2, ch. 11.5.3), so a context switch before the instruction clears them.
bool may_lose_pointers(ZydisISASet isa_set) {
    return host_vendor() == Vendor::amd && isa_set == ZYDIS_ISA_SET_X87;
}

/// INT3 is a trap: what the instruction left is one byte before.
void step_back_to_landing(Outcome& outcome) {
    if (outcome.vector == completed) outcome.registers.rip--;
}

}  // namespace

Result<std::unique_ptr<Laboratory>> Laboratory::create(const CampaignOptions& options, bool local_segments) {
    auto lab = std::unique_ptr<Laboratory>(new Laboratory(options));
    auto native = NativeRunner::create(local_segments);
    if (!native) return std::unexpected(native.error());
    lab->native_ = std::move(*native);
    const auto model = CpuModel::named(options.cpu, 1, 1'000'000'000);
    if (!model) return std::unexpected(model.error());
    if (auto added = lab->add_guests(local_segments, *model); !added) return std::unexpected(added.error());
    auto undefined = UndefinedResults::load(options.undefined_results, options.engine);
    if (!undefined) return std::unexpected(undefined.error());
    lab->undefined_ = std::move(*undefined);
    return lab;
}

Result<> Laboratory::add_guests(bool local_segments, const CpuModel& model) {
    const auto add = [&](KernelMode mode, std::unique_ptr<GuestRunner>& runner) -> Result<> {
        auto made = GuestRunner::create(options_.engine, mode, model);
        if (!made) return std::unexpected(made.error());
        runner = std::move(*made);
        return {};
    };
    if (model.features().long_mode) {
        if (auto added = add(KernelMode::long_mode, long_mode_); !added) return added;
        guests_.push_back({"64-bit mode", 8, true, long_mode_.get()});
        if (local_segments) {
            guests_.push_back({"compatibility mode", 4, true, long_mode_.get()});
            guests_.push_back({"compatibility mode, 16-bit code", 2, true, long_mode_.get()});
        }
    }
    if (!local_segments) return {};
    if (auto added = add(KernelMode::protected_mode, protected_mode_); !added) return added;
    guests_.push_back({"protected mode", 4, false, protected_mode_.get()});
    guests_.push_back({"protected mode, 16-bit code", 2, false, protected_mode_.get()});
    return {};
}

bool Laboratory::suits(const Guest& guest, const TestCase& test) {
    return guest.code_size == test.code_size && (guest.long_mode || !test.goes_to_64bit);
}

void Laboratory::run_native(const TestCase& test) {
    native_->run(test, *native_outcome_);
    step_back_to_landing(*native_outcome_);
}

Laboratory::Verdict Laboratory::judge(const InstructionForm& form, const TestCase& test) {
    return form.foreign ? judge_foreign(test) : judge_against_host(form, test);
}

Laboratory::Verdict Laboratory::judge_foreign(const TestCase& test) {
    Outcome& expected = *native_outcome_;
    expected = {};
    expected.vector = static_cast<unsigned>(x86::Vector::invalid_opcode);
    expected.registers = test.registers;
    expected.registers.rflags |= x86::flags::rf;  // as pushed by a fault (SDM vol. 3, ch. 17.3.1.1)
    expected.memory = test.memory;
    expected.selectors = test.selectors;
    if (test.code_size == 8 && test.local_segments)
        expected.fs_base = test.fs_base, expected.gs_base = test.gs_base;
    // The guest's runner leaves out what the host's form of the state would.
    const Allowance allowed{.fdp = true, .x87_pointers = true};
    Verdict verdict;
    for (const Guest& guest : guests_) {
        if (!suits(guest, test)) continue;
        guest.runner->run(test, *guest_outcome_);
        verdict.differences = compare(expected, *guest_outcome_, allowed);
        if (verdict.differences.empty()) continue;
        verdict.guest = guest.name;
        break;
    }
    return verdict;
}

Laboratory::Verdict Laboratory::judge_against_host(const InstructionForm& form, const TestCase& test) {
    run_native(test);
    Verdict verdict{.completed = native_outcome_->vector == completed};
    std::string name = ZydisMnemonicGetString(form.mnemonic);
    if (form.far_transfer) name += "-far";
    Allowance allowed = undefined_.allowance(name, !verdict.completed);
    if (allowed.dead_flags) allowed.flags |= overwritten_flags(test);
    for (const Guest& guest : guests_) {
        if (!suits(guest, test)) continue;
        guest.runner->run(test, *guest_outcome_);
        step_back_to_landing(*guest_outcome_);
        auto differences = compare(*native_outcome_, *guest_outcome_, allowed);
        const bool repeatable = may_lose_pointers(form.isa_set);
        for (unsigned again = 0; again < 3 && !differences.empty() && repeatable; again++) {
            run_native(test);
            differences = compare(*native_outcome_, *guest_outcome_, allowed);
        }
        if (differences.empty()) continue;
        verdict.guest = guest.name;
        verdict.differences = std::move(differences);
        break;
    }
    return verdict;
}

FormResult Laboratory::run(const InstructionForm& form, std::size_t index) {
    FormResult result{.form = index};
    for (u64 n = options_.first_case; n < options_.first_case + options_.cases; n++) {
        generate_case(form, options_.seed, n, *test_);
        const Verdict verdict = judge(form, *test_);
        result.cases++;
        if (verdict.completed) result.completed++;
        if (verdict.differences.empty() || result.mismatches++ >= reports_per_form) continue;
        result.reports.push_back(report(form, n));
    }
    return result;
}

std::string Laboratory::report(const InstructionForm& form, u64 number) {
    const Verdict first = judge(form, *test_);
    if (first.differences.empty())
        return fmt::format("{}\n  differed once, and not when run again: seed {}, case {}\n", form.id,
                           options_.seed, number);
    reduce(*test_, [&](const TestCase& smaller) {
        const Verdict v = judge(form, smaller);
        return !v.differences.empty() && v.differences[0].where == first.differences[0].where &&
               v.completed == first.completed;
    });
    const Verdict verdict = judge(form, *test_);
    return fmt::format(
        "{} ({}), reduced\n{}  again: oracle --engine {} --cpu {} --seed {} --form '{}' --case {}\n", form.id,
        verdict.guest, describe(*test_, verdict.differences), options_.engine, options_.cpu, options_.seed,
        form.id, number);
}

}  // namespace softmetal::differential
