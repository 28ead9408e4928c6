// Messages between our processes that are JSON, as text or as CBOR. Bytes that another process sent are a
// stranger's: what they hold is checked, and whatever the JSON library throws ends here.
#pragma once

#include "base/integers.hpp"

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

namespace softmetal::json_message {

/// As text; bytes that are not UTF-8 are replaced.
[[nodiscard]] inline std::vector<u8> write_text(const nlohmann::json& message) {
    const std::string text = message.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return {text.begin(), text.end()};
}

/// Text with bounded nesting: the library's writers recurse, and a process gone wrong must not exhaust its
/// parent's stack. Throws where it is none.
[[nodiscard]] inline nlohmann::json parse_text(std::span<const u8> bytes) {
    constexpr int deepest = 6;
    return nlohmann::json::parse(
        bytes.begin(), bytes.end(),
        [](int depth, nlohmann::json::parse_event_t, nlohmann::json&) { return depth <= deepest; });
}

/// From the parent only: the library's reader recurses as deep as the bytes say. Throws where it is none.
[[nodiscard]] inline nlohmann::json parse_cbor(std::span<const u8> bytes) {
    return nlohmann::json::from_cbor(bytes);
}

/// What `read` makes of a message; none where it throws what the library throws at one that is not what it
/// should be.
template <class T, class Read>
[[nodiscard]] std::optional<T> checked_read(Read read) {
    try {
        return read();
    } catch (const nlohmann::json::exception&) {
        return std::nullopt;
    } catch (const std::out_of_range&) {
        return std::nullopt;
    }
}

}  // namespace softmetal::json_message
