// The options of `softmetal run`, checked, with every file they name opened.
#pragma once

#include "base/result.hpp"
#include "display/vnc_process.hpp"
#include "drive_options.hpp"
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
    std::vector<host::UniqueFd> files;  // firmware, kernel, initrd and so on, disks
    /// Of `files`, those that a server has at its other end.
    std::vector<std::pair<std::size_t, DriveOption>> connections;
    std::unique_ptr<host::ListeningSocket> gdb;      // none without --gdb
    std::unique_ptr<host::ListeningSocket> control;  // none where there is no place for it
    std::unique_ptr<host::ListeningSocket> vnc;      // none without --vnc
    std::vector<SerialLine> serial_lines;            // as the request has them
    display::VncRequest vnc_request;
    /// What is at the other end of each network card's cable: NAT, or the switch of that name.
    struct Network {
        std::optional<network::NetworkRequest> nat;
        std::string switch_name;
        host::UniqueFd capture;  // invalid without --capture
        host::UniqueFd address;  // keeps the card's address ours
    };
    std::vector<Network> networks;

    /// Before the machine starts once more.
    [[nodiscard]] Result<> connect_again();
};

[[nodiscard]] Result<RunInputs> open_run_inputs(const RunOptions& options);

}  // namespace softmetal
