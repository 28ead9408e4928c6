#include "monitor/code_aware_dma.hpp"

#include <atomic>

namespace softmetal::monitor {

bool CodeAwareDma::write(GuestPhysical address, std::span<const std::byte> from) {
    if (!memory_.write(address, from)) return false;
    changing(address, from.size());
    return true;
}

void CodeAwareDma::changing(GuestPhysical address, u64 length) {
    std::atomic_thread_fence(std::memory_order_seq_cst);  // after the bytes, where they have changed
    memory_.changing(address, length);
}

}  // namespace softmetal::monitor
