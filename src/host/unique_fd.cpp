#include "host/unique_fd.hpp"

#include <unistd.h>

namespace softmetal::host {

UniqueFd::~UniqueFd() {
    if (fd_ >= 0) close(fd_);
}

}  // namespace softmetal::host
