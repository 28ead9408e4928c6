// A connected pair of byte streams, and reading and writing descriptors without ever waiting.
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"
#include "host/unique_fd.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <utility>

namespace softmetal::host {

/// `again`: nothing can be moved now. `ended`: nothing ever will be, because the other side closed.
enum class TransferStatus { moved, again, ended, failed };

struct Transfer {
    TransferStatus status = TransferStatus::failed;
    std::size_t count = 0;  // bytes, where moved
    int error = 0;          // errno, where failed
};

[[nodiscard]] bool is_socket(int fd);
[[nodiscard]] Result<std::pair<UniqueFd, UniqueFd>> create_byte_socket_pair();
/// Another descriptor of the same file; invalid where there are too many.
[[nodiscard]] UniqueFd duplicate(int fd);

/// On sockets only: they never wait, whatever the descriptor's flags say.
[[nodiscard]] Transfer send_now(int socket, std::span<const u8> bytes);
[[nodiscard]] Transfer receive_now(int socket, std::span<u8> into);

/// On descriptors shared with other programs, such as a terminal, whose flags are not ours to change: call
/// only when the descriptor was reported ready. Moves at most a page, which a ready pipe takes whole.
[[nodiscard]] Transfer write_ready(int fd, std::span<const u8> bytes);
[[nodiscard]] Transfer read_ready(int fd, std::span<u8> into);

/// "Broken pipe" for EPIPE, and so on.
[[nodiscard]] std::string error_text(int error);

}  // namespace softmetal::host
