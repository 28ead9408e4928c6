// The user's side of the guest's serial port: standard input and output, raw where that is a terminal.
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"
#include "escape_keys.hpp"
#include "host/event_loop.hpp"
#include "host/terminal.hpp"
#include "host/unique_fd.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace softmetal {

/// Everything happens on the event loop's thread. Neither direction is ever waited for, so that a blocked
/// pipe cannot keep a signal from being obeyed.
class Console {
 public:
    struct Events {
        std::function<void(EscapeKeys::Action)> action;         // quit, power button
        std::function<void(const std::string&)> output_failed;  // once; what comes later is thrown away
        std::function<void()> changed;                          // finished() may have become true
    };
    [[nodiscard]] static Result<std::unique_ptr<Console>> create(host::EventLoop& loop, Events events);
    ~Console();
    Console(const Console&) = delete;
    Console& operator=(const Console&) = delete;

    /// To a machine that starts; takes the place of an earlier one.
    [[nodiscard]] Result<> connect(host::UniqueFd serial);
    /// The machine has closed its side and all it had sent is out.
    [[nodiscard]] bool finished() const { return !serial_.valid() && to_user_.empty(); }

    /// A message on standard error, whatever mode the terminal is in.
    void notify(std::string_view text) const;
    void restore_terminal();
    void make_terminal_raw_again();

 private:
    Console(host::EventLoop& loop, Events events);
    [[nodiscard]] Result<> open();
    void read_user();
    void read_guest();
    void write_user();
    void write_guest();
    void handle(EscapeKeys::Action action);
    void close_serial();
    void update_watches();

    using Watch = std::unique_ptr<host::EventLoop::Watch>;
    host::EventLoop& loop_;
    Events events_;
    std::optional<host::RawTerminal> terminal_;
    host::UniqueFd private_output_;  // a terminal opened anew, so that our O_NONBLOCK is ours alone
    int output_ = -1;
    EscapeKeys escape_keys_;
    std::vector<u8> to_guest_, to_user_;
    bool input_ended_ = false;
    bool output_failed_ = false;
    host::UniqueFd serial_;
    Watch input_watch_, output_watch_, serial_watch_;  // last: destroyed first
};

}  // namespace softmetal
