// The virtio network device's features, configuration and header (VIRTIO 1.2, ch. 5.1).
#pragma once

#include "base/integers.hpp"

#include <array>

namespace softmetal::devices::virtio_net {

inline constexpr u16 type = 1;

namespace feature {
inline constexpr u64 checksum = u64{1} << 0;        // the device completes checksums
inline constexpr u64 guest_checksum = u64{1} << 1;  // the driver takes incomplete ones
inline constexpr u64 guest_tso4 = u64{1} << 7;      // it takes long TCP frames
inline constexpr u64 guest_tso6 = u64{1} << 8;
inline constexpr u64 host_tso4 = u64{1} << 11;  // the device does
inline constexpr u64 host_tso6 = u64{1} << 12;
inline constexpr u64 merge_buffers = u64{1} << 15;  // a received frame may fill several buffers
inline constexpr u64 mac = u64{1} << 5;
inline constexpr u64 status = u64{1} << 16;
}  // namespace feature

inline constexpr unsigned receive_queue = 0, transmit_queue = 1;
inline constexpr u16 link_up = 1;  // in Configuration::status

struct Configuration {
    std::array<u8, 6> mac;
    u16 status;
};

inline constexpr u8 flag_needs_checksum = 1;
inline constexpr u8 gso_none = 0, gso_tcp4 = 1, gso_tcp6 = 4;

/// Before each frame (ch. 5.1.6).
struct Header {
    u8 flags = 0, gso_type = 0;
    u16 header_length = 0, gso_size = 0, checksum_start = 0, checksum_offset = 0, buffers = 0;
};
static_assert(sizeof(Header) == 12);

}  // namespace softmetal::devices::virtio_net
