#include "monitor/code_aware_dma.hpp"

#include <algorithm>
#include <atomic>

namespace softmetal::monitor {

bool CodeAwareDma::write(GuestPhysical address, std::span<const std::byte> from) {
    if (!memory_.write(address, from)) return false;
    std::atomic_thread_fence(std::memory_order_seq_cst);
    for (u64 left = from.size(); left != 0;) {
        const u64 chunk = std::min(left, page_size - address.offset());
        memory_.about_to_write(address, chunk);
        address.value += chunk;
        left -= chunk;
    }
    return true;
}

}  // namespace softmetal::monitor
