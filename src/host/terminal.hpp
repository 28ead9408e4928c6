// The user's terminal in raw mode, given back as it was however the program ends.
#pragma once

#include "base/result.hpp"
#include "host/unique_fd.hpp"

namespace softmetal::host {

[[nodiscard]] bool is_terminal(int fd);
/// Is this process in the terminal's foreground? A background process that reads from it is stopped.
[[nodiscard]] bool is_in_foreground(int fd);

/// The terminal behind `fd`, opened anew with flags of its own: writing to it says "again" instead of
/// waiting, and other programs that share `fd` notice nothing. Invalid where that is not allowed.
[[nodiscard]] UniqueFd reopen_without_waiting(int fd);

/// Every key, Ctrl-C included, arrives as a byte and nothing is echoed or translated. The former mode comes
/// back on destruction, on exit(), and on the signals that kill a program (SIGSEGV, SIGABRT, SIGUSR1...).
/// SIGINT, SIGTERM and SIGHUP the owner must turn into an orderly exit. One at a time.
class RawTerminal {
 public:
    [[nodiscard]] static Result<RawTerminal> enter(int fd);
    RawTerminal(RawTerminal&& other) noexcept;
    RawTerminal& operator=(RawTerminal&&) = delete;
    ~RawTerminal();

    /// While the program is stopped (SIGTSTP).
    void restore();
    void enter_again();

 private:
    explicit RawTerminal(bool owner) : owner_(owner) {}
    bool owner_;
};

}  // namespace softmetal::host
