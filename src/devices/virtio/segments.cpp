#include "devices/virtio/segments.hpp"

#include <algorithm>

namespace softmetal::devices::virtio {

namespace {

template <class Bytes, class Copy>
bool for_each_piece(std::span<const Segment> segments, u64 offset, Bytes bytes, Copy copy) {
    for (const Segment& s : segments) {
        if (bytes.empty()) break;
        if (offset >= s.length) {
            offset -= s.length;
            continue;
        }
        const std::size_t count = std::min<u64>(s.length - offset, bytes.size());
        if (!copy(s.address + offset, bytes.first(count))) return false;
        bytes = bytes.subspan(count);
        offset = 0;
    }
    return bytes.empty();
}

}  // namespace

u64 total_length(std::span<const Segment> segments) {
    u64 total = 0;
    for (const Segment& s : segments) total += s.length;
    return total;
}

bool gather(const bus::DmaView& dma, std::span<const Segment> segments, u64 offset,
            std::span<std::byte> bytes) {
    return for_each_piece(segments, offset, bytes, [&](GuestPhysical a, auto b) { return dma.read(a, b); });
}

bool scatter(bus::DmaView& dma, std::span<const Segment> segments, u64 offset,
             std::span<const std::byte> bytes) {
    return for_each_piece(segments, offset, bytes, [&](GuestPhysical a, auto b) { return dma.write(a, b); });
}

}  // namespace softmetal::devices::virtio
