// Connections to servers, waited for.
#pragma once

#include "base/result.hpp"
#include "host/unique_fd.hpp"

#include <string>

namespace softmetal::host {

/// TCP, to the first of the host's addresses that answers; `port` is a number.
[[nodiscard]] Result<UniqueFd> connect_to_host(const std::string& host, const std::string& port);

}  // namespace softmetal::host
