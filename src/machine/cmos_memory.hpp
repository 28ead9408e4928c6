// What firmware leaves in the CMOS memory: how much RAM there is, in the places where systems look that do
// not read the e820 map.
#pragma once

#include "base/integers.hpp"

#include <span>

namespace softmetal::machine {

/// `cmos` is the RTC's memory, 128 bytes; only the bytes concerned are changed.
void describe_memory_in_cmos(std::span<u8> cmos, u64 ram_bytes);

}  // namespace softmetal::machine
