// Connected sockets that carry whole frames between processes: what is sent at once arrives at once, or not
// at all.
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"
#include "host/unique_fd.hpp"

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace softmetal::host {

[[nodiscard]] Result<std::pair<UniqueFd, UniqueFd>> create_frame_socket_pair();

/// The same between strangers, by a socket file. One that is there already is replaced.
[[nodiscard]] Result<UniqueFd> listen_for_frames(const std::string& path);
/// Invalid where nobody waits.
[[nodiscard]] UniqueFd accept_frames(int listener);
/// Invalid where nobody listens.
[[nodiscard]] UniqueFd connect_for_frames(const std::string& path);

/// `full`: not now, without waiting. `gone`: nobody will ever read it.
enum class FrameSent : u8 { sent, full, gone };
[[nodiscard]] FrameSent send_frame(int socket, std::span<const std::byte> frame);

/// Takes frames from a socket, many with one system call, and hands them out one by one.
class FrameReader {
 public:
    /// Longer frames arrive cut, and are thrown away.
    explicit FrameReader(std::size_t longest);

    /// The frame at the front, until pop(); none where none waits, or where the other side is gone: over().
    [[nodiscard]] std::span<const std::byte> front(int socket);
    void pop() { next_++; }
    [[nodiscard]] bool over() const { return over_; }

 private:
    static constexpr unsigned batch = 32;
    void fill(int socket);

    std::size_t longest_;
    std::vector<std::byte> storage_;
    std::array<std::size_t, batch> sizes_{};
    unsigned next_ = 0, count_ = 0;
    bool over_ = false;
};

}  // namespace softmetal::host
