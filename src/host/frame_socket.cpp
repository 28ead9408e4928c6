#include "host/frame_socket.hpp"

#include "host/socket_name.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

namespace softmetal::host {

namespace {

/// A burst should fit; what the host grants is what there is.
void make_room_for_burst(int socket) {
    constexpr int wanted = 4 << 20;
    setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
    setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof wanted);
}

}  // namespace

Result<std::pair<UniqueFd, UniqueFd>> create_frame_socket_pair() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return fail(fmt::format("cannot make a socket pair for network frames: {}", std::strerror(errno)));
    for (const int end : ends) make_room_for_burst(end);
    return std::pair{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<UniqueFd> listen_for_frames(const std::string& path) {
    constexpr int backlog = 16;
    const auto name = socket_name(path);
    if (!name) return std::unexpected(name.error());
    UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    unlink(path.c_str());
    if (!fd.valid() || bind(fd.get(), reinterpret_cast<const sockaddr*>(&*name), sizeof *name) != 0 ||
        listen(fd.get(), backlog) != 0)
        return fail(fmt::format("cannot listen on '{}': {}", path, std::strerror(errno)));
    return fd;
}

UniqueFd accept_frames(int listener) {
    UniqueFd fd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd.valid()) make_room_for_burst(fd.get());
    return fd;
}

UniqueFd connect_for_frames(const std::string& path) {
    const auto name = socket_name(path);
    UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!name || !fd.valid() ||
        connect(fd.get(), reinterpret_cast<const sockaddr*>(&*name), sizeof *name) != 0)
        return {};
    make_room_for_burst(fd.get());
    return fd;
}

FrameSent send_frame(int socket, std::span<const std::byte> frame) {
    for (;;) {
        if (send(socket, frame.data(), frame.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
            return FrameSent::sent;
        if (errno == EINTR) continue;
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? FrameSent::full
                                                                           : FrameSent::gone;
    }
}

FrameReader::FrameReader(std::size_t longest) : longest_(longest), storage_(longest * batch) {}

std::span<const std::byte> FrameReader::front(int socket) {
    // A message of no bytes says that the other side is gone.
    for (;; next_++) {
        if (next_ == count_ && !over_) fill(socket);
        if (next_ == count_) return {};
        if (sizes_[next_] == 0)
            over_ = true;
        else if (sizes_[next_] <= longest_)
            return std::span(storage_).subspan(next_ * longest_, sizes_[next_]);
    }
}

void FrameReader::fill(int socket) {
    std::array<iovec, batch> buffers;
    std::array<mmsghdr, batch> messages{};
    for (unsigned i = 0; i < batch; i++) {
        buffers[i] = {storage_.data() + i * longest_, longest_};
        messages[i].msg_hdr.msg_iov = &buffers[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    next_ = count_ = 0;
    const int received = recvmmsg(socket, messages.data(), batch, MSG_DONTWAIT | MSG_TRUNC, nullptr);
    if (received < 0) {
        over_ = errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR;
        return;
    }
    over_ = received == 0;
    count_ = static_cast<unsigned>(received);
    for (unsigned i = 0; i < count_; i++) sizes_[i] = messages[i].msg_len;  // with MSG_TRUNC the whole length
}

}  // namespace softmetal::host
