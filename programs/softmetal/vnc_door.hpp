// --vnc: the process that serves VNC viewers, started beside the machine's and outliving its restarts.
#pragma once

#include "base/result.hpp"
#include "display/vnc_process.hpp"
#include "host/child_process.hpp"
#include "host/control_socket.hpp"
#include "host/listening_socket.hpp"

#include <memory>
#include <optional>
#include <string>

namespace softmetal {

/// What --vnc takes, as ListeningSocket wants it: a number below 100 is a display, port 5900 and up.
[[nodiscard]] std::string vnc_address(const std::string& option);
/// The first line of a file; fails where it is no password.
[[nodiscard]] Result<std::string> read_vnc_password(const std::string& path);

class VncDoor {
 public:
    [[nodiscard]] static Result<std::unique_ptr<VncDoor>> create(
        std::unique_ptr<host::ListeningSocket> listener, const display::VncRequest& request);

    [[nodiscard]] const std::string& address() const { return listener_->address(); }
    /// Viewers see the machine at the other end of this socket from now on.
    [[nodiscard]] Result<> show(int socket, int surface);
    /// How it ended, once, where it has ended.
    [[nodiscard]] std::optional<host::ProcessEnd> poll();

 private:
    VncDoor(std::unique_ptr<host::ListeningSocket> listener, host::ChildProcess child,
            host::ControlSocket control)
        : listener_(std::move(listener)), control_(std::move(control)), child_(std::move(child)) {}

    std::unique_ptr<host::ListeningSocket> listener_;
    host::ControlSocket control_;
    host::ChildProcess child_;
    bool over_ = false;
};

}  // namespace softmetal
