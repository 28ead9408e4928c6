// Where other commands reach the machine that this process runs: a socket file, in $XDG_RUNTIME_DIR/softmetal
// or where --control says.
#pragma once

#include "base/result.hpp"
#include "display/screen_viewer.hpp"
#include "host/event_loop.hpp"
#include "host/listening_socket.hpp"

#include <filesystem>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>

namespace softmetal {

/// What may be asked, a byte each. The answer is a byte with the descriptors of a viewer's socket and its
/// surface (display/screen_link.hpp); none where there is no machine.
enum class ControlRequest : u8 { view_screen = 's' };

/// Where running machines' sockets are; none without $XDG_RUNTIME_DIR.
[[nodiscard]] std::optional<std::filesystem::path> control_directory();

/// Listens at `path`, or in control_directory() under this process' number; null where there is neither.
[[nodiscard]] Result<std::unique_ptr<host::ListeningSocket>> open_control_socket(const std::string& path);

/// On the event loop's thread.
class ControlDoor {
 public:
    using AttachViewer = std::function<Result<display::ScreenViewer>()>;
    [[nodiscard]] static Result<std::unique_ptr<ControlDoor>> create(
        host::EventLoop& loop, std::unique_ptr<host::ListeningSocket> listener, AttachViewer attach_viewer);
    ControlDoor(const ControlDoor&) = delete;
    ControlDoor& operator=(const ControlDoor&) = delete;

 private:
    struct Visitor {
        host::UniqueFd socket;
        std::unique_ptr<host::EventLoop::Watch> watch;
        bool done = false;
    };
    ControlDoor(host::EventLoop& loop, std::unique_ptr<host::ListeningSocket> listener,
                AttachViewer attach_viewer)
        : loop_(loop), listener_(std::move(listener)), attach_viewer_(std::move(attach_viewer)) {}
    void let_in();
    void answer(Visitor& visitor);

    host::EventLoop& loop_;
    std::unique_ptr<host::ListeningSocket> listener_;
    AttachViewer attach_viewer_;
    std::list<Visitor> visitors_;
    std::unique_ptr<host::EventLoop::Watch> listener_watch_;
};

}  // namespace softmetal
