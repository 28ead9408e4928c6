#include "host/child_process.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace softmetal::host {
namespace {

constexpr int exec_report_descriptor = ChildProcess::passed_descriptor + 1;

/// After fork(): only async-signal-safe calls. Returns only where something failed, with errno set; `report`
/// is then still the pipe to say so. Without a parent the process is on its own.
void become(char* const* argv, int passed, int& report, std::optional<pid_t> parent) {
    setsid();
    // Killed with its parent. Where the parent died before this line, there is nobody to work for.
    if (parent && (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != *parent)) return;

    // Out of the way of the numbers they are to be moved to.
    const int high_passed = fcntl(passed, F_DUPFD, 16);
    const int high_report = fcntl(report, F_DUPFD, 16);
    if (high_passed < 0 || high_report < 0) return;
    if (dup2(high_passed, ChildProcess::passed_descriptor) < 0 ||
        dup3(high_report, exec_report_descriptor, O_CLOEXEC) < 0)
        return;
    report = exec_report_descriptor;
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || (!parent && dup2(null, 2) < 0)) return;
    close_descriptors_from(exec_report_descriptor + 1);

    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal) sigaction(signal, &action, nullptr);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    execv("/proc/self/exe", argv);
}

}  // namespace

void close_descriptors_from(int first) {
    if (syscall(SYS_close_range, static_cast<unsigned>(first), ~0u, 0u) == 0) return;
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    const int end = static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 1 << 20));
    for (int fd = first; fd < end; ++fd) close(fd);
}

int process_id() { return getpid(); }

void set_process_name(const char* name) { prctl(PR_SET_NAME, name); }

void occupy_standard_descriptors() {
    constexpr std::array<int, 3> useless_mode = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int fd = 0; fd < 3; ++fd) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
        // The lowest free number is `fd`, the lower ones being in use.
        [[maybe_unused]] const int opened =
            open("/dev/null", useless_mode[static_cast<std::size_t>(fd)]);  // NOLINT: inherited on purpose
    }
}

std::string ProcessEnd::description() const {
    if (signal) return fmt::format("was killed by signal {} ({})", signal, strsignal(signal));
    return fmt::format("exited with status {}", exit_status);
}

namespace {

/// The process that fork() made, once it has become this program.
Result<pid_t> start(const std::vector<std::string>& arguments, UniqueFd passed, bool alone) {
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);

    std::array<int, 2> report;  // closed by exec, or carries errno
    if (pipe2(report.data(), O_CLOEXEC) != 0)
        return fail(fmt::format("cannot start a process: {}", std::strerror(errno)));
    const UniqueFd report_in(report[0]);
    UniqueFd report_out(report[1]);
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) return fail(fmt::format("cannot start a process: {}", std::strerror(errno)));
    if (pid == 0) {
        if (alone && fork() != 0) _exit(0);  // the child's child is nobody's
        int report_fd = report_out.get();
        become(argv.data(), passed.get(), report_fd, alone ? std::nullopt : std::optional(parent));
        const int error = errno;
        [[maybe_unused]] const auto wrote = write(report_fd, &error, sizeof error);
        _exit(127);
    }
    { const UniqueFd close_now = std::move(report_out); }
    int error = 0;
    ssize_t got;
    do {
        got = read(report_in.get(), &error, sizeof error);
    } while (got < 0 && errno == EINTR);
    if (got == sizeof error) {
        waitpid(pid, nullptr, 0);
        return fail(fmt::format("cannot start a process (/proc/self/exe): {}", std::strerror(error)));
    }
    return pid;
}

}  // namespace

Result<ChildProcess> ChildProcess::start_self(const std::vector<std::string>& arguments, UniqueFd passed) {
    const auto pid = start(arguments, std::move(passed), false);
    if (!pid) return std::unexpected(pid.error());
    return ChildProcess(*pid);
}

Result<> ChildProcess::start_self_alone(const std::vector<std::string>& arguments, UniqueFd passed) {
    const auto pid = start(arguments, std::move(passed), true);
    if (!pid) return std::unexpected(pid.error());
    waitpid(*pid, nullptr, 0);
    return {};
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), end_(other.end_) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
    std::swap(pid_, other.pid_);
    std::swap(end_, other.end_);
    return *this;
}

ChildProcess::~ChildProcess() {
    if (pid_ < 0 || end_) return;
    kill();
    static_cast<void>(wait());
}

void ChildProcess::kill() { send_signal(SIGKILL); }
void ChildProcess::suspend() { send_signal(SIGSTOP); }
void ChildProcess::resume() { send_signal(SIGCONT); }

void ChildProcess::send_signal(int signal) const {
    if (pid_ > 0 && !end_) ::kill(pid_, signal);
}

namespace {

std::optional<ProcessEnd> reap(int pid, int options) {
    int status = 0;
    pid_t got;
    do {
        got = waitpid(pid, &status, options);
    } while (got < 0 && errno == EINTR);
    if (got == 0) return std::nullopt;
    if (got < 0) return ProcessEnd{255, 0};  // somebody else reaped it
    if (WIFSIGNALED(status)) return ProcessEnd{0, WTERMSIG(status)};
    return ProcessEnd{WEXITSTATUS(status), 0};
}

}  // namespace

std::optional<ProcessEnd> ChildProcess::poll() {
    if (!end_) end_ = reap(pid_, WNOHANG);
    return end_;
}

ProcessEnd ChildProcess::wait() {
    if (!end_) end_ = reap(pid_, 0);
    return *end_;
}

}  // namespace softmetal::host
