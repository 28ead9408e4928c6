// Taking packets apart at their separators.
#pragma once

#include <string_view>

namespace softmetal::gdb_stub {

/// What comes before the first `separator`, or all; `text` keeps what comes behind it.
[[nodiscard]] inline std::string_view cut_until(std::string_view& text, char separator) {
    const auto at = text.find(separator);
    const std::string_view front = text.substr(0, at);
    text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
    return front;
}

/// What comes behind the first `separator`; empty where there is none.
[[nodiscard]] inline std::string_view cut_after(std::string_view text, char separator) {
    [[maybe_unused]] const std::string_view front = cut_until(text, separator);
    return text;
}

}  // namespace softmetal::gdb_stub
