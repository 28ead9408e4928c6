// A virtio entropy source (VIRTIO 1.2, ch. 5.4): fills the driver's buffers with random bytes, at once.
#pragma once

#include "devices/virtio/model.hpp"

#include <array>
#include <functional>

namespace softmetal::devices {

class VirtioRng final : public virtio::Model {
 public:
    using Entropy = std::function<void(std::span<std::byte>)>;
    static constexpr u16 queue_size = 8;
    static constexpr u64 answer_max = 4096;  // a driver that wants more asks again

    explicit VirtioRng(Entropy entropy) : entropy_(std::move(entropy)) {}

    [[nodiscard]] std::string_view name() const override { return "virtio_rng"; }
    [[nodiscard]] u16 type() const override { return 4; }
    [[nodiscard]] u32 pci_class() const override { return 0x00ff00; }
    /// No EVENT_INDEX: a call answers as many requests as the queue holds and leaves later ones to the
    /// notifications that come with them.
    [[nodiscard]] u64 features() const override { return 0; }
    [[nodiscard]] std::span<const u16> queue_sizes() const override { return queue_sizes_; }
    [[nodiscard]] std::vector<u8> configuration() const override { return {}; }
    void process(virtio::Transport& transport, unsigned queue) override;
    void drain(std::unique_lock<std::mutex>&) override {}
    [[nodiscard]] nlohmann::json save() const override { return {{"model", "rng"}}; }
    [[nodiscard]] Result<> restore(const nlohmann::json& fields) override;

 private:
    Entropy entropy_;
    static constexpr std::array<u16, 1> queue_sizes_{queue_size};
};

}  // namespace softmetal::devices
