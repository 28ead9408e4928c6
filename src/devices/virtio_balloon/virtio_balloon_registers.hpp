// The virtio balloon's features, queues and configuration (VIRTIO 1.2, ch. 5.5).
#pragma once

#include "base/integers.hpp"

namespace softmetal::devices::virtio_balloon {

inline constexpr u16 type = 5;
inline constexpr u64 page_bytes = 4096;  // whatever the guest's pages are

namespace feature {
inline constexpr u64 statistics = u64{1} << 1;
inline constexpr u64 deflate_on_oom = u64{1} << 2;
inline constexpr u64 reporting = u64{1} << 5;
}  // namespace feature

// The specification numbers the queues whether they exist or not. Linux counts only those that exist, without
// that of free page hints, which are not offered here, and without that of statistics where it has not
// accepted these.
inline constexpr unsigned inflate_queue = 0, deflate_queue = 1, statistics_queue = 2, reporting_queue = 4;
inline constexpr unsigned linux_reporting_queue(u64 accepted_features) {
    return accepted_features & feature::statistics ? 3 : 2;
}

/// One of the driver's numbers (ch. 5.5.6.3): a tag of 16 bits and a value of 64, without padding.
inline constexpr u64 statistic_bytes = 10;
namespace statistic {
inline constexpr u16 free_memory = 4, total_memory = 5, available_memory = 6;  // in bytes
}  // namespace statistic

struct Configuration {
    u32 target_pages = 0, actual_pages = 0;
};
inline constexpr u64 actual_pages_offset = 4;

}  // namespace softmetal::devices::virtio_balloon
