// A virtio disk over a block store: many requests in flight, each moved between guest memory and the store in
// pieces of bounded size.
//
// There is a queue for each processor, so that none waits for another's; the order of requests, even of one
// queue, means nothing (VIRTIO 1.2, ch. 5.2.6.2).
//
// Every request, even one that fails at once, is answered on a backend thread. So a call from the driver
// starts at most `in_flight_max` of them, however fast another processor adds more.
#pragma once

#include "bus/backends/block_store.hpp"
#include "devices/virtio/model.hpp"
#include "devices/virtio_block/virtio_block_registers.hpp"

#include <array>
#include <condition_variable>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace softmetal::devices {

class VirtioBlock final : public virtio::Model {
 public:
    static constexpr u16 queue_size = 256;
    static constexpr unsigned in_flight_max = 64;
    static constexpr u64 piece_max = 1 << 20;
    static constexpr unsigned queues_max = 16;
    static constexpr u32 ranges_max = 16;
    static constexpr u32 range_sectors_max = 1 << 22;  // 2 GiB

    /// `serial` is cut to 20 bytes, and there are at most `queues_max` queues. The store outlives the device.
    VirtioBlock(bus::BlockStore& store, const std::string& serial, unsigned queues = 1);

    [[nodiscard]] std::string_view name() const override { return "virtio_block"; }
    [[nodiscard]] u16 type() const override { return virtio_block::type; }
    [[nodiscard]] u32 pci_class() const override { return 0x010000; }  // mass storage, SCSI
    [[nodiscard]] u64 features() const override;
    [[nodiscard]] std::span<const u16> queue_sizes() const override { return queue_sizes_; }
    [[nodiscard]] std::vector<u8> configuration() const override;
    void process(virtio::Transport& transport, unsigned queue) override;
    void drain(std::unique_lock<std::mutex>& lock) override;
    [[nodiscard]] nlohmann::json save() const override;
    [[nodiscard]] Result<> restore(const nlohmann::json& fields) override;

 private:
    struct Job;
    using JobPointer = std::shared_ptr<Job>;

    void start(virtio::Transport& transport, unsigned queue, virtio::Chain chain);
    [[nodiscard]] virtio_block::Status prepare(Job& job);
    [[nodiscard]] virtio_block::Status prepare_ranges(Job& job);
    /// Starts the next step; where none is left, the outcome.
    [[nodiscard]] std::optional<virtio_block::Status> advance(const JobPointer& job);
    void step_done(const JobPointer& job, bus::BlockStatus status);
    [[nodiscard]] std::optional<virtio_block::Status> submit_transfer(const JobPointer& job);
    void submit_range(const JobPointer& job);
    void answer_later(const JobPointer& job, virtio_block::Status status);
    void answer(Job& job, virtio_block::Status status);
    [[nodiscard]] bool inside(u64 first_sector, u64 bytes) const;
    [[nodiscard]] bus::BlockStore::Completion completion(const JobPointer& job);

    bus::BlockStore& store_;
    const std::array<char, virtio_block::id_length> serial_;
    const std::vector<u16> queue_sizes_;
    // Under the transport's mutex.
    unsigned in_flight_ = 0;
    unsigned next_queue_ = 0;  // looked at first once there is room again
    bool full_ = false;        // requests may be waiting for that
    std::condition_variable idle_;
};

}  // namespace softmetal::devices
