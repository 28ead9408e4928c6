#include "host/terminal.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>
#include <utility>

namespace softmetal::host {
namespace {

// Global because signal handlers and exit() have nothing else to find it by.
std::atomic<int> raw_fd = -1;
termios former_mode;

/// Async-signal-safe.
void restore_mode() {
    const int fd = raw_fd.exchange(-1);
    if (fd < 0) return;
    // From the background, changing the mode would stop this process (SIGTTOU) instead.
    sigset_t ttou, before;
    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &ttou, &before);
    tcsetattr(fd, TCSANOW, &former_mode);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// Those that end a program by default, but for SIGKILL, which nobody can answer, SIGPIPE and SIGXFSZ, which
// are ignored (make_writes_fail_softly), and those that the owner takes (SIGINT, SIGTERM, SIGHUP).
constexpr int deadly[] = {SIGSEGV, SIGBUS,  SIGILL,  SIGFPE,  SIGABRT,   SIGTRAP, SIGSYS, SIGQUIT,  SIGXCPU,
                          SIGUSR1, SIGUSR2, SIGALRM, SIGPROF, SIGVTALRM, SIGIO,   SIGPWR, SIGSTKFLT};

void on_deadly_signal(int signal) {
    restore_mode();
    raise(signal);  // the handler was reset to the default on entry
}

bool set_raw(int fd) {
    termios raw = former_mode;
    cfmakeraw(&raw);
    if (tcsetattr(fd, TCSANOW, &raw) != 0) return false;
    raw_fd = fd;
    return true;
}

int terminal_fd = -1;

}  // namespace

bool is_terminal(int fd) { return isatty(fd); }
bool is_in_foreground(int fd) { return tcgetpgrp(fd) == getpgrp(); }

UniqueFd reopen_without_waiting(int fd) {
    const std::string path = fmt::format("/proc/self/fd/{}", fd);
    return UniqueFd(open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

Result<RawTerminal> RawTerminal::enter(int fd) {
    static const bool hooks_installed = [] {
        struct sigaction action {};
        action.sa_handler = on_deadly_signal;
        action.sa_flags = SA_RESETHAND | SA_NODEFER;
        for (int signal : deadly) sigaction(signal, &action, nullptr);
        return std::atexit(restore_mode) == 0;
    }();
    if (!hooks_installed || tcgetattr(fd, &former_mode) != 0 || !set_raw(fd))
        return fail(fmt::format("cannot switch the terminal to raw mode: {}", std::strerror(errno)));
    terminal_fd = fd;
    return RawTerminal(true);
}

RawTerminal::RawTerminal(RawTerminal&& other) noexcept : owner_(std::exchange(other.owner_, false)) {}

RawTerminal::~RawTerminal() {
    if (owner_) restore_mode();
}

void RawTerminal::restore() { restore_mode(); }

void RawTerminal::enter_again() { set_raw(terminal_fd); }

}  // namespace softmetal::host
