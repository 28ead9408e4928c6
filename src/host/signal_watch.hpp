// Signals as readable events of a descriptor, so that they are handled in order with everything else.
#pragma once

#include "base/result.hpp"
#include "host/unique_fd.hpp"

#include <initializer_list>
#include <optional>

namespace softmetal::host {

class SignalWatch {
 public:
    /// Blocks `signals` in this thread and those it starts.
    [[nodiscard]] static Result<SignalWatch> create(std::initializer_list<int> signals);
    [[nodiscard]] int fd() const { return fd_.get(); }
    /// The next signal that has come; none where there is none (any more).
    [[nodiscard]] std::optional<int> next();

 private:
    explicit SignalWatch(UniqueFd fd) : fd_(std::move(fd)) {}
    UniqueFd fd_;
};

/// A write to a reader that has gone, or beyond the file size that the user may have (ulimit -f), fails with
/// EPIPE or EFBIG from now on; by default it would kill the process.
void make_writes_fail_softly();

/// Stops this process as the terminal's Ctrl-Z does; returns when it is continued.
void stop_self();

}  // namespace softmetal::host
