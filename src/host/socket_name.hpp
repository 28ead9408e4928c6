// The address of a socket file.
#pragma once

#include "base/result.hpp"

#include <fmt/format.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>

namespace softmetal::host {

[[nodiscard]] inline Result<sockaddr_un> socket_name(const std::string& path) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof name.sun_path)
        return fail(
            fmt::format("a socket file's name has 1 to {} bytes: '{}'", sizeof name.sun_path - 1, path));
    path.copy(name.sun_path, path.size());
    return name;
}

}  // namespace softmetal::host
