// The two halves of a virtio device: a model (what a block device or an entropy source does with requests)
// and the transport that the driver talks to.
#pragma once

#include "base/result.hpp"
#include "devices/virtio/virtqueue.hpp"

#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace softmetal::devices::virtio {

/// What a model may use of its transport. But for mutex() itself, only with the mutex held.
class Transport {
 public:
    virtual ~Transport() = default;
    [[nodiscard]] virtual std::mutex& mutex() = 0;
    /// False before the driver is ready, during a reset, and once the driver has broken a rule: then no
    /// queue and no guest memory may be touched.
    [[nodiscard]] virtual bool running() const = 0;
    [[nodiscard]] virtual u64 accepted_features() const = 0;
    [[nodiscard]] virtual bus::DmaView& memory() = 0;
    /// Stops the device where the queue is found broken.
    [[nodiscard]] virtual std::optional<Chain> pop(unsigned queue) = 0;
    /// The model's configuration() is another than before: tells the driver.
    virtual void configuration_changed() = 0;
    /// The last `count` requests of pop() are taken once more.
    virtual void put_back(unsigned queue, u16 count) = 0;
    /// Gives requests back, all at once, and interrupts the driver if it wants that.
    virtual void complete(unsigned queue, std::span<const Virtqueue::Used> requests) = 0;
    void complete(unsigned queue, u16 head, u32 written) {
        const Virtqueue::Used one{head, written};
        complete(queue, std::span(&one, 1));
    }
    /// The driver has done what cannot be answered: the device stops and asks to be reset (ch. 2.1.2).
    virtual void stop() = 0;
};

class Model {
 public:
    virtual ~Model() = default;
    [[nodiscard]] virtual std::string_view name() const = 0;
    [[nodiscard]] virtual u16 type() const = 0;  // VIRTIO 1.2, ch. 5
    [[nodiscard]] virtual u32 pci_class() const = 0;
    /// Feature bits 0 to 31 it offers; EVENT_INDEX only where requests are sure to be popped until there are
    /// none.
    [[nodiscard]] virtual u64 features() const = 0;
    /// The greatest size of each queue, powers of two.
    [[nodiscard]] virtual std::span<const u16> queue_sizes() const = 0;
    /// The device-specific configuration, always of the same size. With the mutex held, once there is one.
    [[nodiscard]] virtual std::vector<u8> configuration() const = 0;
    /// The driver writes a part of it. With the mutex held.
    virtual void write_configuration(u64 /*offset*/, unsigned /*width*/, u64 /*value*/) {}

    /// Once, before anything else: the transport, for models that hear from outside. Its memory is there as
    /// long as the model's.
    virtual void connect(Transport&) {}
    /// The driver has notified a queue, or has become ready. With the mutex held. Starts a bounded number of
    /// requests; completes them now or later.
    virtual void process(Transport& transport, unsigned queue) = 0;
    /// Waits, with the mutex released meanwhile, until no request is in flight.
    virtual void drain(std::unique_lock<std::mutex>& lock) = 0;
    /// Back to the state at power-up; drained.
    virtual void reset() {}

    /// State beyond the transport's; drained.
    [[nodiscard]] virtual nlohmann::json save() const = 0;
    /// Does the saved state belong to a device like this?
    [[nodiscard]] virtual Result<> restore(const nlohmann::json& fields) = 0;
};

}  // namespace softmetal::devices::virtio
