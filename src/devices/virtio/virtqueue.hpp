// The device's side of a split virtqueue (VIRTIO 1.2, ch. 2.7).
//
// The rings are guest memory and nothing in them is believed: an index, length, flag or loop that the
// specification forbids breaks the queue, after which it yields nothing until the device is reset.
#pragma once

#include "bus/dma.hpp"
#include "devices/virtio/segments.hpp"

#include <optional>
#include <vector>

namespace softmetal::devices::virtio {

/// One request: what the driver wrote for the device, and room for the answer.
struct Chain {
    u16 head = 0;
    std::vector<Segment> readable, writable;
};

class Virtqueue {
 public:
    struct State {
        u16 size = 0;
        bool enabled = false;
        bool event_index = false;
        u64 descriptors = 0, driver = 0, device = 0;  // guest-physical addresses of the three parts
        u16 next_available = 0;                       // free-running, as the ring's own indices
        u16 next_used = 0;
        u16 signalled_used = 0;  // next_used when an interrupt was last decided on
        bool broken = false;
    };

    Virtqueue(u16 max_size, bus::DmaView& dma) : dma_(dma), max_size_(max_size) { reset(); }

    [[nodiscard]] u16 max_size() const { return max_size_; }
    [[nodiscard]] const State& state() const { return state_; }
    /// The driver's settings, before it enables the queue.
    [[nodiscard]] State& configure() { return state_; }
    void reset() { state_ = State{.size = max_size_}; }
    /// False where the parts are not aligned as they must be (ch. 2.7): the queue is broken.
    bool enable();
    [[nodiscard]] bool broken() const { return state_.broken; }

    /// The next request; none where there is none now, the queue is not enabled, or it is broken. Once it has
    /// said none, the driver will notify when it adds a request.
    [[nodiscard]] std::optional<Chain> pop();
    /// The last `count` requests are taken by pop() once more.
    void put_back(u16 count) { state_.next_available = static_cast<u16>(state_.next_available - count); }
    /// A request given back, with the number of bytes written from the start of its writable part.
    struct Used {
        u16 head;
        u32 written;
    };
    /// The driver sees all of them at once.
    void push(std::span<const Used> requests);
    /// Does the driver want an interrupt for what has been pushed since the last call?
    [[nodiscard]] bool interrupt_wanted();

    /// False where no driver could have brought about this state.
    [[nodiscard]] bool restore(const State& state);

 private:
    struct Descriptor {
        u64 address = 0;
        u32 length = 0;
        u16 flags = 0, next = 0;
    };

    [[nodiscard]] bool anything_available();
    [[nodiscard]] bool collect(u16 head, Chain& chain);
    [[nodiscard]] std::optional<Descriptor> descriptor(u64 table, u32 index);
    [[nodiscard]] std::optional<u16> load(u64 address);
    [[nodiscard]] bool store(u64 address, std::span<const std::byte> bytes);
    [[nodiscard]] bool aligned() const;
    void break_queue() { state_.broken = true; }

    [[nodiscard]] u64 available_index() const { return state_.driver + 2; }
    [[nodiscard]] u64 available_entry(u16 i) const { return state_.driver + 4 + 2 * u64{i}; }
    [[nodiscard]] u64 used_event() const { return available_entry(state_.size); }
    [[nodiscard]] u64 used_index() const { return state_.device + 2; }
    [[nodiscard]] u64 used_entry(u16 i) const { return state_.device + 4 + 8 * u64{i}; }
    [[nodiscard]] u64 available_event() const { return used_entry(state_.size); }

    bus::DmaView& dma_;
    u16 max_size_;
    State state_;
};

}  // namespace softmetal::devices::virtio
