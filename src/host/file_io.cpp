#include "host/file_io.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace softmetal::host {

namespace {

std::unexpected<OsError> os_error(int code) { return std::unexpected(OsError{code}); }

std::expected<bool, OsError> allocate(int fd, int mode, u64 offset, u64 length) {
    int rc;
    do rc = fallocate(fd, mode, static_cast<off_t>(offset), static_cast<off_t>(length));
    while (rc != 0 && errno == EINTR);
    if (rc == 0) return true;
    if (errno == EOPNOTSUPP || errno == ENOSYS || errno == ENODEV) return false;
    return os_error(errno);
}

/// `transfer` moves some of the bytes at the front of `vectors` and says how many, or -1 and errno.
template <class Transfer>
OsResult move_places(const Places& places, Transfer transfer) {
    constexpr std::size_t most = 1024;  // IOV_MAX
    std::vector<iovec> vectors;
    vectors.reserve(places.size());
    for (const auto& place : places)
        if (!place.empty()) vectors.push_back({place.data(), place.size()});
    for (std::span<iovec> left(vectors); !left.empty();) {
        const ssize_t n = transfer(left.first(std::min(left.size(), most)));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return os_error(n < 0 ? errno : EIO);
        auto moved = static_cast<std::size_t>(n);
        while (!left.empty() && moved >= left.front().iov_len) {
            moved -= left.front().iov_len;
            left = left.subspan(1);
        }
        if (moved == 0) continue;
        left.front().iov_base = static_cast<std::byte*>(left.front().iov_base) + moved;
        left.front().iov_len -= moved;
    }
    return {};
}

}  // namespace

bool OsError::no_space() const { return code == ENOSPC || code == EDQUOT; }

OsResult read_at(int fd, u64 offset, std::span<std::byte> into) {
    while (!into.empty()) {
        const ssize_t n = pread(fd, into.data(), into.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return os_error(n < 0 ? errno : EIO);
        into = into.subspan(static_cast<std::size_t>(n));
        offset += static_cast<u64>(n);
    }
    return {};
}

OsResult write_at(int fd, u64 offset, std::span<const std::byte> from) {
    while (!from.empty()) {
        const ssize_t n = pwrite(fd, from.data(), from.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return os_error(n < 0 ? errno : EIO);
        from = from.subspan(static_cast<std::size_t>(n));
        offset += static_cast<u64>(n);
    }
    return {};
}

OsResult write_on(int fd, std::span<const std::byte> from) {
    while (!from.empty()) {
        const ssize_t n = write(fd, from.data(), from.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return os_error(n < 0 ? errno : EIO);
        from = from.subspan(static_cast<std::size_t>(n));
    }
    return {};
}

OsResult read_places_at(int fd, u64 offset, const Places& into) {
    return move_places(into, [&](std::span<const iovec> vectors) {
        const ssize_t n =
            preadv(fd, vectors.data(), static_cast<int>(vectors.size()), static_cast<off_t>(offset));
        offset += static_cast<u64>(std::max<ssize_t>(n, 0));
        return n;
    });
}

OsResult write_places_at(int fd, u64 offset, const Places& from) {
    return move_places(from, [&](std::span<const iovec> vectors) {
        const ssize_t n =
            pwritev(fd, vectors.data(), static_cast<int>(vectors.size()), static_cast<off_t>(offset));
        offset += static_cast<u64>(std::max<ssize_t>(n, 0));
        return n;
    });
}

OsResult sync_data(int fd) {
    int rc;
    do rc = fdatasync(fd);
    while (rc != 0 && errno == EINTR);
    if (rc != 0) return os_error(errno);
    return {};
}

std::expected<bool, OsError> punch_hole(int fd, u64 offset, u64 length) {
    return allocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

std::expected<bool, OsError> zero_range(int fd, u64 offset, u64 length) {
    return allocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, offset, length);
}

Result<FileInfo> file_info(int fd) {
    struct stat st {};
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &st) != 0)
        return fail(fmt::format("cannot examine the file: {}", std::strerror(errno)));
    FileInfo info{.size = static_cast<u64>(st.st_size), .writable = (flags & O_ACCMODE) == O_RDWR};
    if (S_ISBLK(st.st_mode)) {
        if (ioctl(fd, BLKGETSIZE64, &info.size) != 0)
            return fail(fmt::format("cannot tell the block device's size: {}", std::strerror(errno)));
    } else if (!S_ISREG(st.st_mode)) {
        return fail("it is neither a regular file nor a block device");
    }
    return info;
}

}  // namespace softmetal::host
