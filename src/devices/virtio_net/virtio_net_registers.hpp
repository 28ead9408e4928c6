// The virtio network device's features, configuration and header (VIRTIO 1.2, ch. 5.1).
#pragma once

#include "base/integers.hpp"

#include <array>

namespace softmetal::devices::virtio_net {

inline constexpr u16 type = 1;

namespace feature {
inline constexpr u64 mac = u64{1} << 5;
inline constexpr u64 status = u64{1} << 16;
}  // namespace feature

inline constexpr unsigned receive_queue = 0, transmit_queue = 1;
inline constexpr u16 link_up = 1;  // in Configuration::status

struct Configuration {
    std::array<u8, 6> mac;
    u16 status;
};

/// Before each frame (ch. 5.1.6). Without offloads all is zero but the number of buffers of a received frame.
struct Header {
    u8 flags = 0, gso_type = 0;
    u16 header_length = 0, gso_size = 0, checksum_start = 0, checksum_offset = 0, buffers = 0;
};
static_assert(sizeof(Header) == 12);

}  // namespace softmetal::devices::virtio_net
