#include "network/segmentation.hpp"

#include "bus/backends/tcp_frame.hpp"

#include <algorithm>

namespace softmetal::network {

using bus::load_be16;
using bus::load_be32;
using bus::store_be16;
using bus::store_be32;
using bus::TcpFrame;

namespace {

constexpr std::size_t ip = TcpFrame::ip;
constexpr std::size_t ip_bytes_max = 1500;
constexpr std::byte flag_fin{1}, flag_syn{2}, flag_push{8}, flag_cwr{0x80};

/// From the beginning of the frame, the headers, and part of what comes behind them.
std::vector<std::byte> piece_of(std::span<const std::byte> frame, std::size_t headers, std::size_t at,
                                std::size_t count) {
    std::vector<std::byte> piece(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(headers));
    const auto part = frame.subspan(at, count);
    piece.insert(piece.end(), part.begin(), part.end());
    return piece;
}

void cut_tcp(std::span<const std::byte> frame, const TcpFrame& tcp, const FrameOutput& output) {
    const std::size_t most = ip_bytes_max - (tcp.payload - ip);
    for (std::size_t at = tcp.payload, number = 0; at < tcp.end; at += most, number++) {
        const std::size_t count = std::min(most, tcp.end - at);
        auto piece = piece_of(frame, tcp.payload, at, count);
        if (tcp.ipv6) {
            store_be16(piece, ip + 4, static_cast<u16>(piece.size() - tcp.tcp));
        } else {
            store_be16(piece, ip + 2, static_cast<u16>(piece.size() - ip));
            store_be16(piece, ip + 4, static_cast<u16>(load_be16(frame, ip + 4) + number));
        }
        store_be32(piece, tcp.tcp + 4, static_cast<u32>(load_be32(frame, tcp.tcp + 4) + (at - tcp.payload)));
        std::byte& flags = piece[tcp.tcp + TcpFrame::flags];
        if (at + count < tcp.end) flags &= ~(flag_fin | flag_push);
        if (number != 0) flags &= ~flag_cwr;
        TcpFrame of_piece = tcp;
        of_piece.end = piece.size();
        of_piece.update_checksums(piece);
        output(piece);
    }
}

void cut_ipv4(std::span<const std::byte> frame, const FrameOutput& output) {
    constexpr std::size_t shortest = ip + 20;
    constexpr u16 do_not = 0x4000, more = 0x2000, offset_mask = 0x1fff, unit = 8;
    if (frame.size() < shortest || load_be16(frame, 12) != 0x0800) return;
    const std::size_t header = 4 * (static_cast<std::size_t>(frame[ip]) & 15);
    const std::size_t end = ip + load_be16(frame, ip + 2);
    const u16 fragment = load_be16(frame, ip + 6);
    if (header < shortest - ip || end > frame.size() || ip + header > end || fragment & do_not) return;
    const std::size_t begin = ip + header, most = (ip_bytes_max - header) / unit * unit;
    for (std::size_t at = begin; at < end; at += most) {
        const std::size_t count = std::min(most, end - at);
        auto piece = piece_of(frame, begin, at, count);
        store_be16(piece, ip + 2, static_cast<u16>(header + count));
        const auto offset = static_cast<u16>((fragment & offset_mask) + (at - begin) / unit);
        const bool last = at + count == end && !(fragment & more);
        store_be16(piece, ip + 6, static_cast<u16>((offset & offset_mask) | (last ? 0 : more)));
        store_be16(piece, ip + 10, 0);
        store_be16(piece, ip + 10,
                   static_cast<u16>(~bus::internet_sum(std::span(piece).subspan(ip, header))));
        output(piece);
    }
}

}  // namespace

void cut_frame(std::span<const std::byte> frame, const FrameOutput& output) {
    if (const auto tcp = TcpFrame::parse(frame)) return cut_tcp(frame, *tcp, output);
    cut_ipv4(frame, output);
}

std::vector<std::byte> with_longest_segments(std::span<const std::byte> frame) {
    constexpr std::size_t longest_syn = 200;
    constexpr std::byte option_end{0}, option_nothing{1}, option_mss{2};
    constexpr u16 longest_segment = 65000;
    if (frame.size() > longest_syn) return {};
    const auto tcp = TcpFrame::parse(frame);
    if (!tcp || (frame[tcp->tcp + TcpFrame::flags] & flag_syn) == std::byte{0}) return {};
    for (std::size_t at = tcp->tcp + 20; at + 4 <= tcp->payload && frame[at] != option_end;) {
        if (frame[at] == option_nothing) {
            at++;
            continue;
        }
        if (frame[at] == option_mss) {
            std::vector<std::byte> changed(frame.begin(), frame.end());
            store_be16(changed, at + 2, longest_segment);
            tcp->update_checksums(changed);
            return changed;
        }
        at += std::max<std::size_t>(2, static_cast<std::size_t>(frame[at + 1]));
    }
    return {};
}

}  // namespace softmetal::network
