// The options of `softmetal run`, checked, with every file they name opened.
#pragma once

#include "base/result.hpp"
#include "display/vnc_process.hpp"
#include "host/listening_socket.hpp"
#include "host/unique_fd.hpp"
#include "machine/vm_process/protocol.hpp"
#include "network/network_process.hpp"
#include "options.hpp"
#include "serial_options.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace softmetal {

struct RunInputs {
    machine::StartRequest request;
    std::vector<host::UniqueFd> files;               // firmware, kernel, initrd and so on, disks
    std::unique_ptr<host::ListeningSocket> gdb;      // none without --gdb
    std::unique_ptr<host::ListeningSocket> control;  // none where there is no place for it
    std::unique_ptr<host::ListeningSocket> vnc;      // none without --vnc
    std::vector<SerialLine> serial_lines;            // as the request has them
    display::VncRequest vnc_request;
    std::optional<network::NetworkRequest> network;
    host::UniqueFd capture;  // for it; invalid without --capture
};

[[nodiscard]] Result<RunInputs> open_run_inputs(const RunOptions& options);

}  // namespace softmetal
