#include "display/keyboard_layout.hpp"

#include <array>

namespace softmetal::display {
namespace {

using Entry = KeyboardLayout::Entry;

// clang-format off
constexpr Entry us_entries[] = {
    {0x04, 'a', 'A', 0}, {0x05, 'b', 'B', 0}, {0x06, 'c', 'C', 0}, {0x07, 'd', 'D', 0}, {0x08, 'e', 'E', 0},
    {0x09, 'f', 'F', 0}, {0x0a, 'g', 'G', 0}, {0x0b, 'h', 'H', 0}, {0x0c, 'i', 'I', 0}, {0x0d, 'j', 'J', 0},
    {0x0e, 'k', 'K', 0}, {0x0f, 'l', 'L', 0}, {0x10, 'm', 'M', 0}, {0x11, 'n', 'N', 0}, {0x12, 'o', 'O', 0},
    {0x13, 'p', 'P', 0}, {0x14, 'q', 'Q', 0}, {0x15, 'r', 'R', 0}, {0x16, 's', 'S', 0}, {0x17, 't', 'T', 0},
    {0x18, 'u', 'U', 0}, {0x19, 'v', 'V', 0}, {0x1a, 'w', 'W', 0}, {0x1b, 'x', 'X', 0}, {0x1c, 'y', 'Y', 0},
    {0x1d, 'z', 'Z', 0}, {0x1e, '1', '!', 0}, {0x1f, '2', '@', 0}, {0x20, '3', '#', 0}, {0x21, '4', '$', 0},
    {0x22, '5', '%', 0}, {0x23, '6', '^', 0}, {0x24, '7', '&', 0}, {0x25, '8', '*', 0}, {0x26, '9', '(', 0},
    {0x27, '0', ')', 0}, {0x2c, ' ', ' ', 0}, {0x2d, '-', '_', 0}, {0x2e, '=', '+', 0}, {0x2f, '[', '{', 0},
    {0x30, ']', '}', 0}, {0x31, '\\', '|', 0}, {0x33, ';', ':', 0}, {0x34, '\'', '"', 0}, {0x35, '`', '~', 0},
    {0x36, ',', '<', 0}, {0x37, '.', '>', 0}, {0x38, '/', '?', 0},
};

constexpr Entry de_entries[] = {
    {0x04, 'a', 'A', 0}, {0x05, 'b', 'B', 0}, {0x06, 'c', 'C', 0}, {0x07, 'd', 'D', 0}, {0x08, 'e', 'E', U'€'},
    {0x09, 'f', 'F', 0}, {0x0a, 'g', 'G', 0}, {0x0b, 'h', 'H', 0}, {0x0c, 'i', 'I', 0}, {0x0d, 'j', 'J', 0},
    {0x0e, 'k', 'K', 0}, {0x0f, 'l', 'L', 0}, {0x10, 'm', 'M', U'µ'}, {0x11, 'n', 'N', 0}, {0x12, 'o', 'O', 0},
    {0x13, 'p', 'P', 0}, {0x14, 'q', 'Q', '@'}, {0x15, 'r', 'R', 0}, {0x16, 's', 'S', 0}, {0x17, 't', 'T', 0},
    {0x18, 'u', 'U', 0}, {0x19, 'v', 'V', 0}, {0x1a, 'w', 'W', 0}, {0x1b, 'x', 'X', 0}, {0x1c, 'z', 'Z', 0},
    {0x1d, 'y', 'Y', 0}, {0x1e, '1', '!', 0}, {0x1f, '2', '"', U'²'}, {0x20, '3', U'§', U'³'},
    {0x21, '4', '$', 0}, {0x22, '5', '%', 0}, {0x23, '6', '&', 0}, {0x24, '7', '/', '{'}, {0x25, '8', '(', '['},
    {0x26, '9', ')', ']'}, {0x27, '0', '=', '}'}, {0x2c, ' ', ' ', 0}, {0x2d, U'ß', '?', '\\'},
    {0x2e, U'´', '`', 0}, {0x2f, U'ü', U'Ü', 0}, {0x30, '+', '*', '~'}, {0x32, '#', '\'', 0},
    {0x33, U'ö', U'Ö', 0}, {0x34, U'ä', U'Ä', 0}, {0x35, '^', U'°', 0}, {0x36, ',', ';', 0},
    {0x37, '.', ':', 0}, {0x38, '-', '_', 0}, {0x64, '<', '>', '|'},
};

struct Accented {
    char32_t character, accent, letter;
};
constexpr Accented accented[] = {
    {U'á', U'´', 'a'}, {U'é', U'´', 'e'}, {U'í', U'´', 'i'}, {U'ó', U'´', 'o'}, {U'ú', U'´', 'u'}, {U'ý', U'´', 'y'},
    {U'Á', U'´', 'A'}, {U'É', U'´', 'E'}, {U'Í', U'´', 'I'}, {U'Ó', U'´', 'O'}, {U'Ú', U'´', 'U'}, {U'Ý', U'´', 'Y'},
    {U'à', '`', 'a'}, {U'è', '`', 'e'}, {U'ì', '`', 'i'}, {U'ò', '`', 'o'}, {U'ù', '`', 'u'},
    {U'À', '`', 'A'}, {U'È', '`', 'E'}, {U'Ì', '`', 'I'}, {U'Ò', '`', 'O'}, {U'Ù', '`', 'U'},
    {U'â', '^', 'a'}, {U'ê', '^', 'e'}, {U'î', '^', 'i'}, {U'ô', '^', 'o'}, {U'û', '^', 'u'},
    {U'Â', '^', 'A'}, {U'Ê', '^', 'E'}, {U'Î', '^', 'I'}, {U'Ô', '^', 'O'}, {U'Û', '^', 'U'},
};
// clang-format on

constexpr std::array<std::string_view, 2> layout_names = {"us", "de"};
constexpr KeyboardLayout us(us_entries, {});
constexpr KeyboardLayout de(de_entries, U"^´`");

}  // namespace

std::span<const std::string_view> KeyboardLayout::names() { return layout_names; }

const KeyboardLayout* KeyboardLayout::named(std::string_view name) {
    if (name == layout_names[0]) return &us;
    return name == layout_names[1] ? &de : nullptr;
}

std::optional<KeyStroke> KeyboardLayout::stroke(char32_t character) const {
    if (character == 0) return std::nullopt;
    for (const Entry& e : entries_) {
        if (e.plain == character) return KeyStroke{.key = bus::Key{e.usage}};
        if (e.shifted == character) return KeyStroke{.key = bus::Key{e.usage}, .shift = true};
        if (e.alt_graph == character) return KeyStroke{.key = bus::Key{e.usage}, .alt_graph = true};
    }
    return std::nullopt;
}

std::optional<KeyStroke> KeyboardLayout::find_dead(char32_t accent) const {
    if (dead_.find(accent) == std::u32string_view::npos) return std::nullopt;
    return stroke(accent);
}

std::optional<TypedCharacter> KeyboardLayout::find(char32_t character) const {
    if (const auto dead = find_dead(character)) return TypedCharacter{dead, *stroke(U' ')};
    if (const auto direct = stroke(character)) return TypedCharacter{std::nullopt, *direct};
    for (const Accented& a : accented)
        if (a.character == character)
            if (const auto dead = find_dead(a.accent)) return TypedCharacter{dead, *stroke(a.letter)};
    return std::nullopt;
}

}  // namespace softmetal::display
