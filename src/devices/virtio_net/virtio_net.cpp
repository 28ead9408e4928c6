#include "devices/virtio_net/virtio_net.hpp"

#include "devices/state_reader.hpp"
#include "devices/virtio/virtio_registers.hpp"

#include <bit>

namespace softmetal::devices {

using virtio_net::Header;

VirtioNet::VirtioNet(bus::NetworkLink& link, const MacAddress& mac) : link_(link), mac_(mac) {
    next_.reserve(bus::ethernet_frame_max);
    link_.connect(*this);
}

/// Both queues are emptied until there is nothing more to do, so EVENT_INDEX spares the driver notifications.
u64 VirtioNet::features() const {
    return virtio_net::feature::mac | virtio_net::feature::status | virtio::feature::event_index;
}

std::vector<u8> VirtioNet::configuration() const {
    const auto bytes = std::bit_cast<std::array<u8, sizeof(virtio_net::Configuration)>>(
        virtio_net::Configuration{mac_, virtio_net::link_up});
    return {bytes.begin(), bytes.end()};
}

void VirtioNet::process(virtio::Transport& transport, unsigned queue) {
    transport_ = &transport;
    if (queue == virtio_net::transmit_queue) return transmit(transport);
    link_.room();
}

void VirtioNet::transmit(virtio::Transport& transport) {
    for (unsigned sent = 0; sent < burst; sent++) {
        if (!next_.empty() && !link_.send(next_)) return;
        next_.clear();
        const auto chain = transport.pop(virtio_net::transmit_queue);
        if (!chain) return;
        const u64 length = virtio::total_length(chain->readable);
        // What is no frame is lost; the driver gets its buffer back.
        if (length >= sizeof(Header) + bus::ethernet_header_bytes &&
            length <= sizeof(Header) + bus::ethernet_frame_max) {
            next_.resize(length - sizeof(Header));
            if (!virtio::gather(transport.memory(), chain->readable, sizeof(Header), next_))
                return transport.stop();
        }
        transport.complete(virtio_net::transmit_queue, chain->head, 0);
    }
    link_.call_back();
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
    const auto chain = transport->pop(virtio_net::receive_queue);
    if (!chain) return !transport->running();
    u64 written = 0;
    if (virtio::total_length(chain->writable) >= sizeof(Header) + frame.size()) {
        const auto header = std::bit_cast<std::array<std::byte, sizeof(Header)>>(Header{.buffers = 1});
        if (!virtio::scatter(transport->memory(), chain->writable, 0, header) ||
            !virtio::scatter(transport->memory(), chain->writable, sizeof(Header), frame)) {
            transport->stop();
            return true;
        }
        written = sizeof(Header) + frame.size();
    }
    // A buffer that is too small for the frame comes back empty, which drivers count as an error.
    transport->complete(virtio_net::receive_queue, chain->head, static_cast<u32>(written));
    return true;
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
