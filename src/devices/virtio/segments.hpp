// Pieces of guest memory that together are one buffer.
#pragma once

#include "bus/dma.hpp"

#include <span>
#include <vector>

namespace softmetal::devices::virtio {

struct Segment {
    GuestPhysical address;
    u32 length = 0;
};

[[nodiscard]] u64 total_length(std::span<const Segment> segments);

/// Copies between `bytes` and the segments' bytes from `offset` on. False where the segments are too short or
/// some of that memory is not RAM; part of it may have been copied then.
[[nodiscard]] bool gather(const bus::DmaView& dma, std::span<const Segment> segments, u64 offset,
                          std::span<std::byte> bytes);
[[nodiscard]] bool scatter(bus::DmaView& dma, std::span<const Segment> segments, u64 offset,
                           std::span<const std::byte> bytes);

/// Where `length` of the segments' bytes from `offset` on lie in the host (bus::DmaView::locate).
[[nodiscard]] bool locate(const bus::DmaView& dma, std::span<const Segment> segments, u64 offset, u64 length,
                          bool to_write, std::vector<std::span<std::byte>>& places);
/// Says that those bytes are about to change, or just have.
void changing(bus::DmaView& dma, std::span<const Segment> segments, u64 offset, u64 length);

}  // namespace softmetal::devices::virtio
