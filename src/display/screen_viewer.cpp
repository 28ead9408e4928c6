#include "display/screen_viewer.hpp"

#include "host/byte_socket.hpp"

#include <array>

namespace softmetal::display {
namespace {

constexpr std::size_t most_unsent = 256 * 1024;
constexpr std::size_t most_changes = 4096;  // of frames that nobody took; a machine gone wrong may send more

}  // namespace

Result<std::pair<ScreenViewer, host::UniqueFd>> ScreenViewer::create() {
    auto surface = host::SharedMemory::create("surface", surface_bytes);
    if (!surface) return std::unexpected(surface.error());
    if (auto sealed = surface->keep_size(); !sealed) return std::unexpected(sealed.error());
    auto pair = host::create_byte_socket_pair();
    if (!pair) return std::unexpected(pair.error());
    return std::pair(ScreenViewer(std::move(pair->first), std::move(*surface)), std::move(pair->second));
}

bool ScreenViewer::send(const Record& record) {
    if (outgoing_.size() > most_unsent) return false;
    const auto bytes = encode(record);
    outgoing_.insert(outgoing_.end(), bytes.begin(), bytes.end());
    return flush();
}

bool ScreenViewer::flush() {
    while (!outgoing_.empty()) {
        const host::Transfer sent = host::send_now(socket_.get(), outgoing_);
        if (sent.status == host::TransferStatus::again) return true;
        if (sent.status != host::TransferStatus::moved) return false;
        outgoing_.erase(outgoing_.begin(), outgoing_.begin() + static_cast<std::ptrdiff_t>(sent.count));
    }
    return true;
}

ScreenViewer::Received ScreenViewer::receive() {
    Received result = Received::nothing;
    std::array<u8, 4096> buffer;
    for (;;) {
        const host::Transfer got = host::receive_now(socket_.get(), buffer);
        if (got.status == host::TransferStatus::again) return result;
        if (got.status != host::TransferStatus::moved)
            return result == Received::frame ? result : Received::gone;
        std::vector<Record> records;
        if (!reader_.read(std::span(buffer).first(got.count), records)) return Received::gone;
        for (const Record& r : records) {
            if (r.kind == Record::Kind::changed && changes_.size() < most_changes)
                changes_.push_back({r.x, r.y, r.width, r.height});
            if (r.kind != Record::Kind::frame_done) continue;
            width_ = r.width;
            height_ = r.height;
            result = Received::frame;
        }
    }
}

std::span<const u32> ScreenViewer::pixels() const {
    return {reinterpret_cast<const u32*>(surface_.data()), std::size_t{width_} * height_};
}

}  // namespace softmetal::display
