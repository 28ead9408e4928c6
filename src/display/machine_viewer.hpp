// The way to the screen of a machine that another process runs: its control socket, a file in
// $XDG_RUNTIME_DIR/softmetal or where softmetal run --control says.
#pragma once

#include "base/result.hpp"
#include "display/screen_viewer.hpp"
#include "host/control_socket.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace softmetal::display {

/// What may be asked over a control socket. The answer is the same byte; none where there is no machine, or
/// it does not understand.
enum class ControlRequest : u8 {
    view_screen =
        's',  // the answer has the descriptors of a viewer's socket and its surface (screen_link.hpp)
    set_memory = 'm',     // with eight bytes, lowest first: how much of its memory the guest is to do with
    report_memory = 'r',  // the answer goes on with the machine's MemoryStatus (vm_process/protocol.hpp)
};

/// Where running machines' sockets are; none without $XDG_RUNTIME_DIR.
[[nodiscard]] std::optional<std::filesystem::path> control_directory();

/// A conversation with a machine. `control` is its socket; empty: that of the only machine there is.
[[nodiscard]] Result<host::ControlSocket> call_machine(const std::string& control);
/// `control` is the machine's socket; empty: that of the only machine there is.
[[nodiscard]] Result<ScreenViewer> view_machine(const std::string& control);

}  // namespace softmetal::display
