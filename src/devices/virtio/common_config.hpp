// The common configuration structure as a register machine (VIRTIO 1.2, ch. 4.1.4.3), with the queues it sets
// up.
#pragma once

#include "base/result.hpp"
#include "devices/virtio/virtio_registers.hpp"
#include "devices/virtio/virtqueue.hpp"

#include <nlohmann/json.hpp>
#include <span>
#include <vector>

namespace softmetal::devices::virtio {

class CommonConfig {
 public:
    /// What a write asks of the device.
    enum class Event : u8 {
        none,
        reset,   // the driver wrote status 0: call reset() once nothing is in flight
        ready,   // the driver is ready: requests may be waiting
        stopped  // the driver broke a rule: needs_reset() is set
    };

    CommonConfig(u64 features, std::span<const u16> queue_sizes, unsigned vectors, bus::DmaView& dma);

    /// Fields are accessed by their own width; `offset` is a field's, or the upper half's of a 64-bit one.
    [[nodiscard]] u32 read(u64 offset) const;
    Event write(u64 offset, u32 value);
    void reset();

    [[nodiscard]] bool running() const {
        return (status_ & status::driver_ok) && !(status_ & status::needs_reset);
    }
    [[nodiscard]] bool driver_ok() const { return status_ & status::driver_ok; }
    [[nodiscard]] bool needs_reset() const { return status_ & status::needs_reset; }
    void set_needs_reset() { status_ |= status::needs_reset; }
    /// The driver reads the number of it before and after the configuration (ch. 2.5.1).
    void count_configuration_change() { ++config_generation_; }
    [[nodiscard]] u64 accepted_features() const { return driver_features_; }

    [[nodiscard]] unsigned queue_count() const { return static_cast<unsigned>(queues_.size()); }
    [[nodiscard]] Virtqueue& queue(unsigned i) { return queues_[i].ring; }
    [[nodiscard]] u16 queue_vector(unsigned i) const { return queues_[i].vector; }
    [[nodiscard]] u16 config_vector() const { return config_vector_; }

    [[nodiscard]] nlohmann::json save() const;
    [[nodiscard]] Result<> restore(const nlohmann::json& fields);

 private:
    struct Queue {
        Virtqueue ring;
        u16 vector = no_vector;
    };
    Event write_status(u8 value);
    Event write_queue(u64 offset, u32 value, Queue& queue);
    [[nodiscard]] u16 checked_vector(u32 value) const {
        return value < vectors_ ? static_cast<u16>(value) : no_vector;
    }

    const u64 features_;
    const unsigned vectors_;
    u32 device_feature_select_ = 0, driver_feature_select_ = 0;
    u64 driver_features_ = 0;
    u16 config_vector_ = no_vector;
    u8 status_ = 0;
    u8 config_generation_ = 0;
    u16 queue_select_ = 0;
    std::vector<Queue> queues_;
};

}  // namespace softmetal::devices::virtio
