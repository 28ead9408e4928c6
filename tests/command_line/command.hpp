// A softmetal command that a test started, with its three streams in the test's hands.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <termios.h>
#include <thread>
#include <vector>

namespace softmetal {

enum class Streams {
    pipes,     // input, output and errors are pipes
    terminal,  // all three are a terminal of their own
};

class Command {
 public:
    /// `redirections` are the shell's: "<&-", "> /dev/full". Waiting for anything fails the test after a
    /// minute.
    explicit Command(const std::vector<std::string>& arguments, Streams streams = Streams::pipes,
                     const std::string& redirections = "");
    ~Command();
    Command(const Command&) = delete;
    Command& operator=(const Command&) = delete;

    void type(std::string_view text);
    void close_input();
    void close_output();
    /// Reads until `text` has appeared in the output or the errors since the last such call.
    [[nodiscard]] bool shows(const std::string& text);
    void signal(int number) const;
    /// The exit status; 1000 + N where signal N killed it.
    [[nodiscard]] int status();

    [[nodiscard]] pid_t process_id() const { return pid_; }
    /// The jailed process that it has started; 0 where there is none.
    [[nodiscard]] pid_t vm_process_id() const;
    [[nodiscard]] const std::string& output() const { return output_; }
    [[nodiscard]] const std::string& errors() const { return errors_; }
    /// The descriptor of our side of the terminal.
    [[nodiscard]] int terminal() const { return in_; }
    /// The mode the terminal had before the command started; no program's default.
    [[nodiscard]] static termios former_mode();

 private:
    bool read_some(int timeout_ms);
    pid_t pid_ = -1;
    int in_ = -1, out_ = -1, err_ = -1;
    std::string output_, errors_;
    std::size_t output_seen_ = 0, errors_seen_ = 0;
    int status_ = -1;
};

/// "softmetal run --kernel <an assembled guest> ...".
[[nodiscard]] std::vector<std::string> run_guest(const std::string& name,
                                                 const std::vector<std::string>& more = {});

/// Asks again until `condition` holds; false after a minute.
template <class Condition>
[[nodiscard]] bool eventually(Condition condition) {
    for (int i = 0; i < 6000; ++i) {
        if (condition()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
}

}  // namespace softmetal
