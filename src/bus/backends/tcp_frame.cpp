#include "bus/backends/tcp_frame.hpp"

#include <bit>
#include <cstring>

namespace softmetal::bus {

namespace {

constexpr u16 type_ipv4 = 0x0800, type_ipv6 = 0x86dd;
constexpr std::size_t ethernet_type = 12, ipv4_header_least = 20, ipv6_header = 40, tcp_header_least = 20;
constexpr std::byte tcp_protocol{6};

u16 folded(u64 sum) {
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<u16>(sum);
}

}  // namespace

/// Summed as the host has its words: the sum only turns round with them (RFC 1071, ch. 2B).
u16 internet_sum(std::span<const std::byte> bytes, u16 begin) {
    u64 sum = std::byteswap(begin);
    const std::byte* p = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= 4; left -= 4, p += 4) {
        u32 word;
        std::memcpy(&word, p, 4);
        sum += word;
    }
    u32 last = 0;
    std::memcpy(&last, p, left);
    return std::byteswap(folded(sum + last));
}

std::optional<TcpFrame> TcpFrame::parse(std::span<const std::byte> frame) {
    if (frame.size() < ip + ipv4_header_least + tcp_header_least) return {};
    TcpFrame f;
    const u16 type = load_be16(frame, ethernet_type);
    if (type == type_ipv4) {
        const auto first = static_cast<unsigned>(frame[ip]);
        const std::size_t header = 4 * (first & 15);
        constexpr u16 fragment = 0x3fff;  // more of them, or an offset
        if (first >> 4 != 4 || header < ipv4_header_least || frame[ip + 9] != tcp_protocol ||
            load_be16(frame, ip + 6) & fragment)
            return {};
        f.tcp = ip + header;
        f.end = ip + load_be16(frame, ip + 2);
    } else if (type == type_ipv6) {
        if (frame.size() < ip + ipv6_header + tcp_header_least ||
            static_cast<unsigned>(frame[ip]) >> 4 != 6 || frame[ip + 6] != tcp_protocol)
            return {};
        f.ipv6 = true;
        f.tcp = ip + ipv6_header;
        f.end = f.tcp + load_be16(frame, ip + 4);
    } else {
        return {};
    }
    if (f.end > frame.size() || f.tcp + tcp_header_least > f.end) return {};
    const std::size_t header = 4 * (static_cast<std::size_t>(frame[f.tcp + 12]) >> 4);
    f.payload = f.tcp + header;
    if (header < tcp_header_least || f.payload > f.end) return {};
    return f;
}

u16 TcpFrame::pseudo_header_sum(std::span<const std::byte> frame, std::size_t length) const {
    const auto addresses = ipv6 ? frame.subspan(ip + 8, 32) : frame.subspan(ip + 12, 8);
    return folded(u64{internet_sum(addresses)} + static_cast<u64>(tcp_protocol) + length);
}

void TcpFrame::update_checksums(std::span<std::byte> frame) const {
    store_be16(frame, tcp + checksum, 0);
    const std::size_t length = end - tcp;
    const u16 sum = internet_sum(frame.subspan(tcp, length), pseudo_header_sum(frame, length));
    store_be16(frame, tcp + checksum, static_cast<u16>(~sum));
    if (ipv6) return;
    constexpr std::size_t header_checksum = 10;
    store_be16(frame, ip + header_checksum, 0);
    store_be16(frame, ip + header_checksum, static_cast<u16>(~internet_sum(frame.subspan(ip, tcp - ip))));
}

}  // namespace softmetal::bus
