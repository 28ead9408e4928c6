#include "network/segmentation.hpp"

#include "bus/backends/tcp_frame.hpp"

#include <gtest/gtest.h>

namespace softmetal::network {
namespace {

using bus::load_be16;
using bus::load_be32;
using bus::store_be16;
using bus::store_be32;
using bus::TcpFrame;
using Frame = std::vector<std::byte>;

constexpr std::size_t ip = 14;

Frame ipv4(std::size_t payload, u8 protocol) {
    Frame f(ip + 20 + payload);
    for (std::size_t i = 0; i < payload; i++) f[ip + 20 + i] = static_cast<std::byte>(i * 7 + i / 256);
    store_be16(f, 12, 0x0800);
    f[ip] = std::byte{0x45};
    store_be16(f, ip + 2, static_cast<u16>(20 + payload));
    store_be16(f, ip + 4, 0xfffe);
    f[ip + 8] = std::byte{64};
    f[ip + 9] = std::byte{protocol};
    store_be32(f, ip + 12, 0x0a000202);
    store_be32(f, ip + 16, 0x0a00020f);
    return f;
}

Frame ipv6(std::size_t payload) {
    Frame f(ip + 40 + payload);
    for (std::size_t i = 0; i < payload; i++) f[ip + 40 + i] = static_cast<std::byte>(i * 7 + i / 256);
    store_be16(f, 12, 0x86dd);
    f[ip] = std::byte{0x60};
    store_be16(f, ip + 4, static_cast<u16>(payload));
    f[ip + 6] = std::byte{6};
    f[ip + 8] = f[ip + 24] = std::byte{0xfd};
    return f;
}

/// Makes a TCP header of 24 bytes with an MSS option, and the checksums.
Frame tcp(Frame f, u8 flags, u16 mss = 1460) {
    const std::size_t at = f[12] == std::byte{8} ? ip + 20 : ip + 40;
    store_be32(f, at + 4, 0xffff'ff00);
    f[at + 12] = std::byte{0x60};
    f[at + 13] = std::byte{flags};
    f[at + 20] = std::byte{2};
    f[at + 21] = std::byte{4};
    store_be16(f, at + 22, mss);
    const auto parsed = TcpFrame::parse(f);
    EXPECT_TRUE(parsed.has_value());
    if (parsed) parsed->update_checksums(f);
    return f;
}

/// Over a packet with a right checksum the sum is all ones (RFC 1071).
void expect_right_checksums(const Frame& f) {
    const auto t = TcpFrame::parse(f);
    ASSERT_TRUE(t.has_value());
    const std::size_t length = t->end - t->tcp;
    EXPECT_EQ(bus::internet_sum(std::span(f).subspan(t->tcp, length), t->pseudo_header_sum(f, length)),
              0xffff);
    if (!t->ipv6) {
        EXPECT_EQ(bus::internet_sum(std::span(f).subspan(ip, t->tcp - ip)), 0xffff);
    }
}

std::vector<Frame> cut(const Frame& f) {
    std::vector<Frame> pieces;
    cut_frame(f, [&](auto piece) { pieces.emplace_back(piece.begin(), piece.end()); });
    return pieces;
}

TEST(InternetSum, OfTheExampleInRfc1071) {
    const std::array bytes = {std::byte{0x00}, std::byte{0x01}, std::byte{0xf2}, std::byte{0x03},
                              std::byte{0xf4}, std::byte{0xf5}, std::byte{0xf6}, std::byte{0xf7}};
    EXPECT_EQ(bus::internet_sum(bytes), 0xddf2);
    EXPECT_EQ(bus::internet_sum(std::span(bytes).first(3)), 0xf201);
    EXPECT_EQ(bus::internet_sum(std::span(bytes).subspan(4), bus::internet_sum(std::span(bytes).first(4))),
              0xddf2);
}

TEST(CutFrame, TcpBecomesSegments) {
    for (const bool v6 : {false, true}) {
        constexpr u8 fin_push_ack_cwr = 0x99;
        const Frame whole = tcp(v6 ? ipv6(24 + 10'000) : ipv4(24 + 10'000, 6), fin_push_ack_cwr);
        const auto pieces = cut(whole);
        const std::size_t headers = ip + (v6 ? 40u : 20u) + 24, at = headers - 24;
        ASSERT_EQ(pieces.size(), 7u);
        Frame data;
        for (std::size_t i = 0; i < pieces.size(); i++) {
            const Frame& p = pieces[i];
            EXPECT_LE(p.size(), ip + 1500);
            expect_right_checksums(p);
            EXPECT_EQ(load_be32(p, at + 4), static_cast<u32>(0xffff'ff00 + data.size()));  // wraps
            EXPECT_EQ(static_cast<u8>(p[at + 13]), i == 0 ? 0x90 : i == 6 ? 0x19 : 0x10);
            if (!v6) {
                EXPECT_EQ(load_be16(p, ip + 4), static_cast<u16>(0xfffe + i));
            }
            data.insert(data.end(), p.begin() + static_cast<std::ptrdiff_t>(headers), p.end());
        }
        EXPECT_EQ(data, Frame(whole.begin() + static_cast<std::ptrdiff_t>(headers), whole.end()));
    }
}

TEST(CutFrame, DatagramsBecomeFragments) {
    const Frame whole = ipv4(4000, 17);
    const auto pieces = cut(whole);
    ASSERT_EQ(pieces.size(), 3u);
    std::size_t at = 0;
    for (const Frame& p : pieces) {
        EXPECT_EQ(bus::internet_sum(std::span(p).subspan(ip, 20)), 0xffff);
        const u16 fragment = load_be16(p, ip + 6);
        EXPECT_EQ((fragment & 0x1fff) * 8u, at);
        at += p.size() - ip - 20;
        EXPECT_EQ(fragment >> 13, at == 4000 ? 0 : 1);
        EXPECT_EQ(load_be16(p, ip + 2), p.size() - ip);
    }
    EXPECT_EQ(at, 4000u);
}

TEST(CutFrame, WhatCannotBeCutIsLost) {
    Frame no_fragments = ipv4(4000, 17);
    store_be16(no_fragments, ip + 6, 0x4000);
    EXPECT_TRUE(cut(no_fragments).empty());
    EXPECT_TRUE(cut(Frame(3000)).empty());
    EXPECT_TRUE(cut({}).empty());
    Frame lies = ipv4(3000, 17);
    store_be16(lies, ip + 2, 5000);
    EXPECT_TRUE(cut(lies).empty());
}

TEST(LongestSegments, AreAskedForInSynOnly) {
    for (const bool v6 : {false, true}) {
        const Frame syn = tcp(v6 ? ipv6(24) : ipv4(24, 6), 2);
        const Frame changed = with_longest_segments(syn);
        ASSERT_EQ(changed.size(), syn.size());
        expect_right_checksums(changed);
        EXPECT_EQ(load_be16(changed, changed.size() - 2), 65000);
        EXPECT_TRUE(with_longest_segments(tcp(v6 ? ipv6(24) : ipv4(24, 6), 0x10)).empty());
    }
    Frame without = tcp(ipv4(24, 6), 2);
    without[ip + 40] = std::byte{0};  // no options
    EXPECT_TRUE(with_longest_segments(without).empty());
    without[ip + 40] = std::byte{99}, without[ip + 41] = std::byte{0};  // an option of no length
    EXPECT_TRUE(with_longest_segments(without).empty());
}

}  // namespace
}  // namespace softmetal::network
