// Which key of a keyboard with a certain layout, with which modifiers, gives a character.
#pragma once

#include "bus/backends/input.hpp"

#include <optional>
#include <span>
#include <string_view>

namespace softmetal::display {

/// How a character is typed.
struct KeyStroke {
    bus::Key key{};
    bool shift = false, alt_graph = false;
    bool operator==(const KeyStroke&) const = default;
};

/// A dead key shows nothing and changes the letter behind it; alone it needs a space behind it.
struct TypedCharacter {
    std::optional<KeyStroke> dead;
    KeyStroke key;
    bool operator==(const TypedCharacter&) const = default;
};

class KeyboardLayout {
 public:
    /// One key: what it gives alone, with Shift and with AltGr; 0: nothing.
    struct Entry {
        u8 usage;
        char32_t plain, shifted, alt_graph;
    };

    /// Null where there is none of that name.
    [[nodiscard]] static const KeyboardLayout* named(std::string_view name);
    [[nodiscard]] static std::span<const std::string_view> names();

    /// None where the layout has no such character.
    [[nodiscard]] std::optional<TypedCharacter> find(char32_t character) const;
    /// A dead key by its accent, without anything behind it.
    [[nodiscard]] std::optional<KeyStroke> find_dead(char32_t accent) const;
    [[nodiscard]] std::span<const Entry> entries() const { return entries_; }

    constexpr KeyboardLayout(std::span<const Entry> entries, std::u32string_view dead)
        : entries_(entries), dead_(dead) {}

 private:
    [[nodiscard]] std::optional<KeyStroke> stroke(char32_t character) const;

    std::span<const Entry> entries_;
    std::u32string_view dead_;  // which of its characters are on dead keys
};

}  // namespace softmetal::display
