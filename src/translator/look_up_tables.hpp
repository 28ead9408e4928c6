// Where translated code finds the vCPU's TLB and jump cache, relative to its segment base.
#pragma once

#include "translator/register_plan.hpp"

namespace softmetal::translator {

/// Entries of both tables have the same size; indices are scaled by it.
inline constexpr unsigned log2_entry = 4;
static_assert(sizeof(TlbEntry) == 1 << log2_entry && sizeof(JumpCache::Entry) == 1 << log2_entry);

[[nodiscard]] constexpr std::size_t tlb_table(Access access, Privilege privilege) {
    const std::size_t tables = access == Access::read    ? offsetof(Tlb, read)
                               : access == Access::write ? offsetof(Tlb, write)
                                                         : offsetof(Tlb, execute);
    return offsetof(VcpuBlock, tlb) + tables + static_cast<unsigned>(privilege) * sizeof(TlbTable);
}

[[nodiscard]] inline std::size_t jump_cache(unsigned privilege) {
    return SOFTMETAL_AREA(jump_cache) + privilege * sizeof(JumpCache);
}

}  // namespace softmetal::translator
