#include "network/cable.hpp"

#include "bus/backends/network_link.hpp"

#include <chrono>

namespace softmetal::network {

namespace {

/// What waits for a guest that does not look; then frames are lost, and TCP slows down.
constexpr std::size_t most_waiting = 4096;

u64 nanoseconds_since_1970() {
    using namespace std::chrono;
    return static_cast<u64>(duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count());
}

}  // namespace

Cable::Cable(host::UniqueFd socket, host::UniqueFd capture)
    : socket_(std::move(socket)), reader_(bus::long_frame_max) {
    if (capture.valid())
        capture_ = std::make_unique<CaptureFile>(std::move(capture), u32{bus::long_frame_max});
}

void Cable::send(std::span<const std::byte> frame) {
    capture(frame);
    if (waiting_.empty() && host::send_frame(fd(), frame) != host::FrameSent::full) return;
    if (waiting_.size() < most_waiting) waiting_.emplace_back(frame.begin(), frame.end());
}

void Cable::send_waiting() {
    while (!waiting_.empty() && host::send_frame(fd(), waiting_.front()) != host::FrameSent::full)
        waiting_.pop_front();
}

std::span<const std::byte> Cable::front() {
    for (;; reader_.pop()) {
        const auto frame = reader_.front(fd());
        if (frame.empty()) return {};
        if (frame.size() < bus::ethernet_header_bytes) continue;
        capture(frame);
        return frame;
    }
}

void Cable::flush_capture() {
    if (capture_) capture_->flush();
}

void Cable::capture(std::span<const std::byte> frame) {
    if (capture_) capture_->add(nanoseconds_since_1970(), frame);
}

}  // namespace softmetal::network
