// Where other commands reach the machine that this process runs: a socket file, in $XDG_RUNTIME_DIR/softmetal
// or where --control says.
#pragma once

#include "base/result.hpp"
#include "display/machine_viewer.hpp"
#include "host/control_socket.hpp"
#include "host/event_loop.hpp"
#include "host/listening_socket.hpp"

#include <functional>
#include <list>
#include <memory>
#include <span>
#include <string>

namespace softmetal {

/// Listens at `path`, or in display::control_directory() under this process' number; null where there is
/// neither.
[[nodiscard]] Result<std::unique_ptr<host::ListeningSocket>> open_control_socket(const std::string& path);

/// On the event loop's thread.
class ControlDoor {
 public:
    /// What can be asked of the machine; each fails where none runs.
    struct Machine {
        std::function<Result<display::ScreenViewer>()> attach_viewer;
        std::function<Result<>(u64 bytes)> set_memory;
        /// Answers when the machine has.
        std::function<void(host::ControlSocket conversation)> report_memory;
    };
    [[nodiscard]] static Result<std::unique_ptr<ControlDoor>> create(
        host::EventLoop& loop, std::unique_ptr<host::ListeningSocket> listener, Machine machine);
    ControlDoor(const ControlDoor&) = delete;
    ControlDoor& operator=(const ControlDoor&) = delete;

 private:
    struct Visitor {
        host::UniqueFd socket;
        std::unique_ptr<host::EventLoop::Watch> watch;
        bool done = false;
    };
    ControlDoor(host::EventLoop& loop, std::unique_ptr<host::ListeningSocket> listener, Machine machine)
        : loop_(loop), listener_(std::move(listener)), machine_(std::move(machine)) {}
    void let_in();
    void hear(Visitor& visitor);
    void answer(std::span<const u8> request, host::ControlSocket conversation);

    host::EventLoop& loop_;
    std::unique_ptr<host::ListeningSocket> listener_;
    Machine machine_;
    std::list<Visitor> visitors_;
    std::unique_ptr<host::EventLoop::Watch> listener_watch_;
};

}  // namespace softmetal
