#include "host/listening_socket.hpp"

#include "host/socket_name.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace softmetal::host {
namespace {

constexpr const char* only_this_computer = "127.0.0.1";
constexpr int backlog = 4;

struct Place {
    std::string host, port;
};

std::optional<Place> parse(const std::string& address) {
    Place place{only_this_computer, address};
    if (const auto colon = address.rfind(':'); colon != std::string::npos) {
        place.port = address.substr(colon + 1);
        std::string host = address.substr(0, colon);
        const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
        if (bracketed) host = host.substr(1, host.size() - 2);
        if (!bracketed && host.find(':') != std::string::npos) return std::nullopt;
        if (!host.empty()) place.host = std::move(host);
    }
    unsigned port = 0;
    const char* const end = place.port.data() + place.port.size();
    const auto [stopped, error] = std::from_chars(place.port.data(), end, port);
    if (error != std::errc() || stopped != end || port > 65535) return std::nullopt;
    return place;
}

std::string cannot_listen(const std::string& address, const char* why) {
    return fmt::format("cannot listen on '{}': {}", address, why);
}

/// What the kernel made of it, with numbers.
std::string listening_address(int fd) {
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    std::array<char, NI_MAXHOST> host{};
    std::array<char, NI_MAXSERV> port{};
    auto* const generic = reinterpret_cast<sockaddr*>(&bound);
    if (getsockname(fd, generic, &size) != 0 ||
        getnameinfo(generic, size, host.data(), host.size(), port.data(), port.size(),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return "?";
    const bool bracketed = bound.ss_family == AF_INET6;
    return fmt::format("{}{}{}:{}", bracketed ? "[" : "", host.data(), bracketed ? "]" : "", port.data());
}

}  // namespace

Result<std::unique_ptr<ListeningSocket>> ListeningSocket::open(const std::string& address) {
    constexpr std::string_view file_prefix = "unix:";
    if (address.starts_with(file_prefix)) return open_file(address.substr(file_prefix.size()));
    const auto place = parse(address);
    if (!place) return fail(fmt::format("'{}' is not PORT, HOST:PORT or unix:PATH", address));
    addrinfo wanted{};
    wanted.ai_socktype = SOCK_STREAM;
    wanted.ai_flags = AI_NUMERICSERV;
    addrinfo* found = nullptr;
    if (const int error = getaddrinfo(place->host.c_str(), place->port.c_str(), &wanted, &found))
        return fail(cannot_listen(address, gai_strerror(error)));
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> candidates(found, freeaddrinfo);
    int error = 0;
    for (const addrinfo* c = found; c; c = c->ai_next) {
        UniqueFd fd(socket(c->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        const int yes = 1;
        if (fd.valid() && setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
            bind(fd.get(), c->ai_addr, c->ai_addrlen) == 0 && listen(fd.get(), backlog) == 0) {
            std::string bound = listening_address(fd.get());
            return std::unique_ptr<ListeningSocket>(new ListeningSocket(std::move(fd), std::move(bound), ""));
        }
        error = errno;
    }
    return fail(cannot_listen(address, std::strerror(error)));
}

Result<std::unique_ptr<ListeningSocket>> ListeningSocket::open_file(const std::string& path) {
    const auto name = socket_name(path);
    if (!name) return std::unexpected(name.error());
    const auto* const generic = reinterpret_cast<const sockaddr*>(&*name);
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.valid()) return fail(cannot_listen(path, std::strerror(errno)));
    if (bind(fd.get(), generic, sizeof *name) != 0) {
        if (errno != EADDRINUSE) return fail(cannot_listen(path, std::strerror(errno)));
        // Nothing but a socket is ever removed; connecting to another file is refused as well.
        struct stat status {};
        if (lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode))
            return fail(cannot_listen(path, "there is such a file, and it is not a socket"));
        const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (!probe.valid()) return fail(cannot_listen(path, std::strerror(errno)));
        if (connect(probe.get(), generic, sizeof *name) == 0 || errno != ECONNREFUSED)
            return fail(cannot_listen(path, std::strerror(EADDRINUSE)));
        if (unlink(path.c_str()) != 0 || bind(fd.get(), generic, sizeof *name) != 0)
            return fail(cannot_listen(path, std::strerror(errno)));
    }
    std::unique_ptr<ListeningSocket> socket(new ListeningSocket(std::move(fd), path, path));
    if (listen(socket->fd(), backlog) != 0) return fail(cannot_listen(path, std::strerror(errno)));
    return socket;
}

ListeningSocket::~ListeningSocket() {
    if (!path_.empty()) unlink(path_.c_str());
}

Result<UniqueFd> connect_socket_file(const std::string& path) {
    const auto name = socket_name(path);
    if (!name) return std::unexpected(name.error());
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd.valid() || connect(fd.get(), reinterpret_cast<const sockaddr*>(&*name), sizeof *name) != 0)
        return fail(fmt::format("cannot connect to '{}': {}", path, std::strerror(errno)));
    return fd;
}

UniqueFd accept_connection(int listener) {
    UniqueFd connection(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    // Short questions and answers by turns; where it is no TCP, it has no such delay.
    const int yes = 1;
    if (connection.valid()) setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return connection;
}

}  // namespace softmetal::host
