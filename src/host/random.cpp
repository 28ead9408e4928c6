#include "host/random.hpp"

#include <cerrno>
#include <cstdlib>
#include <sys/random.h>

namespace softmetal::host {

void fill_random(std::span<std::byte> into) {
    while (!into.empty()) {
        const ssize_t count = getrandom(into.data(), into.size(), 0);
        if (count < 0 && errno != EINTR) std::abort();  // no Linux since 3.17 does this
        if (count > 0) into = into.subspan(static_cast<std::size_t>(count));
    }
}

}  // namespace softmetal::host
