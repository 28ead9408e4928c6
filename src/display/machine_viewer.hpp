// The way to the screen of a machine that another process runs: its control socket, a file in
// $XDG_RUNTIME_DIR/softmetal or where softmetal run --control says.
#pragma once

#include "base/result.hpp"
#include "display/screen_viewer.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace softmetal::display {

/// What may be asked over a control socket, a byte each. The answer is a byte with the descriptors of a
/// viewer's socket and its surface (screen_link.hpp); none where there is no machine.
enum class ControlRequest : u8 { view_screen = 's' };

/// Where running machines' sockets are; none without $XDG_RUNTIME_DIR.
[[nodiscard]] std::optional<std::filesystem::path> control_directory();

/// `control` is the machine's socket; empty: that of the only machine there is.
[[nodiscard]] Result<ScreenViewer> view_machine(const std::string& control);

}  // namespace softmetal::display
