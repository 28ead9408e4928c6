#include "gdb_stub/hex.hpp"

#include <charconv>
#include <memory>

namespace softmetal::gdb_stub {

std::optional<u64> parse_hex(std::string_view text) {
    u64 value = 0;
    const char* const end = std::to_address(text.end());
    const auto [stopped, error] = std::from_chars(std::to_address(text.begin()), end, value, 16);
    if (error != std::errc() || stopped != end) return std::nullopt;
    return value;
}

std::string bytes_to_hex(std::span<const std::byte> bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(2 * bytes.size());
    for (const std::byte b : bytes) {
        text += digits[static_cast<u8>(b) >> 4];
        text += digits[static_cast<u8>(b) & 15];
    }
    return text;
}

std::string text_to_hex(std::string_view text) { return bytes_to_hex(std::as_bytes(std::span(text))); }

std::optional<std::vector<std::byte>> bytes_from_hex(std::string_view text) {
    if (text.size() % 2 != 0) return std::nullopt;
    std::vector<std::byte> bytes;
    bytes.reserve(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const auto value = parse_hex(text.substr(i, 2));
        if (!value) return std::nullopt;
        bytes.push_back(static_cast<std::byte>(*value));
    }
    return bytes;
}

}  // namespace softmetal::gdb_stub
