#include "host/client_socket.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace softmetal::host {

Result<UniqueFd> connect_to_host(const std::string& host, const std::string& port) {
    addrinfo wanted{};
    wanted.ai_socktype = SOCK_STREAM;
    wanted.ai_flags = AI_NUMERICSERV;
    addrinfo* found = nullptr;
    if (const int error = getaddrinfo(host.c_str(), port.c_str(), &wanted, &found))
        return fail(fmt::format("cannot connect to '{}': {}", host, gai_strerror(error)));
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> candidates(found, freeaddrinfo);
    int error = 0;
    for (const addrinfo* c = found; c; c = c->ai_next) {
        UniqueFd fd(socket(c->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const int yes = 1;
        if (fd.valid() && setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) == 0 &&
            connect(fd.get(), c->ai_addr, c->ai_addrlen) == 0)
            return fd;
        error = errno;
    }
    return fail(fmt::format("cannot connect to '{}' port {}: {}", host, port, std::strerror(error)));
}

}  // namespace softmetal::host
