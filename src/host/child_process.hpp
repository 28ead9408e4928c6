// Another process of this very program, started with a clean set of descriptors.
#pragma once

#include "base/result.hpp"
#include "host/unique_fd.hpp"

#include <optional>
#include <string>
#include <vector>

namespace softmetal::host {

/// How a process ended.
struct ProcessEnd {
    int exit_status = 0;
    int signal = 0;  // nonzero: it was killed by this one
    /// "exited with status 1", "was killed by signal 9 (Killed)".
    [[nodiscard]] std::string description() const;
};

class ChildProcess {
 public:
    static constexpr int passed_descriptor = 3;

    /// Runs this program again with `arguments`. The child has `passed` as descriptor 3, our standard error
    /// as its own, /dev/null for standard input and output, and nothing else; a session of its own, so that
    /// the terminal's signals do not reach it; and it is killed when the thread that started it ends.
    [[nodiscard]] static Result<ChildProcess> start_self(const std::vector<std::string>& arguments,
                                                         UniqueFd passed);
    /// The same for a process that outlives us and is nobody's child: without our standard error.
    [[nodiscard]] static Result<> start_self_alone(const std::vector<std::string>& arguments,
                                                   UniqueFd passed);
    ChildProcess(ChildProcess&& other) noexcept;
    ChildProcess& operator=(ChildProcess&& other) noexcept;
    /// Kills it where it runs still, and reaps it.
    ~ChildProcess();

    /// None where it runs still. Once it has ended the answer stays the same.
    [[nodiscard]] std::optional<ProcessEnd> poll();
    [[nodiscard]] ProcessEnd wait();
    void kill();
    /// Stops every thread of it until resume().
    void suspend();
    void resume();
    [[nodiscard]] int process_id() const { return pid_; }

 private:
    explicit ChildProcess(int pid) : pid_(pid) {}
    void send_signal(int signal) const;
    int pid_ = -1;
    std::optional<ProcessEnd> end_;
};

/// This process' number.
[[nodiscard]] int process_id();

/// The name that ps shows for this process.
void set_process_name(const char* name);

/// Makes descriptors 0 to 2 exist, so that no file opened later takes their place. One that was closed fails
/// with EBADF when it is used, as before.
void occupy_standard_descriptors();

/// Closes every descriptor from `first` on.
void close_descriptors_from(int first);

}  // namespace softmetal::host
