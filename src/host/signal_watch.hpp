// Signals as readable events of a descriptor, so that they are handled in order with everything else.
#pragma once

#include "base/result.hpp"
#include "host/unique_fd.hpp"

#include <initializer_list>
#include <optional>

namespace softmetal::host {

class SignalWatch {
 public:
    /// Blocks `signals` in this thread and those it starts. SIGPIPE is ignored: writes say EPIPE instead.
    [[nodiscard]] static Result<SignalWatch> create(std::initializer_list<int> signals);
    [[nodiscard]] int fd() const { return fd_.get(); }
    /// The next signal that has come; none where there is none (any more).
    [[nodiscard]] std::optional<int> next();

 private:
    explicit SignalWatch(UniqueFd fd) : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

/// Stops this process as the terminal's Ctrl-Z does; returns when it is continued.
void stop_self();

}  // namespace softmetal::host
