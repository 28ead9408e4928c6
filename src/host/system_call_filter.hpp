// Which system calls a jailed process may make, as a seccomp filter.
#pragma once

#include "base/result.hpp"

namespace softmetal::host {

/// For ever, for every thread of the process. Sets no_new_privs. `network`: IPv4 and IPv6 sockets too.
[[nodiscard]] Result<> install_system_call_filter(bool network);

}  // namespace softmetal::host
