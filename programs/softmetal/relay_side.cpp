#include "relay_side.hpp"

#include "host/byte_socket.hpp"

#include <array>

namespace softmetal {

using host::TransferStatus;

bool RelaySide::receive_for(RelaySide& other) const {
    std::array<u8, 16384> buffer;
    const host::Transfer transfer = host::receive_now(socket.get(), buffer);
    if (transfer.status == TransferStatus::again) return true;
    if (transfer.status != TransferStatus::moved) return false;
    other.to_it.insert(other.to_it.end(), buffer.begin(),
                       buffer.begin() + static_cast<std::ptrdiff_t>(transfer.count));
    return true;
}

void RelaySide::receive_all_for(RelaySide& other) const {
    while (other.has_room()) {
        const std::size_t before = other.to_it.size();
        if (!receive_for(other) || other.to_it.size() == before) return;
    }
}

bool RelaySide::send() {
    while (!to_it.empty()) {
        const host::Transfer transfer = host::send_now(socket.get(), to_it);
        if (transfer.status == TransferStatus::again) return true;
        if (transfer.status != TransferStatus::moved) return false;
        to_it.erase(to_it.begin(), to_it.begin() + static_cast<std::ptrdiff_t>(transfer.count));
    }
    return true;
}

}  // namespace softmetal
