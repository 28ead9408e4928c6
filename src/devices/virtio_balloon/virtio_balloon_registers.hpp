// The virtio balloon's features, queues and configuration (VIRTIO 1.2, ch. 5.5).
#pragma once

#include "base/integers.hpp"

namespace softmetal::devices::virtio_balloon {

inline constexpr u16 type = 5;
inline constexpr u64 page_bytes = 4096;  // whatever the guest's pages are

namespace feature {
inline constexpr u64 deflate_on_oom = u64{1} << 2;
inline constexpr u64 reporting = u64{1} << 5;
}  // namespace feature

// Statistics and free page hints have queues 2 and 3, but are not offered here. The specification gives
// reporting queue 4 all the same; Linux counts only the queues that exist.
inline constexpr unsigned inflate_queue = 0, deflate_queue = 1, reporting_queue_of_linux = 2,
                          reporting_queue = 4;

struct Configuration {
    u32 target_pages = 0, actual_pages = 0;
};
inline constexpr u64 actual_pages_offset = 4;

}  // namespace softmetal::devices::virtio_balloon
