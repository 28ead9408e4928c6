// Hexadecimal as the GDB remote serial protocol writes it: numbers with the highest digit first, memory and
// registers byte by byte.
#pragma once

#include "base/integers.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace softmetal::gdb_stub {

/// The whole text as a number of at most 64 bits; none where it is something else.
[[nodiscard]] std::optional<u64> parse_hex(std::string_view text);

[[nodiscard]] std::string bytes_to_hex(std::span<const std::byte> bytes);
[[nodiscard]] std::string text_to_hex(std::string_view text);
/// None where it is not two digits a byte.
[[nodiscard]] std::optional<std::vector<std::byte>> bytes_from_hex(std::string_view text);

}  // namespace softmetal::gdb_stub
