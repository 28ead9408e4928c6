#include "host/monotonic_time.hpp"

#include <ctime>

namespace softmetal::host {

u64 monotonic_nanoseconds() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<u64>(time.tv_sec) * 1'000'000'000 + static_cast<u64>(time.tv_nsec);
}

}  // namespace softmetal::host
