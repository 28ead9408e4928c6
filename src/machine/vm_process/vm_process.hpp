// The jailed process that is one virtual machine: what `softmetal vm-process` runs.
#pragma once

#include "host/control_socket.hpp"

namespace softmetal::machine {

/// Takes the StartRequest from `control`, runs the machine, and sends the EndReport. Answers the process'
/// exit status: 0 where a report was sent. The caller ends the process with it at once, running no
/// destructors: threads of the backends are still there.
[[nodiscard]] int run_vm_process(host::ControlSocket control);

}  // namespace softmetal::machine
