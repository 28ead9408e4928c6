// A virtio network card on a link: one queue in each direction, checksums and long TCP frames both ways.
//
// A frame from the link is put into the next buffer of the receive queue, or as many as it needs, as it
// comes; where there are not enough, the link keeps it until the driver has added some. Frames of the
// driver's go to the link one after another; where that is full, one waits here and the others in their
// queue.
#pragma once

#include "bus/backends/network_link.hpp"
#include "devices/virtio/model.hpp"
#include "devices/virtio_net/virtio_net_registers.hpp"

#include <array>
#include <atomic>
#include <vector>

namespace softmetal::devices {

using bus::MacAddress;

class VirtioNet final : public virtio::Model, private bus::NetworkCard {
 public:
    static constexpr u16 queue_size = 256;
    /// Frames that one call sends at the most; the rest follow in calls from the link.
    static constexpr unsigned burst = 256;

    VirtioNet(bus::NetworkLink& link, const MacAddress& mac);

    [[nodiscard]] std::string_view name() const override { return "virtio_net"; }
    [[nodiscard]] u16 type() const override { return virtio_net::type; }
    [[nodiscard]] u32 pci_class() const override { return 0x020000; }  // Ethernet
    [[nodiscard]] u64 features() const override;
    [[nodiscard]] std::span<const u16> queue_sizes() const override { return queue_sizes_; }
    [[nodiscard]] std::vector<u8> configuration() const override;
    void process(virtio::Transport& transport, unsigned queue) override;
    /// Nothing is ever in flight; the frame that waits is lost.
    void drain(std::unique_lock<std::mutex>&) override {
        next_.clear();
        takes_long_frames_ = false;  // until a driver is ready again, or saving is over
    }
    [[nodiscard]] nlohmann::json save() const override;
    [[nodiscard]] Result<> restore(const nlohmann::json& fields) override;

 private:
    // bus::NetworkCard
    [[nodiscard]] bool receive(std::span<const std::byte> frame) override;
    [[nodiscard]] bool takes_long_frames() const override { return takes_long_frames_; }
    void may_send() override;

    void transmit(virtio::Transport& transport);
    /// The frame of a chain as the link wants it; empty where it is none.
    [[nodiscard]] bool take_frame(virtio::Transport& transport, const virtio::Chain& chain);
    /// Buffers for so many bytes, empty where there are not enough.
    [[nodiscard]] std::vector<virtio::Chain> pop_buffers(virtio::Transport& transport, u64 bytes);

    bus::NetworkLink& link_;
    const MacAddress mac_;
    static constexpr std::array<u16, 2> queue_sizes_{queue_size, queue_size};
    /// Known from the driver's first notification on; before that frames are lost.
    std::atomic<virtio::Transport*> transport_ = nullptr;
    /// Under the transport's mutex: the frame to send next; empty where there is none.
    std::vector<std::byte> next_;
    std::atomic<bool> takes_long_frames_ = false;
};

}  // namespace softmetal::devices
