// The options of `softmetal run`, checked, with every file they name opened.
#pragma once

#include "base/result.hpp"
#include "display/vnc_process.hpp"
#include "host/listening_socket.hpp"
#include "host/unique_fd.hpp"
#include "machine/vm_process/protocol.hpp"
#include "options.hpp"

#include <memory>
#include <vector>

namespace softmetal {

struct RunInputs {
    machine::StartRequest request;
    std::vector<host::UniqueFd> files;               // kernel, initrd where there is one, disks
    std::unique_ptr<host::ListeningSocket> gdb;      // none without --gdb
    std::unique_ptr<host::ListeningSocket> control;  // none where there is no place for it
    std::unique_ptr<host::ListeningSocket> vnc;      // none without --vnc
    display::VncRequest vnc_request;
};

[[nodiscard]] Result<RunInputs> open_run_inputs(const RunOptions& options);

}  // namespace softmetal
