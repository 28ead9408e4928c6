#include "devices/virtio_net/virtio_net.hpp"

#include "bus/backends/tcp_frame.hpp"
#include "devices/state_reader.hpp"
#include "devices/virtio/virtio_registers.hpp"

#include <algorithm>
#include <bit>

namespace softmetal::devices {

using virtio_net::Header;

namespace {

/// Completes the checksum that the header tells of (ch. 5.1.6.2): its field holds the sum of what is not in
/// the frame. False where that lies outside.
bool complete_checksum(const Header& header, std::span<std::byte> frame) {
    const std::size_t field = std::size_t{header.checksum_start} + header.checksum_offset;
    if (header.checksum_start > frame.size() || field + 2 > frame.size()) return false;
    const u16 sum = static_cast<u16>(~bus::internet_sum(frame.subspan(header.checksum_start)));
    constexpr u16 udp_checksum = 6;
    const bool would_be_none = sum == 0 && header.checksum_offset == udp_checksum;  // RFC 768
    bus::store_be16(frame, field, would_be_none ? u16{0xffff} : sum);
    return true;
}

/// The header of a received frame, and for a long one what its checksum field is to hold: the driver finds a
/// segment as it would have sent it (ch. 5.1.6.4). None where it is long and no TCP.
std::optional<std::pair<Header, u16>> header_of(std::span<const std::byte> frame) {
    constexpr std::size_t ip_bytes_max = 1500;
    Header header{.buffers = 1};
    if (frame.size() <= bus::ethernet_frame_max) return std::pair(header, u16{0});
    const auto tcp = bus::TcpFrame::parse(frame);
    if (!tcp) return std::nullopt;
    header.flags = virtio_net::flag_needs_checksum;
    header.gso_type = tcp->ipv6 ? virtio_net::gso_tcp6 : virtio_net::gso_tcp4;
    header.header_length = static_cast<u16>(tcp->payload);
    header.gso_size = static_cast<u16>(ip_bytes_max - (tcp->payload - bus::TcpFrame::ip));
    header.checksum_start = static_cast<u16>(tcp->tcp);
    header.checksum_offset = bus::TcpFrame::checksum;
    return std::pair(header, tcp->pseudo_header_sum(frame, tcp->end - tcp->tcp));
}

}  // namespace

VirtioNet::VirtioNet(bus::NetworkLink& link, const MacAddress& mac) : link_(link), mac_(mac) {
    link_.connect(*this);
}

/// Both queues are emptied until there is nothing more to do, so EVENT_INDEX spares the driver notifications.
u64 VirtioNet::features() const {
    using namespace virtio_net::feature;
    return mac | status | checksum | guest_checksum | guest_tso4 | guest_tso6 | host_tso4 | host_tso6 |
           merge_buffers | virtio::feature::event_index;
}

std::vector<u8> VirtioNet::configuration() const {
    const auto bytes = std::bit_cast<std::array<u8, sizeof(virtio_net::Configuration)>>(
        virtio_net::Configuration{mac_, virtio_net::link_up});
    return {bytes.begin(), bytes.end()};
}

void VirtioNet::process(virtio::Transport& transport, unsigned queue) {
    transport_ = &transport;
    // Without merged buffers the driver would have to keep 64 KiB ready for every frame.
    constexpr u64 needed = virtio_net::feature::guest_tso4 | virtio_net::feature::guest_tso6 |
                           virtio_net::feature::merge_buffers;
    takes_long_frames_ = (transport.accepted_features() & needed) == needed;
    if (queue == virtio_net::transmit_queue) return transmit(transport);
    link_.room();
}

void VirtioNet::transmit(virtio::Transport& transport) {
    for (unsigned sent = 0; sent < burst; sent++) {
        if (!next_.empty() && !link_.send(next_)) return;
        next_.clear();
        const auto chain = transport.pop(virtio_net::transmit_queue);
        if (!chain) return;
        // What is no frame is lost; the driver gets its buffer back.
        if (!take_frame(transport, *chain)) return transport.stop();
        transport.complete(virtio_net::transmit_queue, chain->head, 0);
    }
    link_.call_back();
}

bool VirtioNet::take_frame(virtio::Transport& transport, const virtio::Chain& chain) {
    next_.clear();
    const u64 length = virtio::total_length(chain.readable);
    if (length < sizeof(Header) + bus::ethernet_header_bytes || length > sizeof(Header) + bus::long_frame_max)
        return true;
    std::array<std::byte, sizeof(Header)> bytes;
    next_.resize(length - sizeof(Header));
    if (!virtio::gather(transport.memory(), chain.readable, 0, bytes) ||
        !virtio::gather(transport.memory(), chain.readable, sizeof(Header), next_))
        return false;
    const Header header = std::bit_cast<Header>(bytes);
    const bool completed =
        !(header.flags & virtio_net::flag_needs_checksum) || complete_checksum(header, next_);
    const bool fits = next_.size() <= bus::ethernet_frame_max ||
                      (header.gso_type != virtio_net::gso_none && bus::TcpFrame::parse(next_));
    if (!completed || !fits) next_.clear();
    return true;
}

void VirtioNet::may_send() {
    virtio::Transport* const transport = transport_;
    if (!transport) return;
    const std::lock_guard lock(transport->mutex());
    if (transport->running()) transmit(*transport);
}

bool VirtioNet::receive(std::span<const std::byte> frame) {
    virtio::Transport* const transport = transport_;
    if (!transport) return true;
    const std::lock_guard lock(transport->mutex());
    if (!transport->running()) return true;
    if (frame.size() > bus::ethernet_frame_max && !takes_long_frames_) return true;  // not any more
    auto described = header_of(frame);
    if (!described) return true;
    auto& [header, checksum] = *described;
    const auto buffers = pop_buffers(*transport, sizeof(Header) + frame.size());
    if (buffers.empty()) return !transport->running();
    std::vector<virtio::Segment> into;
    std::vector<virtio::Virtqueue::Used> used;
    u64 left = sizeof(Header) + frame.size();
    for (const virtio::Chain& chain : buffers) {
        into.insert(into.end(), chain.writable.begin(), chain.writable.end());
        const u64 count = std::min(left, virtio::total_length(chain.writable));
        used.push_back({chain.head, static_cast<u32>(count)});
        left -= count;
    }
    if (left != 0) {
        // A buffer that is too small for the frame comes back empty, which drivers count as an error.
        for (auto& buffer : used) buffer.written = 0;
    } else {
        header.buffers = static_cast<u16>(buffers.size());
        const auto bytes = std::bit_cast<std::array<std::byte, sizeof(Header)>>(header);
        bool arrived = virtio::scatter(transport->memory(), into, 0, bytes) &&
                       virtio::scatter(transport->memory(), into, sizeof(Header), frame);
        if (header.flags & virtio_net::flag_needs_checksum) {
            std::array<std::byte, 2> field;
            bus::store_be16(field, 0, checksum);
            arrived = arrived &&
                      virtio::scatter(transport->memory(), into,
                                      sizeof(Header) + header.checksum_start + header.checksum_offset, field);
        }
        if (!arrived) {
            transport->stop();
            return true;
        }
    }
    transport->complete(virtio_net::receive_queue, used);
    return true;
}

std::vector<virtio::Chain> VirtioNet::pop_buffers(virtio::Transport& transport, u64 bytes) {
    const bool several = transport.accepted_features() & virtio_net::feature::merge_buffers;
    std::vector<virtio::Chain> buffers;
    for (u64 room = 0; buffers.empty() || (several && room < bytes);) {
        auto chain = transport.pop(virtio_net::receive_queue);
        if (!chain) {
            transport.put_back(virtio_net::receive_queue, static_cast<u16>(buffers.size()));
            return {};
        }
        room += virtio::total_length(chain->writable);
        buffers.push_back(std::move(*chain));
        // So many cannot be for one frame: they are of no size.
        if (buffers.size() == queue_size) break;
    }
    return buffers;
}

nlohmann::json VirtioNet::save() const { return {{"model", "net"}, {"mac", mac_}}; }

Result<> VirtioNet::restore(const nlohmann::json& fields) {
    StateReader in(fields, "virtio network device");
    const auto model = fields.find("model");
    in.require(model != fields.end() && *model == "net", "it is of another device");
    MacAddress mac{};
    in.numbers<u8>("mac", mac);
    in.require(mac == mac_, "the card had another address");
    return in.finish();
}

}  // namespace softmetal::devices
