// A TCP segment in an Ethernet frame: where its parts lie, and the Internet checksum (RFC 791, 8200, 9293,
// 1071).
#pragma once

#include "base/integers.hpp"

#include <cstddef>
#include <optional>
#include <span>

namespace softmetal::bus {

/// Big-endian, as the network's fields are.
[[nodiscard]] inline u16 load_be16(std::span<const std::byte> bytes, std::size_t at) {
    return static_cast<u16>(static_cast<unsigned>(bytes[at]) << 8 | static_cast<unsigned>(bytes[at + 1]));
}
[[nodiscard]] inline u32 load_be32(std::span<const std::byte> bytes, std::size_t at) {
    return u32{load_be16(bytes, at)} << 16 | load_be16(bytes, at + 2);
}
inline void store_be16(std::span<std::byte> bytes, std::size_t at, u16 value) {
    bytes[at] = static_cast<std::byte>(value >> 8);
    bytes[at + 1] = static_cast<std::byte>(value);
}
inline void store_be32(std::span<std::byte> bytes, std::size_t at, u32 value) {
    store_be16(bytes, at, static_cast<u16>(value >> 16));
    store_be16(bytes, at + 2, static_cast<u16>(value));
}

/// The one's complement sum, not inverted, of 16-bit words; `begin` is the sum of what comes before.
[[nodiscard]] u16 internet_sum(std::span<const std::byte> bytes, u16 begin = 0);

struct TcpFrame {
    static constexpr std::size_t ip = 14;        // offset of the IP header
    static constexpr std::size_t checksum = 16;  // of the field in the TCP header
    static constexpr std::size_t flags = 13;
    bool ipv6 = false;
    std::size_t tcp = 0;      // offset of the TCP header
    std::size_t payload = 0;  // of what comes behind it
    std::size_t end = 0;      // of the packet; the frame may be padded

    /// None where it is none, a fragment, or one with a VLAN tag or IPv6 extensions.
    [[nodiscard]] static std::optional<TcpFrame> parse(std::span<const std::byte> frame);
    /// The sum of the addresses, the protocol and a TCP length.
    [[nodiscard]] u16 pseudo_header_sum(std::span<const std::byte> frame, std::size_t length) const;
    /// Writes the checksum anew, and that of the IP header.
    void update_checksums(std::span<std::byte> frame) const;
};

}  // namespace softmetal::bus
