#include "campaign.hpp"

#include "case_generator.hpp"
#include "comparison.hpp"
#include "decoder/decoder.hpp"
#include "guest_runner.hpp"
#include "host/fault_signals.hpp"
#include "native_runner.hpp"

#include <csignal>
#include <cstdio>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace softmetal::differential {
namespace {

constexpr u64 reports_per_form = 3;

u64 overwritten_flags(const TestCase& test) {
    const auto decoded = decode({test.bytes.data(), test.length}, 8);
    return decoded ? decoded->flags_killed & x86::flags::status : 0;
}

/// Did the host lose the x87 pointers that the case had loaded? AMD's XSAVE stores none without a pending
/// exception (APM vol. 2, ch. 11.5.3), so a context switch before the instruction clears them.
bool may_lose_pointers(const InstructionForm& form) {
    return host_vendor() == Vendor::amd && form.isa_set == ZYDIS_ISA_SET_X87;
}

/// What a worker owns: both sides of the comparison.
class Laboratory {
 public:
    static Result<std::unique_ptr<Laboratory>> create(const CampaignOptions& options) {
        auto lab = std::unique_ptr<Laboratory>(new Laboratory(options));
        auto native = NativeRunner::create();
        if (!native) return std::unexpected(native.error());
        auto guest = GuestRunner::create(options.engine);
        if (!guest) return std::unexpected(guest.error());
        auto undefined = UndefinedResults::load(options.undefined_results, options.engine);
        if (!undefined) return std::unexpected(undefined.error());
        lab->native_ = std::move(*native);
        lab->guest_ = std::move(*guest);
        lab->undefined_ = std::move(*undefined);
        return lab;
    }

    FormResult run(const InstructionForm& form, std::size_t index) {
        FormResult result{.form = index};
        const std::string mnemonic = ZydisMnemonicGetString(form.mnemonic);
        for (u64 n = options_.first_case; n < options_.first_case + options_.cases; n++) {
            generate_case(form, options_.seed, n, *test_);
            native_->run(*test_, *native_outcome_);
            // INT3 is a trap: what the instruction left is one byte before.
            if (native_outcome_->vector == completed) native_outcome_->registers.rip--;
            guest_->run(*test_, *guest_outcome_);
            if (guest_outcome_->vector == completed) guest_outcome_->registers.rip--;
            result.cases++;
            if (native_outcome_->vector == completed) result.completed++;
            Allowance allowed = undefined_.allowance(mnemonic, native_outcome_->vector != completed);
            if (allowed.dead_flags) allowed.flags |= overwritten_flags(*test_);
            auto differences = compare(*native_outcome_, *guest_outcome_, allowed);
            for (unsigned again = 0; again < 3 && !differences.empty() && may_lose_pointers(form); again++) {
                native_->run(*test_, *native_outcome_);
                if (native_outcome_->vector == completed) native_outcome_->registers.rip--;
                differences = compare(*native_outcome_, *guest_outcome_, allowed);
            }
            if (differences.empty()) continue;
            if (result.mismatches++ < reports_per_form)
                result.reports.push_back(fmt::format(
                    "{}\n{}  again: oracle --engine {} --seed {} --form '{}' --case {}\n", form.id,
                    describe(*test_, differences), options_.engine, options_.seed, form.id, n));
        }
        return result;
    }

 private:
    explicit Laboratory(const CampaignOptions& options) : options_(options) {}

    const CampaignOptions& options_;
    std::unique_ptr<NativeRunner> native_;
    std::unique_ptr<GuestRunner> guest_;
    UndefinedResults undefined_;
    std::unique_ptr<TestCase> test_ = std::make_unique<TestCase>();
    std::unique_ptr<Outcome> native_outcome_ = std::make_unique<Outcome>(),
                             guest_outcome_ = std::make_unique<Outcome>();
};

/// A worker's messages are lines of JSON: a form begins, a form is done, nothing works.
void send(int fd, const nlohmann::json& message) {
    const std::string line = message.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    for (std::size_t at = 0; at < line.size();) {
        const ssize_t n = write(fd, line.data() + at, line.size() - at);
        if (n <= 0) _exit(1);
        at += static_cast<std::size_t>(n);
    }
}

[[noreturn]] void work(int fd, const std::vector<InstructionForm>& forms, const CampaignOptions& options,
                       std::size_t first, std::size_t stride) {
    const host::FaultStack signal_stack;
    auto lab = Laboratory::create(options);
    if (!lab) {
        send(fd, {{"error", lab.error().message}});
        _exit(0);
    }
    for (std::size_t i = first; i < forms.size(); i += stride) {
        send(fd, {{"begins", i}});
        const FormResult r = (*lab)->run(forms[i], i);
        send(fd, {{"form", i},
                  {"cases", r.cases},
                  {"completed", r.completed},
                  {"mismatches", r.mismatches},
                  {"reports", r.reports}});
    }
    _exit(0);
}

class Worker {
 public:
    Worker(const std::vector<InstructionForm>& forms, const CampaignOptions& options, std::size_t first)
        : forms_(forms), options_(options), next_(first) {}

