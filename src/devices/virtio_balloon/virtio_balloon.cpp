#include "devices/virtio_balloon/virtio_balloon.hpp"

#include "base/little_endian.hpp"
#include "devices/state_reader.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

namespace softmetal::devices {

using namespace virtio_balloon;

void VirtioBalloon::set_target(u64 bytes) {
    target_pages_ = static_cast<u32>(std::min<u64>(bytes / page_bytes, std::numeric_limits<u32>::max()));
    const std::lock_guard lock(transport_->mutex());
    transport_->configuration_changed();
}

u64 VirtioBalloon::features() const {
    return feature::statistics | feature::deflate_on_oom | feature::reporting;
}

VirtioBalloon::Statistics VirtioBalloon::statistics() const {
    const std::lock_guard lock(transport_->mutex());
    return statistics_;
}

void VirtioBalloon::on_statistics(std::function<void()> callback) {
    const std::lock_guard lock(transport_->mutex());
    statistics_arrived_ = std::move(callback);
}

/// The driver leaves a buffer in the queue, and fills it anew when it is given back (ch. 5.5.6.3).
bool VirtioBalloon::ask_for_statistics() {
    const std::lock_guard lock(transport_->mutex());
    if (!transport_->running() || !(transport_->accepted_features() & feature::statistics)) return false;
    statistics_awaited_ = true;
    if (const auto chain = transport_->pop(statistics_queue))
        transport_->complete(statistics_queue, chain->head, 0);
    return true;
}

/// The buffer stays in the queue until it is asked for.
void VirtioBalloon::read_statistics(virtio::Transport& transport) {
    const auto chain = transport.pop(statistics_queue);
    if (!chain) return;
    std::array<u8, 64 * statistic_bytes> bytes;
    const u64 count = std::min<u64>(virtio::total_length(chain->readable), bytes.size()) / statistic_bytes;
    const auto filled = std::span(bytes).first(count * statistic_bytes);
    if (!virtio::gather(transport.memory(), chain->readable, 0, std::as_writable_bytes(filled)))
        return transport.stop();
    statistics_ = {};
    for (auto rest = std::span<const u8>(filled); !rest.empty(); rest = rest.subspan(statistic_bytes)) {
        const u64 value = from_little_endian<u64>(rest.subspan<2, 8>());
        switch (from_little_endian<u16>(rest.first<2>())) {
            case statistic::free_memory: statistics_.free = value; break;
            case statistic::total_memory: statistics_.total = value; break;
            case statistic::available_memory: statistics_.available = value; break;
            default: break;
        }
    }
    transport.put_back(statistics_queue, 1);
    if (std::exchange(statistics_awaited_, false) && statistics_arrived_) statistics_arrived_();
}

void VirtioBalloon::reset() {
    actual_pages_ = 0;
    statistics_ = {};
    statistics_awaited_ = false;
}

std::vector<u8> VirtioBalloon::configuration() const {
    const auto bytes =
        std::bit_cast<std::array<u8, sizeof(Configuration)>>(Configuration{target_pages_, actual_pages_});
    return {bytes.begin(), bytes.end()};
}

void VirtioBalloon::write_configuration(u64 offset, unsigned width, u64 value) {
    if (offset == actual_pages_offset && width == sizeof(u32)) actual_pages_ = static_cast<u32>(value);
}

void VirtioBalloon::process(virtio::Transport& transport, unsigned queue) {
    const u64 accepted = transport.accepted_features();
    if (queue == statistics_queue && accepted & feature::statistics) return read_statistics(transport);
    const bool reports = queue == reporting_queue || queue == linux_reporting_queue(accepted);
    for (unsigned i = 0; i < queue_size; ++i) {
        const auto chain = transport.pop(queue);
        if (!chain) return;
        if (queue == inflate_queue) reclaim_named_pages(transport, *chain);
        if (reports)
            for (const virtio::Segment& free : chain->writable) reclaim(free.address, free.length);
        transport.complete(queue, chain->head, 0);
    }
}

/// Page numbers of four bytes each. Drivers send a few hundred at a time.
void VirtioBalloon::reclaim_named_pages(virtio::Transport& transport, const virtio::Chain& chain) {
    std::array<u32, 1024> pages;
    const u64 count = std::min<u64>(virtio::total_length(chain.readable) / sizeof(u32), pages.size());
    const auto named = std::span(pages).first(count);
    if (!virtio::gather(transport.memory(), chain.readable, 0, std::as_writable_bytes(named)))
        return transport.stop();
    for (std::size_t i = 0; i < named.size();) {  // neighbours together
        std::size_t end = i + 1;
        while (end < named.size() && named[end] == named[end - 1] + 1) ++end;
        reclaim(GuestPhysical{named[i] * page_bytes}, (end - i) * page_bytes);
        i = end;
    }
}

nlohmann::json VirtioBalloon::save() const {
    return {
        {"model", "balloon"}, {"target_pages", target_pages_.load()}, {"actual_pages", actual_pages_.load()}};
}

Result<> VirtioBalloon::restore(const nlohmann::json& fields) {
    StateReader in(fields, "virtio balloon");
    const auto model = fields.find("model");
    in.require(model != fields.end() && *model == "balloon", "it is of another device");
    const u32 target = in.number<u32>("target_pages"), actual = in.number<u32>("actual_pages");
    if (auto read = in.finish(); !read) return read;
    target_pages_ = target;
    actual_pages_ = actual;
    return {};
}

}  // namespace softmetal::devices
