// What --serial and --console say about where the guest's serial lines lead to.
#pragma once

#include "base/result.hpp"
#include "host/listening_socket.hpp"
#include "host/unique_fd.hpp"
#include "machine/vm_process/protocol.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace softmetal {

/// A line that leads elsewhere than to the terminal: one of the two is there.
struct SerialLine {
    machine::StartRequest::SerialLine::Port port{};
    host::UniqueFd file;
    std::unique_ptr<host::ListeningSocket> listener;
};

struct SerialLines {
    std::optional<machine::StartRequest::SerialLine::Port> terminal;
    std::vector<SerialLine> others;
};

/// `serial`: COM1 to COM4 in turn, where empty COM1 has the terminal unless the console has; `console`: the
/// virtio console, empty for none. Each is terminal, none, file:PATH or unix:PATH. Opens what they name; the
/// error names the option.
[[nodiscard]] Result<SerialLines> open_serial_lines(const std::vector<std::string>& serial,
                                                    const std::string& console);

}  // namespace softmetal
