#include "gdb_stub/guest_access.hpp"

#include "monitor/code_aware_dma.hpp"

#include <algorithm>
#include <vector>

namespace softmetal::gdb_stub {

std::size_t read_guest(const Vcpu& vcpu, GuestLinear a, std::span<std::byte> into) {
    std::size_t done = 0;
    while (done < into.size()) {
        const std::size_t chunk = std::min<u64>(into.size() - done, page_size - a.offset());
        const auto place = vcpu.mmu.peek(a);
        if (!place || !vcpu.memory.read(*place, into.subspan(done, chunk))) break;
        done += chunk;
        a.value += chunk;
    }
    return done;
}

bool write_guest(Vcpu& vcpu, GuestLinear a, std::span<const std::byte> from) {
    struct Piece {
        GuestPhysical place;
        std::span<const std::byte> bytes;
    };
    std::vector<Piece> pieces;
    while (!from.empty()) {
        const std::size_t chunk = std::min<u64>(from.size(), page_size - a.offset());
        const auto place = vcpu.mmu.peek(a);
        if (!place || !vcpu.memory.writable_page(*place)) return false;
        pieces.push_back({*place, from.first(chunk)});
        from = from.subspan(chunk);
        a.value += chunk;
    }
    // Translations of code that is changed go away when their vCPU runs again.
    monitor::CodeAwareDma memory(vcpu.memory);
    return std::ranges::all_of(pieces, [&](const Piece& p) { return memory.write(p.place, p.bytes); });
}

}  // namespace softmetal::gdb_stub
