// A virtio memory balloon (VIRTIO 1.2, ch. 5.5): by it the host asks the guest for memory back, and the guest
// tells, without being asked, which of its memory is free.
//
// Both give pages back to the host at once. The guest may take a page of the balloon again whenever it tells
// so, and a page that it reported free without a word: it finds zeroes there.
#pragma once

#include "bus/memory_reclaim.hpp"
#include "devices/virtio/model.hpp"
#include "devices/virtio_balloon/virtio_balloon_registers.hpp"

#include <array>
#include <atomic>
#include <functional>
#include <optional>

namespace softmetal::devices {

class VirtioBalloon final : public virtio::Model {
 public:
    static constexpr u16 queue_size = 128;

    explicit VirtioBalloon(bus::MemoryReclaim& memory) : memory_(memory) {}

    /// How large the balloon is to become. The guest does what it can, in its own time. Any thread.
    void set_target(u64 bytes);
    /// What the guest says about its memory, in bytes; what it does not say is absent.
    struct Statistics {
        std::optional<u64> total, free, available;
    };
    /// What it said last.
    [[nodiscard]] Statistics statistics() const;
    /// The guest is to say it anew; false where it has no driver that does. on_statistics() then hears of it:
    /// on a thread of the guest's and with the device's lock held.
    [[nodiscard]] bool ask_for_statistics();
    void on_statistics(std::function<void()> callback);

    /// What the guest is asked for, what it says to have handed over, and what it has given back since the
    /// machine began, asked or unasked.
    [[nodiscard]] u64 target() const { return u64{target_pages_} * virtio_balloon::page_bytes; }
    [[nodiscard]] u64 size() const { return u64{actual_pages_} * virtio_balloon::page_bytes; }
    [[nodiscard]] u64 reclaimed() const { return reclaimed_; }

    [[nodiscard]] std::string_view name() const override { return "virtio_balloon"; }
    [[nodiscard]] u16 type() const override { return virtio_balloon::type; }
    [[nodiscard]] u32 pci_class() const override { return 0x00ff00; }
    [[nodiscard]] u64 features() const override;
    [[nodiscard]] std::span<const u16> queue_sizes() const override { return queue_sizes_; }
    [[nodiscard]] std::vector<u8> configuration() const override;
    void write_configuration(u64 offset, unsigned width, u64 value) override;
    void connect(virtio::Transport& transport) override { transport_ = &transport; }
    void process(virtio::Transport& transport, unsigned queue) override;
    void drain(std::unique_lock<std::mutex>&) override {}
    void reset() override;
    [[nodiscard]] nlohmann::json save() const override;
    [[nodiscard]] Result<> restore(const nlohmann::json& fields) override;

 private:
    void read_statistics(virtio::Transport& transport);
    void reclaim_named_pages(virtio::Transport& transport, const virtio::Chain& chain);
    void reclaim(GuestPhysical first, u64 bytes) { reclaimed_ += memory_.reclaim(first, bytes); }

    bus::MemoryReclaim& memory_;
    virtio::Transport* transport_ = nullptr;
    std::atomic<u32> target_pages_ = 0, actual_pages_ = 0;
    std::atomic<u64> reclaimed_ = 0;
    Statistics statistics_;  // with the transport's mutex
    bool statistics_awaited_ = false;
    std::function<void()> statistics_arrived_;
    static constexpr std::array<u16, 5> queue_sizes_{queue_size, queue_size, queue_size, queue_size,
                                                     queue_size};
};

}  // namespace softmetal::devices
