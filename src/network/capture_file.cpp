#include "network/capture_file.hpp"

#include "host/byte_socket.hpp"

#include <algorithm>
#include <bit>

namespace softmetal::network {

namespace {

constexpr u32 magic_nanoseconds = 0xa1b2'3c4d;
constexpr u32 version_2_4 = 4u << 16 | 2;
constexpr u32 link_type_ethernet = 1;
constexpr std::size_t buffered = 64 * 1024;

}  // namespace

CaptureFile::CaptureFile(host::UniqueFd file, u32 bytes_max) : file_(std::move(file)), bytes_max_(bytes_max) {
    put(magic_nanoseconds);
    put(version_2_4);
    put(0);
    put(0);
    put(bytes_max_);
    put(link_type_ethernet);
    flush();
}

CaptureFile::~CaptureFile() { flush(); }

void CaptureFile::add(u64 time, std::span<const std::byte> frame) {
    constexpr u64 second = 1'000'000'000;
    const u32 kept = std::min(static_cast<u32>(frame.size()), bytes_max_);
    put(static_cast<u32>(time / second));
    put(static_cast<u32>(time % second));
    put(kept);
    put(static_cast<u32>(frame.size()));
    buffer_.insert(buffer_.end(), frame.begin(), frame.begin() + kept);
    if (buffer_.size() >= buffered) flush();
}

void CaptureFile::flush() {
    std::span<const std::byte> left(buffer_);
    while (!left.empty()) {
        const auto written =
            host::write_ready(file_.get(), {reinterpret_cast<const u8*>(left.data()), left.size()});
        if (written.status != host::TransferStatus::moved) break;
        left = left.subspan(written.count);
    }
    buffer_.clear();
}

void CaptureFile::put(u32 value) {
    const auto bytes = std::bit_cast<std::array<std::byte, 4>>(value);
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

}  // namespace softmetal::network
