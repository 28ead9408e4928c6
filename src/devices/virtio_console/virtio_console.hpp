// A virtio console with one port (VIRTIO 1.2, ch. 5.3), on a byte stream: what Linux calls hvc0.
//
// Input stays in the stream until the driver has added buffers; output that the stream has no room for stays
// here, and what comes after it in the queue.
#pragma once

#include "bus/backends/byte_stream.hpp"
#include "devices/virtio/model.hpp"

#include <array>
#include <vector>

namespace softmetal::devices {

class VirtioConsole final : public virtio::Model {
 public:
    static constexpr u16 queue_size = 64;
    static constexpr unsigned receive_queue = 0, transmit_queue = 1;
    /// Of one buffer of the driver's; what it has beyond that is lost. Linux writes at most half of it at a
    /// time.
    static constexpr u64 output_max = 64 * 1024;
    static constexpr std::size_t input_max = 4096;

    explicit VirtioConsole(bus::ByteStream& stream) : stream_(stream) {}
    ~VirtioConsole() override;

    [[nodiscard]] std::string_view name() const override { return "virtio_console"; }
    [[nodiscard]] u16 type() const override { return 3; }
    [[nodiscard]] u32 pci_class() const override {
        return 0x078000;
    }  // a communication controller of another kind
    [[nodiscard]] u64 features() const override { return 0; }
    [[nodiscard]] std::span<const u16> queue_sizes() const override { return queue_sizes_; }
    /// Without features nothing in it means anything.
    [[nodiscard]] std::vector<u8> configuration() const override { return std::vector<u8>(12); }
    void connect(virtio::Transport& transport) override;
    void process(virtio::Transport& transport, unsigned queue) override;
    void drain(std::unique_lock<std::mutex>&) override {}
    void reset() override;
    [[nodiscard]] nlohmann::json save() const override;
    [[nodiscard]] Result<> restore(const nlohmann::json& fields) override;

 private:
    void transmit(virtio::Transport& transport);
    void receive(virtio::Transport& transport);
    void on_stream(void (VirtioConsole::*what)(virtio::Transport&));

    bus::ByteStream& stream_;
    virtio::Transport* transport_ = nullptr;
    std::vector<u8> unsent_, unread_;  // under the transport's mutex
    static constexpr std::array<u16, 2> queue_sizes_{queue_size, queue_size};
};

}  // namespace softmetal::devices
