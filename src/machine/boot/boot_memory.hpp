// Guest memory as a boot loader fills it: what the kernel asks for by address, and free places beside it.
#pragma once

#include "base/result.hpp"
#include "machine/boot/memory_map.hpp"
#include "memory/guest_memory.hpp"

#include <map>
#include <string_view>

namespace softmetal::machine {

class BootMemory {
 public:
    explicit BootMemory(GuestMemory& memory);

    /// Puts `bytes` at `address` and claims `size` bytes there, of which the rest stay zero. `what` begins
    /// the error's sentence.
    [[nodiscard]] Result<> load(u64 address, std::span<const std::byte> bytes, u64 size,
                                std::string_view what);
    /// Claims free RAM below 4 GiB, the lowest from `lowest` on; page 0 is never free.
    [[nodiscard]] Result<GuestPhysical> find(u64 size, u64 alignment, u64 lowest, std::string_view what);
    /// Fills what find() has yielded.
    [[nodiscard]] Result<> fill(GuestPhysical address, std::span<const std::byte> bytes);
    [[nodiscard]] Result<GuestPhysical> place(std::span<const std::byte> bytes, u64 alignment, u64 lowest,
                                              std::string_view what);

    /// The end of what load() has claimed highest.
    [[nodiscard]] u64 kernel_end() const { return kernel_end_; }
    [[nodiscard]] const std::vector<MemoryRange>& map() const { return map_; }
    [[nodiscard]] u64 ram_bytes() const { return memory_.ram_bytes(); }

 private:
    [[nodiscard]] bool is_ram(u64 address, u64 size) const;
    /// The claim that overlaps such a range, or the end iterator.
    [[nodiscard]] std::map<u64, u64>::const_iterator overlap(u64 address, u64 size) const;

    GuestMemory& memory_;
    const std::vector<MemoryRange> map_;
    std::map<u64, u64> claims_;  // first address to end
    u64 kernel_end_ = 0;
};

}  // namespace softmetal::machine
