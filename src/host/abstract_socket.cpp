#include "host/abstract_socket.hpp"

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace softmetal::host {

Result<std::optional<UniqueFd>> claim_name(const std::string& name) {
    const std::string whole = fmt::format("softmetal-{}-{}", geteuid(), name);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (whole.size() >= sizeof address.sun_path) return fail(fmt::format("the name '{}' is too long", name));
    std::memcpy(address.sun_path + 1, whole.data(),
                whole.size());  // an abstract name begins with a zero byte
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + whole.size());
    UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (fd.valid() && bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0)
        return std::optional(std::move(fd));
    if (errno == EADDRINUSE) return std::nullopt;
    return fail(fmt::format("cannot have the name '{}': {}", name, std::strerror(errno)));
}

}  // namespace softmetal::host
