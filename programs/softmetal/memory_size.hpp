// Amounts of memory as people write them: "512M", "1G".
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"

#include <string>
#include <string_view>

namespace softmetal {

/// A whole number with an optional suffix K, M, G or T, in either case and with an optional "B" or "iB":
/// powers of 1024. A bare number is in bytes.
[[nodiscard]] Result<u64> parse_memory_size(std::string_view text);

/// "512M", "1G"; the largest unit that divides it.
[[nodiscard]] std::string format_memory_size(u64 bytes);

/// Can a guest have this much on a host with `host_bytes` of memory and swap?
[[nodiscard]] Result<> check_guest_memory(u64 bytes, u64 host_bytes);

}  // namespace softmetal
