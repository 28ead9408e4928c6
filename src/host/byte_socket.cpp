#include "host/byte_socket.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace softmetal::host {
namespace {

constexpr std::size_t pipe_granule = 4096;  // PIPE_BUF

template <class Operation>
Transfer transfer(Operation operation) {
    ssize_t count;
    do {
        count = operation();
    } while (count < 0 && errno == EINTR);
    if (count > 0) return {TransferStatus::moved, static_cast<std::size_t>(count), 0};
    if (count == 0) return {TransferStatus::ended, 0, 0};
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {TransferStatus::again, 0, 0};
    return {TransferStatus::failed, 0, errno};
}

}  // namespace

bool is_socket(int fd) {
    struct stat status {};
    return fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

Result<std::pair<UniqueFd, UniqueFd>> create_byte_socket_pair() {
    std::array<int, 2> fds;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) != 0)
        return fail(fmt::format("cannot create a socket pair: {}", std::strerror(errno)));
    return std::pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

Transfer send_now(int socket, std::span<const u8> bytes) {
    return transfer([&] { return send(socket, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL); });
}

UniqueFd duplicate(int fd) { return UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

Transfer receive_now(int socket, std::span<u8> into) {
    return transfer([&] { return recv(socket, into.data(), into.size(), MSG_DONTWAIT); });
}

Transfer write_ready(int fd, std::span<const u8> bytes) {
    return transfer([&] { return ::write(fd, bytes.data(), std::min(bytes.size(), pipe_granule)); });
}

Transfer read_ready(int fd, std::span<u8> into) {
    return transfer([&] { return ::read(fd, into.data(), std::min(into.size(), pipe_granule)); });
}

std::string error_text(int error) { return std::strerror(error); }

}  // namespace softmetal::host
