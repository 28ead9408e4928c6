// Page-table entry bits, all paging modes (SDM vol. 3, ch. 4.3 to 4.5).
#pragma once

#include "base/bits.hpp"

namespace softmetal::x86::pte {

inline constexpr u64 present = bit(0), writable = bit(1), user = bit(2), write_through = bit(3),
                     cache_disable = bit(4), accessed = bit(5), dirty = bit(6), large = bit(7),
                     global = bit(8), no_execute = bit(63);

}  // namespace softmetal::x86::pte
