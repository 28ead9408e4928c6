// Which system calls the VM process may make, as a seccomp filter.
#pragma once

#include "base/result.hpp"

namespace softmetal::host {

/// For ever, for every thread of the process. Sets no_new_privs.
[[nodiscard]] Result<> install_system_call_filter();

}  // namespace softmetal::host
