#include "devices/virtio/segments.hpp"

#include <algorithm>

namespace softmetal::devices::virtio {

namespace {

/// Calls `visit(address, count)` for the parts of the segments that make up `length` bytes from `offset` on,
/// until it says no.
template <class Visit>
bool for_each_part(std::span<const Segment> segments, u64 offset, u64 length, Visit visit) {
    for (const Segment& s : segments) {
        if (length == 0) break;
        if (offset >= s.length) {
            offset -= s.length;
            continue;
        }
        const u64 count = std::min(s.length - offset, length);
        if (!visit(s.address + offset, count)) return false;
        length -= count;
        offset = 0;
    }
    return length == 0;
}

/// The next `count` of `bytes`, which become so many fewer.
template <class Byte>
std::span<Byte> take(std::span<Byte>& bytes, u64 count) {
    const std::span<Byte> front = bytes.first(count);
    bytes = bytes.subspan(count);
    return front;
}

}  // namespace

u64 total_length(std::span<const Segment> segments) {
    u64 total = 0;
    for (const Segment& s : segments) total += s.length;
    return total;
}

bool gather(const bus::DmaView& dma, std::span<const Segment> segments, u64 offset,
            std::span<std::byte> bytes) {
    return for_each_part(segments, offset, bytes.size(),
                         [&](GuestPhysical a, u64 count) { return dma.read(a, take(bytes, count)); });
}

bool scatter(bus::DmaView& dma, std::span<const Segment> segments, u64 offset,
             std::span<const std::byte> bytes) {
    return for_each_part(segments, offset, bytes.size(),
                         [&](GuestPhysical a, u64 count) { return dma.write(a, take(bytes, count)); });
}

bool locate(const bus::DmaView& dma, std::span<const Segment> segments, u64 offset, u64 length, bool to_write,
            std::vector<std::span<std::byte>>& places) {
    return for_each_part(segments, offset, length,
                         [&](GuestPhysical a, u64 count) { return dma.locate(a, count, to_write, places); });
}

void changing(bus::DmaView& dma, std::span<const Segment> segments, u64 offset, u64 length) {
    for_each_part(segments, offset, length, [&](GuestPhysical a, u64 count) {
        dma.changing(a, count);
        return true;
    });
}

}  // namespace softmetal::devices::virtio
