// Which system calls a jailed process may make, as a seccomp filter.
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"

namespace softmetal::host {

/// The virtual machine's process. `network`, the process that is the guest's network, may use IPv4 and IPv6
/// sockets too. `viewers`, which serves those who look at a screen, may accept on sockets it has and set
/// their options; but it can send only to whom a socket is connected to, and neither make generated code nor
/// hand descriptors on.
enum class Jail : u8 { machine, network, viewers };

/// For ever, for every thread of the process. Sets no_new_privs.
[[nodiscard]] Result<> install_system_call_filter(Jail jail);

}  // namespace softmetal::host
