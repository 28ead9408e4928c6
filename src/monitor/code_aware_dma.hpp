// The devices' view of guest memory, for threads that write while vCPUs translate.
//
// GuestMemory tells of a write before it happens; meanwhile the page may become a code page, or be translated
// anew from the old bytes. So this tells once more afterwards: whoever translates then sees the new bytes.
#pragma once

#include "memory/guest_memory.hpp"

namespace softmetal::monitor {

class CodeAwareDma final : public bus::DmaView, public bus::MemoryReclaim {
 public:
    explicit CodeAwareDma(GuestMemory& memory) : memory_(memory) {}
    [[nodiscard]] bool read(GuestPhysical address, std::span<std::byte> into) const override {
        return memory_.read(address, into);
    }
    [[nodiscard]] bool write(GuestPhysical address, std::span<const std::byte> from) override;
    u64 reclaim(GuestPhysical first, u64 bytes) override;
    [[nodiscard]] bool locate(GuestPhysical address, u64 length, bool to_write,
                              std::vector<std::span<std::byte>>& places) const override {
        return memory_.locate(address, length, to_write, places);
    }
    void changing(GuestPhysical address, u64 length) override;

 private:
    GuestMemory& memory_;
};

}  // namespace softmetal::monitor
