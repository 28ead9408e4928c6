// Frames that are longer than a cable carries, for cards that take no such frames: TCP segments and UDP
// datagrams are cut as the sender would have (RFC 9293, 791). And the wish for long ones.
#pragma once

#include "base/integers.hpp"

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace softmetal::network {

using FrameOutput = std::function<void(std::span<const std::byte>)>;

/// As TCP segments, or IPv4 fragments, with a payload of at most 1500 bytes each; what can be neither is
/// lost.
void cut_frame(std::span<const std::byte> frame, const FrameOutput& output);

/// Where the frame begins a connection (SYN), the same with the greatest segments allowed that IP has room
/// for; else empty. For a card that takes long frames, whatever its guest thinks.
[[nodiscard]] std::vector<std::byte> with_longest_segments(std::span<const std::byte> frame);

}  // namespace softmetal::network
