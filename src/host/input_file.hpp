// Files a user names on the command line: opened with one clear sentence where that fails, and read whole.
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"
#include "host/unique_fd.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace softmetal::host {

enum class FileAccess { read, read_write };

/// A regular file or block device; close-on-exec. `what` names its role: "kernel", "disk".
[[nodiscard]] Result<UniqueFd> open_input_file(const std::string& what, const std::string& path,
                                               FileAccess access);

/// A regular file for output, made or emptied; close-on-exec.
[[nodiscard]] Result<UniqueFd> create_output_file(const std::string& what, const std::string& path);

/// Keeps others who ask the same from opening it at the same time, until every copy of `fd` is closed:
/// `exclusive` tolerates nobody else, otherwise other readers are welcome.
[[nodiscard]] Result<> lock_file(int fd, bool exclusive, const std::string& what, const std::string& path);

/// The whole of a regular file or block device, which must fit into `maximum` bytes of guest memory, from its
/// beginning whatever the descriptor's position is.
[[nodiscard]] Result<std::vector<std::byte>> read_whole_file(int fd, u64 maximum, const std::string& what);

/// What this host could give at most: memory and swap.
[[nodiscard]] u64 host_memory_bytes();

}  // namespace softmetal::host
