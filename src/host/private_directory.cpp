#include "host/private_directory.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace softmetal::host {

Result<std::string> private_directory() {
    const char* const runtime = std::getenv("XDG_RUNTIME_DIR");
    const bool has_runtime = runtime && *runtime;
    std::string path =
        has_runtime ? fmt::format("{}/softmetal", runtime) : fmt::format("/tmp/softmetal-{}", geteuid());
    constexpr mode_t owner_only = 0700, others = 0077;
    if (mkdir(path.c_str(), owner_only) != 0 && errno != EEXIST)
        return fail(fmt::format("cannot make '{}': {}", path, std::strerror(errno)));
    struct stat status {};
    if (lstat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != geteuid())
        return fail(fmt::format("'{}' is not a directory of this user's", path));
    // Within the user's own runtime directory nobody else gets this far.
    if (!has_runtime && (status.st_mode & others) != 0)
        return fail(fmt::format("others can enter '{}': its mode must be 700", path));
    return path;
}

}  // namespace softmetal::host
