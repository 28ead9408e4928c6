// Guests put what they like into frames: long ones are cut into what a cable carries, without a byte of their
// data lost, and a switch sends nothing to where nobody is.
#include "bus/backends/network_link.hpp"
#include "bus/backends/tcp_frame.hpp"
#include "input.hpp"
#include "network/learning_switch.hpp"
#include "network/segmentation.hpp"

#include <set>

using namespace softmetal;
using namespace softmetal::network;

namespace {

using Frame = std::vector<std::byte>;
constexpr std::size_t longest_piece = bus::ethernet_header_bytes + 1500;

/// Headers by the input, then bytes that say where they were.
Frame take_frame(fuzz::Input& input) {
    const u8 what = input.take<u8>();
    constexpr std::size_t headers_most = 94;
    Frame frame(what & 1 ? input.below(bus::long_frame_max + 1) : input.below(128));
    for (std::size_t i = 0; i < frame.size(); i++) frame[i] = static_cast<std::byte>(i * 37 >> 3);
    std::ranges::copy(std::as_bytes(input.take_bytes(std::min(frame.size(), headers_most))), frame.begin());
    // Something like IP, of the right length.
    constexpr std::size_t ip = bus::TcpFrame::ip, ipv6_header = 40;
    if (what & 2 && frame.size() > 60) {
        const std::size_t length = frame.size() - ip;
        const bool ipv6 = what & 4;
        bus::store_be16(frame, 12, ipv6 ? 0x86dd : 0x0800);
        if (length <= 0xffff && !ipv6) bus::store_be16(frame, ip + 2, static_cast<u16>(length));
        if (ipv6) bus::store_be16(frame, ip + 4, static_cast<u16>(length - ipv6_header));
        if (what & 8) frame[ip] = ipv6 ? std::byte{0x60} : std::byte{0x45};
        if (what & 16) frame[ip + (ipv6 ? 6 : 9)] = std::byte{6};
    }
    return frame;
}

bool checksums_are_whole(const Frame& frame, const bus::TcpFrame& tcp) {
    Frame again = frame;
    tcp.update_checksums(again);
    return again == frame;
}

void check_cutting(const Frame& frame) {
    const auto whole = bus::TcpFrame::parse(frame);
    std::size_t seen = 0;
    cut_frame(frame, [&](std::span<const std::byte> bytes) {
        const Frame piece(bytes.begin(), bytes.end());
        if (piece.size() < bus::ethernet_header_bytes || piece.size() > longest_piece)
            fuzz::fail("an impossible frame");
        if (!whole) return;
        const auto tcp = bus::TcpFrame::parse(piece);
        if (!tcp || tcp->end != piece.size()) fuzz::fail("a piece of a segment is none");
        if (bus::load_be32(piece, tcp->tcp + 4) !=
            bus::load_be32(frame, whole->tcp + 4) + static_cast<u32>(seen))
            fuzz::fail("a piece has another's number");
        if (!checksums_are_whole(piece, *tcp)) fuzz::fail("a piece's checksums differ");
        const auto data = std::span(piece).subspan(tcp->payload);
        if (whole->payload + seen + data.size() > whole->end ||
            !std::ranges::equal(data, std::span(frame).subspan(whole->payload + seen, data.size())))
            fuzz::fail("a piece's data differ");
        seen += data.size();
    });
    if (whole && whole->payload + seen != whole->end) fuzz::fail("the pieces differ from the whole");
}

void check_wish(const Frame& frame) {
    const Frame wish = with_longest_segments(frame);
    if (wish.empty()) return;
    const auto tcp = bus::TcpFrame::parse(wish);
    if (!tcp || wish.size() != frame.size()) fuzz::fail("a wish for long segments is no segment");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Input input(data, size);
    LearningSwitch learning;
    std::set<LearningSwitch::Port> heard;
    for (unsigned step = 0; step < 50 && !input.empty(); step++) {
        const LearningSwitch::Port port = input.take<u8>();
        if (port & 0x80) {
            learning.forget(port & 15);
            heard.erase(port & 15);
            continue;
        }
        const Frame frame = take_frame(input);
        check_cutting(frame);
        check_wish(frame);
        heard.insert(port & 15);
        if (const auto to = learning.destination(port & 15, frame); to && !heard.contains(*to))
            fuzz::fail("a frame for a port where nobody is");
    }
    return 0;
}
