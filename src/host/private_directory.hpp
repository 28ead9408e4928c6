// A directory for the sockets of one user's machines, which nobody else can enter.
#pragma once

#include "base/result.hpp"

#include <string>

namespace softmetal::host {

/// $XDG_RUNTIME_DIR/softmetal, or one in /tmp with the user's number, made where it is not there. What
/// another user has made or can enter is an error.
[[nodiscard]] Result<std::string> private_directory();

}  // namespace softmetal::host
