#include "monitor/code_aware_dma.hpp"

#include <algorithm>
#include <atomic>

namespace softmetal::monitor {

bool CodeAwareDma::write(GuestPhysical address, std::span<const std::byte> from) {
    if (!memory_.write(address, from)) return false;
    tell_again(address, from.size());
    return true;
}

u64 CodeAwareDma::reclaim(GuestPhysical first, u64 bytes) {
    const u64 given_back = memory_.reclaim(first, bytes);
    if (given_back != 0) tell_again(first, bytes);
    return given_back;
}

void CodeAwareDma::tell_again(GuestPhysical address, u64 bytes) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    while (bytes != 0) {
        const u64 chunk = std::min(bytes, page_size - address.offset());
        memory_.about_to_write(address, chunk);
        address.value += chunk;
        bytes -= chunk;
    }
}

}  // namespace softmetal::monitor
