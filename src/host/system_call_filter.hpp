// Which system calls a jailed process may make, as a seccomp filter.
#pragma once

#include "base/result.hpp"

namespace softmetal::host {

/// A network server may also accept on sockets it has and set their options; but it can send only to whom a
/// socket is connected to, and neither make generated code nor hand descriptors on.
enum class JailKind { virtual_machine, network_server };

/// For ever, for every thread of the process. Sets no_new_privs.
[[nodiscard]] Result<> install_system_call_filter(JailKind kind);

}  // namespace softmetal::host