    void start() {
        int fds[2];
        if (pipe(fds) != 0) return;
        std::fflush(nullptr);
        pid_ = fork();
        if (pid_ == 0) {
            close(fds[0]);
            work(fds[1], forms_, options_, next_, options_.jobs);
        }
        close(fds[1]);
        fd_ = fds[0];
        begun_ = false;
    }

    /// What arrived, or that the worker is gone. False where the campaign cannot go on.
    bool receive(const std::function<void(const FormResult&)>& on_result, std::string& error) {
        char buffer[65536];
        const ssize_t n = read(fd_, buffer, sizeof buffer);
        if (n <= 0) return ended(on_result, "crashed");
        pending_.append(buffer, static_cast<std::size_t>(n));
        for (std::size_t end; (end = pending_.find('\n')) != std::string::npos; pending_.erase(0, end + 1)) {
            const auto message = nlohmann::json::parse(pending_.substr(0, end));
            if (message.contains("error")) {
                error = message["error"];
                return false;
            }
            begun_ = message.contains("begins");
            if (begun_) continue;
            next_ = message["form"].get<std::size_t>() + options_.jobs;
            on_result({message["form"], message["cases"], message["completed"], message["mismatches"],
                       message["reports"]});
        }
        return true;
    }

    /// Silent for too long.
    bool hung(const std::function<void(const FormResult&)>& on_result) {
        kill(pid_, SIGKILL);
        return ended(on_result, "hung");
    }

    [[nodiscard]] int fd() const { return fd_; }
    [[nodiscard]] bool done() const { return fd_ < 0; }

    void stop() {
        if (fd_ < 0) return;
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        close(fd_);
        fd_ = -1;
    }

 private:
    bool ended(const std::function<void(const FormResult&)>& on_result, const char* how) {
        int status = 0;
        waitpid(pid_, &status, 0);
        close(fd_);
        fd_ = -1;
        pending_.clear();
        if (!begun_) return true;  // all its forms are done
        const InstructionForm& form = forms_[next_];
        FormResult lost{.form = next_, .cases = options_.cases, .mismatches = 1};
        lost.reports.push_back(fmt::format(
            "{}\n  the worker {} (signal {})\n  again: oracle --engine {} --seed {} --form '{}'\n", form.id,
            how, WIFSIGNALED(status) ? WTERMSIG(status) : 0, options_.engine, options_.seed, form.id));
        on_result(lost);
        next_ += options_.jobs;
        if (next_ < forms_.size()) start();
        return true;
    }

    const std::vector<InstructionForm>& forms_;
    const CampaignOptions& options_;
    std::size_t next_;
    pid_t pid_ = -1;
    int fd_ = -1;
    bool begun_ = false;
    std::string pending_;
};

}  // namespace

Result<> run_campaign(const std::vector<InstructionForm>& forms, const CampaignOptions& options,
                      const std::function<void(const FormResult&)>& on_result) {
    std::vector<Worker> workers;
    for (unsigned i = 0; i < options.jobs && i < forms.size(); i++) {
        workers.emplace_back(forms, options, i);
        workers.back().start();
    }
    const int patience = static_cast<int>(30'000 + std::min<u64>(options.cases, 1'000'000));
    std::string error;
    while (error.empty()) {
        std::vector<pollfd> waiting;
        std::vector<Worker*> owners;
        for (Worker& w : workers) {
            if (w.done()) continue;
            waiting.push_back({w.fd(), POLLIN, 0});
            owners.push_back(&w);
        }
        if (waiting.empty()) return {};
        const int ready = poll(waiting.data(), waiting.size(), patience);
        for (std::size_t i = 0; i < waiting.size(); i++) {
            if (ready == 0)
                owners[i]->hung(on_result);
            else if (waiting[i].revents && !owners[i]->receive(on_result, error))
                break;
        }
    }
    for (Worker& w : workers) w.stop();
    return fail(error);
}

}  // namespace softmetal::differential
