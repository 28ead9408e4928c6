// The process that is a host-only network: a switch that the machines of one user plug into. The first
// machine starts it, it ends with the last; it knows nothing of the guests but their frames.
//
// A machine connects to its socket and sends a message of one byte, with the file to capture its frames in
// where there is one. Once the switch has answered with the same byte, the connection is a cable.
#pragma once

#include "base/result.hpp"
#include "host/control_socket.hpp"

#include <string>

namespace softmetal::network {

/// A cable to the switch of that name, which is started where it does not run yet.
[[nodiscard]] Result<host::UniqueFd> plug_into_switch(const std::string& name, int capture);

/// The whole life of that process; its exit status. `listener` is the socket that machines connect to.
[[nodiscard]] int run_switch_process(host::ControlSocket listener);

}  // namespace softmetal::network
