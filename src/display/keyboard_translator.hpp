// From what a viewer says was typed (X keysyms, as RFB sends them) to keys of the guest's keyboard.
//
// A viewer's keyboard may have another layout than the guest's: what counts is the character. Its modifiers
// reach the guest as they are, and are put aside for a moment where a character needs others.
#pragma once

#include "bus/backends/input.hpp"
#include "display/keyboard_layout.hpp"

#include <map>
#include <set>
#include <vector>

namespace softmetal::display {

struct KeyEvent {
    bus::Key key{};
    bool down = false;
    bool operator==(const KeyEvent&) const = default;
};

class KeyboardTranslator {
 public:
    explicit KeyboardTranslator(const KeyboardLayout& layout) : layout_(layout) {}

    [[nodiscard]] std::vector<KeyEvent> translate(u32 keysym, bool down);
    /// Everything that is down goes up.
    [[nodiscard]] std::vector<KeyEvent> release_all();

 private:
    using Events = std::vector<KeyEvent>;
    void press_character(u32 keysym, const TypedCharacter& character, Events& events);
    void press_with_modifiers(const KeyStroke& stroke, Events& events) const;

    const KeyboardLayout& layout_;
    std::map<u32, bus::Key> pressed_;  // by keysym
    std::set<bus::Key> modifiers_;     // that the viewer holds
};

}  // namespace softmetal::display
