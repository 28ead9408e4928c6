#include "display/keyboard_translator.hpp"

#include <algorithm>
#include <optional>

namespace softmetal::display {
namespace {

using bus::Key;

constexpr auto left_control = Key{0xe0}, left_shift = Key{0xe1}, right_shift = Key{0xe5},
               right_alt = Key{0xe6};
constexpr unsigned first_modifier = 0xe0;

// Keysyms (X11's keysymdef.h): Latin-1 is itself, Unicode has an offset, the rest are tables.
constexpr u32 unicode_offset = 0x0100'0000, unicode_end = unicode_offset + 0x11'0000;
constexpr u32 euro = 0x20ac;
constexpr u32 keypad_0 = 0xffb0, keypad_9 = 0xffb9, keypad_decimal = 0xffae, keypad_separator = 0xffac;
constexpr u32 f1 = 0xffbe, f12 = 0xffc9;
constexpr u32 caps_lock = 0xffe5;

struct Named {
    u32 keysym;
    u8 usage;
};
// clang-format off
constexpr Named named[] = {
    {0xff08, 0x2a}, {0xff09, 0x2b}, {0xfe20, 0x2b}, {0xff0d, 0x28}, {0xff1b, 0x29},                  // BackSpace, Tab, ISO_Left_Tab, Return, Escape
    {0xff13, 0x48}, {0xff6b, 0x48}, {0xff14, 0x47}, {0xff15, 0x46}, {0xff61, 0x46}, {0xff7f, 0x53},  // Pause, Break, Scroll_Lock, Sys_Req, Print, Num_Lock
    {0xff50, 0x4a}, {0xff51, 0x50}, {0xff52, 0x52}, {0xff53, 0x4f}, {0xff54, 0x51},                  // Home, Left, Up, Right, Down
    {0xff55, 0x4b}, {0xff56, 0x4e}, {0xff57, 0x4d}, {0xff63, 0x49}, {0xffff, 0x4c}, {0xff67, 0x65},  // Page_Up, Page_Down, End, Insert, Delete, Menu
    {0xff8d, 0x58}, {0xffaa, 0x55}, {0xffab, 0x57}, {0xffad, 0x56}, {0xffaf, 0x54}, {0xff9d, 0x5d},  // keypad: Enter * + - / Begin
    {0xff95, 0x4a}, {0xff96, 0x50}, {0xff97, 0x52}, {0xff98, 0x4f}, {0xff99, 0x51},                  // and without Num Lock
    {0xff9a, 0x4b}, {0xff9b, 0x4e}, {0xff9c, 0x4d}, {0xff9e, 0x49}, {0xff9f, 0x4c},
    {0xffe1, 0xe1}, {0xffe2, 0xe5}, {0xffe3, 0xe0}, {0xffe4, 0xe4},                                  // Shift, Control
    {0xffe7, 0xe3}, {0xffe8, 0xe7}, {0xffe9, 0xe2}, {0xffea, 0xe6}, {0xffeb, 0xe3}, {0xffec, 0xe7},  // Meta, Alt, Super
    {0xfe03, 0xe6}, {0xff7e, 0xe6},                                                                  // ISO_Level3_Shift, Mode_switch
};
// clang-format on

std::optional<Key> named_key(u32 keysym) {
    for (const Named& n : named)
        if (n.keysym == keysym) return Key{n.usage};
    if (keysym >= f1 && keysym <= f12) return Key{static_cast<u8>(0x3a + keysym - f1)};
    return std::nullopt;
}

/// 0 where the keysym is no character.
char32_t character_of(u32 keysym) {
    if ((keysym >= 0x20 && keysym <= 0x7e) || (keysym >= 0xa0 && keysym <= 0xff) || keysym == euro)
        return keysym;
    if (keysym > unicode_offset && keysym < unicode_end) return keysym - unicode_offset;
    // Digits whatever the guest's Num Lock is.
    if (keysym >= keypad_0 && keysym <= keypad_9) return '0' + keysym - keypad_0;
    if (keysym == keypad_decimal) return '.';
    return keysym == keypad_separator ? ',' : 0;
}

/// The accent of a dead key's keysym.
char32_t accent_of(u32 keysym) {
    switch (keysym) {
        case 0xfe50: return '`';
        case 0xfe51: return U'´';
        case 0xfe52: return '^';
        default: return 0;
    }
}

bool is_modifier(Key key) { return static_cast<unsigned>(key) >= first_modifier; }

}  // namespace

std::vector<KeyEvent> KeyboardTranslator::translate(u32 keysym, bool down) {
    Events events;
    // The viewer's letters come in the case they are meant in: the guest's lock would turn them round.
    if (keysym == caps_lock) return events;
    if (!down) {
        const auto pressed = pressed_.find(keysym);
        if (pressed == pressed_.end()) return events;
        const Key key = pressed->second;
        pressed_.erase(pressed);
        const bool still_down = std::ranges::any_of(pressed_, [&](const auto& p) { return p.second == key; });
        if (still_down) return events;
        modifiers_.erase(key);
        events.push_back({key, false});
        return events;
    }
    if (const auto key = named_key(keysym)) {
        pressed_[keysym] = *key;
        if (is_modifier(*key)) modifiers_.insert(*key);
        events.push_back({*key, true});
    } else if (const auto dead = layout_.find_dead(accent_of(keysym))) {
        press_character(keysym, {std::nullopt, *dead}, events);
    } else if (const char32_t character = character_of(keysym)) {
        if (const auto typed = layout_.find(character)) press_character(keysym, *typed, events);
    }
    return events;
}

void KeyboardTranslator::press_character(u32 keysym, const TypedCharacter& character, Events& events) {
    const Key key = character.key.key;
    // Two characters of one key, one after the other: an "a" after "A" with the key not yet up.
    if (std::ranges::any_of(pressed_, [&](const auto& p) { return p.second == key && p.first != keysym; })) {
        std::erase_if(pressed_, [&](const auto& p) { return p.second == key; });
        events.push_back({key, false});
    }
    if (character.dead) {
        press_with_modifiers(*character.dead, events);
        events.push_back({character.dead->key, false});
    }
    press_with_modifiers(character.key, events);
    pressed_[keysym] = key;
}

/// Makes the modifiers what the key needs, presses it, and makes them what they were.
void KeyboardTranslator::press_with_modifiers(const KeyStroke& stroke, Events& events) const {
    Events before, after;
    const auto change = [&](Key key, bool down) {
        before.push_back({key, down});
        after.insert(after.begin(), {key, !down});
    };
    const bool alt_graph_held = modifiers_.contains(right_alt);
    const bool shift_held = modifiers_.contains(left_shift) || modifiers_.contains(right_shift);
    if (shift_held && !stroke.shift)
        for (const Key shift : {left_shift, right_shift})
            if (modifiers_.contains(shift)) change(shift, false);
    // Some viewers say Control and Alt for AltGr.
    if (alt_graph_held && modifiers_.contains(left_control)) change(left_control, false);
    if (alt_graph_held && !stroke.alt_graph) change(right_alt, false);
    if (!shift_held && stroke.shift) change(left_shift, true);
    if (!alt_graph_held && stroke.alt_graph) change(right_alt, true);
    events.insert(events.end(), before.begin(), before.end());
    events.push_back({stroke.key, true});
    events.insert(events.end(), after.begin(), after.end());
}

std::vector<KeyEvent> KeyboardTranslator::release_all() {
    Events events;
    std::set<Key> keys;
    for (const auto& [keysym, key] : pressed_) keys.insert(key);
    for (const Key key : keys) events.push_back({key, false});
    pressed_.clear();
    modifiers_.clear();
    return events;
}

}  // namespace softmetal::display
