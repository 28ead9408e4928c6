// The far end of a network card's cable.
//
// Frames are Ethernet frames without preamble and check sequence. A link may lose frames, as cables do; it
// neither repeats nor reorders them.
#pragma once

#include "base/integers.hpp"

#include <array>
#include <cstddef>
#include <span>

namespace softmetal::bus {

using MacAddress = std::array<u8, 6>;

/// Destination, source and type of a frame.
inline constexpr std::size_t ethernet_header_bytes = 14;
/// What a link carries at least: 1500 bytes of payload, with a VLAN tag.
inline constexpr std::size_t ethernet_frame_max = 1518;

/// What a link carries besides: TCP segments in an IPv4 or IPv6 packet of any length, with whole checksums,
/// which stand for several of the usual length.
inline constexpr std::size_t long_frame_max = ethernet_header_bytes + 40 + 65535;

/// What a link calls, on the event loop's thread, with no lock of its own held.
class NetworkCard {
 public:
    virtual ~NetworkCard() = default;
    /// False where the card has no room: the link keeps the frame, and offers it again once it is told that
    /// there is room.
    [[nodiscard]] virtual bool receive(std::span<const std::byte> frame) = 0;
    /// Whether it may get long frames now. Any thread.
    [[nodiscard]] virtual bool takes_long_frames() const { return false; }
    /// The link takes frames again that it refused.
    virtual void may_send() = 0;
};

class NetworkLink {
 public:
    virtual ~NetworkLink() = default;
    /// Once, while the machine is built. The link's thread has ended before the card is destroyed.
    virtual void connect(NetworkCard& card) = 0;
    /// From the card. False where the link is full: it calls may_send() later. Any thread.
    [[nodiscard]] virtual bool send(std::span<const std::byte> frame) = 0;
    /// The card has room again for frames that it refused. Any thread.
    virtual void room() = 0;
    /// May_send() is called soon. Any thread.
    virtual void call_back() = 0;
};

}  // namespace softmetal::bus
