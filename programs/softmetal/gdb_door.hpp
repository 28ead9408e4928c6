// --gdb: where debuggers knock. One at a time is let in; its bytes are relayed to the VM process, which must
// not hold a network socket itself: some can be connected anew.
#pragma once

#include "base/result.hpp"
#include "host/event_loop.hpp"
#include "host/listening_socket.hpp"
#include "relay_side.hpp"

#include <functional>
#include <memory>

namespace softmetal {

/// On the event loop's thread.
class GdbDoor {
 public:
    /// Hands one end of a socket pair to the VM process; false where there is none.
    using PassOn = std::function<bool(int socket)>;
    [[nodiscard]] static Result<std::unique_ptr<GdbDoor>> create(
        host::EventLoop& loop, std::unique_ptr<host::ListeningSocket> listener, PassOn pass_on);
    GdbDoor(const GdbDoor&) = delete;
    GdbDoor& operator=(const GdbDoor&) = delete;

    /// The VM process is gone: its last words go out, as far as the debugger takes them.
    void finish();

 private:
    GdbDoor(host::EventLoop& loop, std::unique_ptr<host::ListeningSocket> listener, PassOn pass_on)
        : loop_(loop), listener_(std::move(listener)), pass_on_(std::move(pass_on)) {}
    void let_in();
    [[nodiscard]] Result<> relay(host::UniqueFd debugger, host::UniqueFd machine);
    void move(RelaySide& from, RelaySide& to, host::Readiness ready);
    void update_watches();
    void close();

    host::EventLoop& loop_;
    std::unique_ptr<host::ListeningSocket> listener_;
    PassOn pass_on_;
    RelaySide debugger_, machine_;
    bool machine_gone_ = false;  // what it said last is still on its way
    std::unique_ptr<host::EventLoop::Watch> listener_watch_;
};

}  // namespace softmetal
