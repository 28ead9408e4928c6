// Where programs of this computer reach a serial line of the guest's: a socket file that one at a time can
// connect to. What the guest says while nobody is there is lost, as on a line without a terminal.
#pragma once

#include "base/result.hpp"
#include "host/listening_socket.hpp"
#include "relay_side.hpp"

namespace softmetal {

/// On the event loop's thread.
class SerialDoor {
 public:
    [[nodiscard]] static Result<std::unique_ptr<SerialDoor>> create(
        host::EventLoop& loop, std::unique_ptr<host::ListeningSocket> listener);
    SerialDoor(const SerialDoor&) = delete;
    SerialDoor& operator=(const SerialDoor&) = delete;

    /// For a machine that starts: its end of the line. Takes the place of an earlier one's; who is connected
    /// stays so.
    [[nodiscard]] Result<host::UniqueFd> connect_machine();
    /// The machine is gone: its last words go out, as far as they are taken.
    void finish();

 private:
    SerialDoor(host::EventLoop& loop, std::unique_ptr<host::ListeningSocket> listener)
        : loop_(loop), listener_(std::move(listener)) {}
    void let_in();
    [[nodiscard]] Result<> watch(RelaySide& side, RelaySide& other);
    void move(RelaySide& from, RelaySide& to, host::Readiness ready);
    void update_watches();

    host::EventLoop& loop_;
    std::unique_ptr<host::ListeningSocket> listener_;
    RelaySide visitor_, machine_;
    std::unique_ptr<host::EventLoop::Watch> listener_watch_;
};

}  // namespace softmetal
