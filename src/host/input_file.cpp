#include "host/input_file.hpp"

#include "host/file_io.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

namespace softmetal::host {

Result<UniqueFd> open_input_file(const std::string& what, const std::string& path, FileAccess access) {
    if (path.empty()) return fail(fmt::format("the {} file's name is empty", what));
    // O_NONBLOCK: a named pipe must be refused, not waited for.
    const int mode = access == FileAccess::read ? O_RDONLY : O_RDWR;
    UniqueFd fd(open(path.c_str(), mode | O_CLOEXEC | O_NONBLOCK));
    struct stat status {};
    if (!fd.valid() && errno == EISDIR) return fail(fmt::format("{} '{}' is a directory", what, path));
    if (!fd.valid() || fstat(fd.get(), &status) != 0)
        return fail(fmt::format("cannot open {} '{}': {}", what, path, std::strerror(errno)));
    if (S_ISDIR(status.st_mode)) return fail(fmt::format("{} '{}' is a directory", what, path));
    if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
        return fail(fmt::format("{} '{}' is neither a file nor a block device", what, path));
    return fd;
}

Result<UniqueFd> create_output_file(const std::string& what, const std::string& path) {
    UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666));
    struct stat status {};
    if (!fd.valid() || fstat(fd.get(), &status) != 0)
        return fail(fmt::format("cannot create {} '{}': {}", what, path, std::strerror(errno)));
    if (!S_ISREG(status.st_mode)) return fail(fmt::format("{} '{}' is not a regular file", what, path));
    return fd;
}

Result<> lock_file(int fd, bool exclusive, const std::string& what, const std::string& path) {
    if (flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0) return {};
    if (errno == EWOULDBLOCK)
        return fail(fmt::format("{} '{}' is in use by another virtual machine", what, path));
    return {};  // some network file systems have no locks: as safe as without asking
}

Result<std::vector<std::byte>> read_whole_file(int fd, u64 maximum, const std::string& what) {
    const auto info = file_info(fd);  // not fstat alone: a block device has no st_size
    if (!info) return fail(fmt::format("cannot read the {}: {}", what, info.error().message));
    const u64 size = info->size;
    if (size > maximum)
        return fail(fmt::format("the {} of {} bytes does not fit into the guest's {} bytes of memory", what,
                                size, maximum));
    std::vector<std::byte> contents(size);
    u64 done = 0;
    while (done < size) {
        const ssize_t count = pread(fd, contents.data() + done, size - done, static_cast<off_t>(done));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail(fmt::format("cannot read the {}: {}", what, std::strerror(errno)));
        if (count == 0) return fail(fmt::format("the {} became shorter while it was read", what));
        done += static_cast<u64>(count);
    }
    return contents;
}

u64 host_memory_bytes() {
    struct sysinfo info {};
    if (sysinfo(&info) != 0) return ~u64{0};
    return (static_cast<u64>(info.totalram) + info.totalswap) * info.mem_unit;
}

}  // namespace softmetal::host
