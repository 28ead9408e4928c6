// Whole-range file operations on a descriptor: interrupted and short calls are gone on about here. Errors are
// errno values, for the caller to judge.
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"

#include <cstddef>
#include <expected>
#include <span>
#include <vector>

namespace softmetal::host {

/// An errno value.
struct OsError {
    int code = 0;
    [[nodiscard]] bool no_space() const;
};

using OsResult = std::expected<void, OsError>;

/// Fails with EIO where the file ends before `into` is full.
[[nodiscard]] OsResult read_at(int fd, u64 offset, std::span<std::byte> into);
[[nodiscard]] OsResult write_at(int fd, u64 offset, std::span<const std::byte> from);
/// At the descriptor's own position, which moves on.
[[nodiscard]] OsResult write_on(int fd, std::span<const std::byte> from);
/// The same for bytes in several places, in order.
using Places = std::vector<std::span<std::byte>>;
[[nodiscard]] OsResult read_places_at(int fd, u64 offset, const Places& into);
[[nodiscard]] OsResult write_places_at(int fd, u64 offset, const Places& from);
/// Data and what is needed to find it again are on stable storage.
[[nodiscard]] OsResult sync_data(int fd);
/// The range reads as zeroes afterwards and its storage may be given back. False where the file system
/// cannot.
[[nodiscard]] std::expected<bool, OsError> punch_hole(int fd, u64 offset, u64 length);
/// The range reads as zeroes afterwards, its storage stays. False where the file system cannot.
[[nodiscard]] std::expected<bool, OsError> zero_range(int fd, u64 offset, u64 length);

struct FileInfo {
    u64 size = 0;
    bool writable = false;  // how the descriptor was opened
};
/// Of a regular file or a block device; other files are refused.
[[nodiscard]] Result<FileInfo> file_info(int fd);

}  // namespace softmetal::host
