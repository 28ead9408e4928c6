// The conversation between the trusted parent and the jailed VM process: whole messages, with descriptors.
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"
#include "host/unique_fd.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace softmetal::host {

struct ControlMessage {
    std::vector<u8> bytes;
    std::vector<UniqueFd> descriptors;  // close-on-exec
};

class ControlSocket {
 public:
    static constexpr std::size_t maximum_bytes = 64 * 1024;
    static constexpr std::size_t maximum_descriptors = 200;  // Linux takes 253 (SCM_MAX_FD)

    explicit ControlSocket(UniqueFd fd) : fd_(std::move(fd)) {}
    [[nodiscard]] static Result<std::pair<ControlSocket, ControlSocket>> create_pair();

    [[nodiscard]] Result<> send(std::span<const u8> bytes, std::span<const int> descriptors = {});
    /// Waits for a message; none where the other side is gone. A message that was cut is an error.
    [[nodiscard]] Result<std::optional<ControlMessage>> receive();

    /// Nobody has the other side any more; what it sent before can still be received.
    [[nodiscard]] bool is_abandoned() const;

    [[nodiscard]] int fd() const { return fd_.get(); }
    /// To hand this side to another process.
    [[nodiscard]] UniqueFd take_fd() { return std::move(fd_); }

 private:
    [[nodiscard]] Result<> send_bytes(std::span<const u8> bytes);

    UniqueFd fd_;
};

}  // namespace softmetal::host
