// Names that only one process of a user can have at a time: sockets in Linux' abstract namespace (unix(7)),
// which leave nothing behind when the process is gone.
#pragma once

#include "base/result.hpp"
#include "host/unique_fd.hpp"

#include <optional>
#include <string>

namespace softmetal::host {

/// What holds the name; none where another process has it.
[[nodiscard]] Result<std::optional<UniqueFd>> claim_name(const std::string& name);

}  // namespace softmetal::host
