#include "host/control_socket.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

namespace softmetal::host {
namespace {

constexpr std::size_t ancillary_bytes = CMSG_SPACE(ControlSocket::maximum_descriptors * sizeof(int));
using AncillaryBuffer = std::array<u8, ancillary_bytes>;

std::vector<UniqueFd> take_descriptors(msghdr& header) {
    std::vector<UniqueFd> descriptors;
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part; part = CMSG_NXTHDR(&header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd;
            std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            descriptors.emplace_back(fd);
        }
    }
    return descriptors;
}

}  // namespace

Result<std::pair<ControlSocket, ControlSocket>> ControlSocket::create_pair() {
    std::array<int, 2> fds;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds.data()) != 0)
        return fail(fmt::format("cannot create a control socket: {}", std::strerror(errno)));
    return std::pair(ControlSocket(UniqueFd(fds[0])), ControlSocket(UniqueFd(fds[1])));
}

bool ControlSocket::is_abandoned() const {
    pollfd self{fd_.get(), 0, 0};
    return poll(&self, 1, 0) == 1 && (self.revents & POLLHUP) != 0;
}

/// Jails forbid what could hand descriptors on.
Result<> ControlSocket::send_bytes(std::span<const u8> bytes) {
    while (::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0)
        if (errno != EINTR)
            return fail(fmt::format("cannot send a control message: {}", std::strerror(errno)));
    return {};
}

Result<> ControlSocket::send(std::span<const u8> bytes, std::span<const int> descriptors) {
    if (bytes.size() > maximum_bytes || descriptors.size() > maximum_descriptors)
        return fail(fmt::format("a control message of {} bytes and {} descriptors is too long", bytes.size(),
                                descriptors.size()));
    if (descriptors.empty()) return send_bytes(bytes);
    iovec vector{const_cast<u8*>(bytes.data()), bytes.size()};  // sendmsg() does not write to it
    msghdr header{};
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    alignas(cmsghdr) AncillaryBuffer ancillary{};
    header.msg_control = ancillary.data();
    header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(part), descriptors.data(), descriptors.size_bytes());
    while (sendmsg(fd_.get(), &header, MSG_NOSIGNAL) < 0)
        if (errno != EINTR)
            return fail(fmt::format("cannot send a control message: {}", std::strerror(errno)));
    return {};
}

Result<std::optional<ControlMessage>> ControlSocket::receive() {
    ControlMessage message;
    message.bytes.resize(maximum_bytes);
    iovec vector{message.bytes.data(), message.bytes.size()};
    alignas(cmsghdr) AncillaryBuffer ancillary{};
    msghdr header{};
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    header.msg_control = ancillary.data();
    header.msg_controllen = ancillary.size();
    ssize_t count;
    do {
        count = recvmsg(fd_.get(), &header, MSG_CMSG_CLOEXEC);
    } while (count < 0 && errno == EINTR);
    if (count < 0 && errno == ECONNRESET) return std::nullopt;  // gone with a message of ours unread
    if (count < 0) return fail(fmt::format("cannot receive a control message: {}", std::strerror(errno)));
    message.descriptors = take_descriptors(header);
    if (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) return fail("a control message was cut");
    if (count == 0) return std::nullopt;
    message.bytes.resize(static_cast<std::size_t>(count));
    return std::optional(std::move(message));
}

}  // namespace softmetal::host
