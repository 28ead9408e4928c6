#include "campaign.hpp"

#include "host/fault_signals.hpp"
#include "laboratory.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace softmetal::differential {
namespace {

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
    const bool local_segments = std::ranges::any_of(forms, &InstructionForm::local_segments);
    auto lab = Laboratory::create(options, local_segments);
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
