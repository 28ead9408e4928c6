#include "devices/virtio/virtqueue.hpp"

#include "devices/virtio/virtio_registers.hpp"

#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <utility>

namespace softmetal::devices::virtio {

namespace {

// Guest and host are both little-endian x86.
template <class T>
std::array<std::byte, sizeof(T)> bytes_of(const T& value) {
    return std::bit_cast<std::array<std::byte, sizeof(T)>>(value);
}

}  // namespace

bool Virtqueue::aligned() const {
    return state_.descriptors % 16 == 0 && state_.driver % 2 == 0 && state_.device % 4 == 0;
}

bool Virtqueue::enable() {
    state_.enabled = true;
    if (!aligned()) break_queue();
    return !broken();
}

bool Virtqueue::restore(const State& state) {
    if (!std::has_single_bit(state.size) || state.size > max_size_) return false;
    state_ = state;
    return !state.enabled || state.broken || aligned();
}

std::optional<u16> Virtqueue::load(u64 address) {
    std::array<std::byte, 2> bytes;
    if (dma_.read({address}, bytes)) return std::bit_cast<u16>(bytes);
    break_queue();
    return {};
}

bool Virtqueue::store(u64 address, std::span<const std::byte> bytes) {
    if (dma_.write({address}, bytes)) return true;
    break_queue();
    return false;
}

bool Virtqueue::anything_available() {
    const auto index = load(available_index());
    if (!index) return false;
    const u16 waiting = static_cast<u16>(*index - state_.next_available);
    if (waiting > state_.size) break_queue();
    std::atomic_thread_fence(std::memory_order_acquire);  // the index before the entries it covers
    return waiting != 0 && !broken();
}

std::optional<Chain> Virtqueue::pop() {
    if (!state_.enabled || broken()) return {};
    if (!anything_available()) {
        if (broken() || !state_.event_index) return {};
        // Ask to be notified of the next one, then look again: it may have come before the driver saw that.
        if (!store(available_event(), bytes_of(state_.next_available))) return {};
        std::atomic_thread_fence(std::memory_order_seq_cst);
        if (!anything_available()) return {};
    }
    const auto head = load(available_entry(state_.next_available % state_.size));
    if (!head) return {};
    Chain chain{.head = *head, .readable = {}, .writable = {}};
    if (!collect(*head, chain)) {
        break_queue();
        return {};
    }
    ++state_.next_available;
    return chain;
}

std::optional<Virtqueue::Descriptor> Virtqueue::descriptor(u64 table, u32 index) {
    std::array<std::byte, ring::descriptor_size> bytes;
    if (!dma_.read({table + index * ring::descriptor_size}, bytes)) return {};
    Descriptor d;
    std::memcpy(&d.address, bytes.data(), 8);
    std::memcpy(&d.length, bytes.data() + 8, 4);
    std::memcpy(&d.flags, bytes.data() + 12, 2);
    std::memcpy(&d.next, bytes.data() + 14, 2);
    return d;
}

bool Virtqueue::collect(u16 head, Chain& chain) {
    u64 table = state_.descriptors;
    u32 entries = state_.size;
    u32 index = head;
    bool indirect = false;
    // No chain is longer than the greatest queue (ch. 2.7.5.3.1), so one that is has a loop or is forbidden.
    for (unsigned left = max_size_ + 1u; left != 0; --left) {
        if (index >= entries) return false;
        const auto d = descriptor(table, index);
        if (!d) return false;
        if (d->flags & ring::flag_indirect) {
            const bool allowed = !indirect && !(d->flags & (ring::flag_next | ring::flag_write)) &&
                                 d->length != 0 && d->length % ring::descriptor_size == 0 &&
                                 d->address + d->length >= d->address;
            if (!allowed) return false;
            indirect = true;
            table = d->address;
            entries = static_cast<u32>(d->length / ring::descriptor_size);
            index = 0;
            continue;
        }
        if (d->address + d->length < d->address) return false;
        const bool write = d->flags & ring::flag_write;
        if (!write && !chain.writable.empty()) return false;  // what is read comes first (ch. 2.7.4.2)
        (write ? chain.writable : chain.readable).push_back({{d->address}, d->length});
        if (!(d->flags & ring::flag_next)) return true;
        index = d->next;
    }
    return false;
}

void Virtqueue::push(std::span<const Used> requests) {
    if (!state_.enabled || broken()) return;
    for (const Used& request : requests) {
        const std::array<u32, 2> entry{request.head, request.written};
        if (!store(used_entry(state_.next_used % state_.size), bytes_of(entry))) return;
        ++state_.next_used;
    }
    std::atomic_thread_fence(std::memory_order_release);  // the entries before the index that covers them
    (void)store(used_index(), bytes_of(state_.next_used));
}

bool Virtqueue::interrupt_wanted() {
    if (!state_.enabled || broken()) return false;
    std::atomic_thread_fence(std::memory_order_seq_cst);  // the used index before the driver's wish
    const u16 before = std::exchange(state_.signalled_used, state_.next_used);
    if (before == state_.next_used) return false;
    const auto wish = load(state_.event_index ? used_event() : state_.driver);
    if (!wish) return false;
    if (!state_.event_index) return !(*wish & ring::available_no_interrupt);
    // Has the used index passed the one the driver waits for (ch. 2.7.7.1)?
    return static_cast<u16>(state_.next_used - *wish - 1) < static_cast<u16>(state_.next_used - before);
}

}  // namespace softmetal::devices::virtio
