#include "memory_size.hpp"

#include "base/address.hpp"
#include "base/bits.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <fmt/format.h>

namespace softmetal {
namespace {

constexpr u64 mebibyte = u64{1} << 20;
constexpr u64 minimum_guest_memory = 4 * mebibyte;
constexpr std::string_view suffixes = "KMGT";  // 2^10, 2^20...

}  // namespace

Result<u64> parse_memory_size(std::string_view text) {
    const auto malformed = [&] {
        return fail(fmt::format("'{}' is not an amount of memory; write it like 512M or 2G", text));
    };
    u64 number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc::result_out_of_range) return fail(fmt::format("'{}' is too much memory", text));
    if (error != std::errc{}) return malformed();
    std::string suffix(end, text.data() + text.size());
    std::ranges::transform(suffix, suffix.begin(), [](unsigned char c) { return std::toupper(c); });
    if (suffix.empty() || suffix == "B") return number;
    const std::size_t power = suffixes.find(suffix[0]);
    const std::string_view rest = std::string_view(suffix).substr(1);
    if (power == std::string_view::npos || !(rest.empty() || rest == "B" || rest == "IB")) return malformed();
    const unsigned shift = 10 * (static_cast<unsigned>(power) + 1);
    if (number > low_bits(64 - shift)) return fail(fmt::format("'{}' is too much memory", text));
    return number << shift;
}

std::string format_memory_size(u64 bytes) {
    std::size_t unit = 0;
    for (; unit < suffixes.size() && bytes != 0 && bytes % 1024 == 0; ++unit) bytes /= 1024;
    return unit == 0 ? fmt::format("{} bytes", bytes) : fmt::format("{}{}", bytes, suffixes[unit - 1]);
}

Result<> check_guest_memory(u64 bytes, u64 host_bytes) {
    if (bytes < minimum_guest_memory)
        return fail(fmt::format("{} of memory is too little for a guest; the least is {}",
                                format_memory_size(bytes), format_memory_size(minimum_guest_memory)));
    if (bytes % page_size != 0)
        return fail(fmt::format("{} of memory is not a whole number of 4K pages", format_memory_size(bytes)));
    if (bytes > host_bytes)
        return fail(fmt::format("{} of memory is more than this host's {} MiB of memory and swap",
                                format_memory_size(bytes), host_bytes / mebibyte));
    return {};
}

}  // namespace softmetal
