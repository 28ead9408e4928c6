#include "monitor/code_aware_dma.hpp"

#include <atomic>

namespace softmetal::monitor {

bool CodeAwareDma::write(GuestPhysical address, std::span<const std::byte> from) {
    if (!memory_.write(address, from)) return false;
    changing(address, from.size());
    return true;
}

u64 CodeAwareDma::reclaim(GuestPhysical first, u64 bytes) {
    const u64 given_back = memory_.reclaim(first, bytes);
    if (given_back != 0) changing(first, bytes);
    return given_back;
}

void CodeAwareDma::changing(GuestPhysical address, u64 length) {
    std::atomic_thread_fence(std::memory_order_seq_cst);  // after the bytes, where they have changed
    memory_.changing(address, length);
}

}  // namespace softmetal::monitor
