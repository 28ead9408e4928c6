// Every character that a viewer can type must come out of the guest's keyboard: a small guest with the layout
// listens to the keys.
#include "display/keyboard_layout.hpp"
#include "display/keyboard_translator.hpp"

#include <gtest/gtest.h>
#include <map>
#include <optional>
#include <string>

namespace softmetal::display {
namespace {

using bus::Key;

constexpr u32 shift_l = 0xffe1, shift_r = 0xffe2, control_l = 0xffe3, caps_lock = 0xffe5, alt_r = 0xffea,
              level_3 = 0xfe03, return_key = 0xff0d;

/// What a system with this layout makes of keys.
class Listener {
 public:
    explicit Listener(const KeyboardLayout& layout, std::u32string dead)
        : layout_(layout), dead_(std::move(dead)) {}

    void hear(const std::vector<KeyEvent>& events) {
        for (const KeyEvent& e : events) {
            if (e.down) {
                down_.insert(e.key);
                press(e.key);
            } else {
                EXPECT_TRUE(down_.erase(e.key)) << "a key comes up that was not down";
            }
        }
    }
    [[nodiscard]] std::u32string take() { return std::exchange(text_, {}); }
    [[nodiscard]] const std::set<Key>& down() const { return down_; }
    [[nodiscard]] bool held(unsigned usage) const { return down_.contains(Key{static_cast<u8>(usage)}); }

 private:
    void press(Key key) {
        for (const auto& e : layout_.entries()) {
            if (Key{e.usage} != key || held(0xe0)) continue;  // with Control it is no character
            char32_t c = e.plain;
            if (held(0xe6))
                c = e.alt_graph;
            else if (held(0xe1) || held(0xe5))
                c = e.shifted;
            if (accent_)
                text_ += combined(std::exchange(accent_, U'\0'), c);
            else if (dead_.find(c) != std::u32string::npos)
                accent_ = c;
            else
                text_ += c;
        }
    }
    static char32_t combined(char32_t accent, char32_t letter) {
        if (letter == ' ') return accent;
        const std::map<std::pair<char32_t, char32_t>, char32_t> known = {
            {{U'´', 'e'}, U'é'}, {{'`', 'a'}, U'à'}, {{'^', 'O'}, U'Ô'}};
        const auto found = known.find({accent, letter});
        return found == known.end() ? U'?' : found->second;
    }

    const KeyboardLayout& layout_;
    std::u32string dead_;
    std::u32string text_;
    char32_t accent_ = 0;
    std::set<Key> down_;
};

u32 keysym(char32_t c) { return c < 0x100 || c == U'€' ? c : 0x0100'0000 + c; }

const std::u32string ascii = [] {
    std::u32string all;
    for (char32_t c = 0x20; c < 0x7f; ++c) all += c;
    return all;
}();

struct Layout {
    std::string_view name;
    std::u32string dead, characters;
};
const Layout layouts[] = {{"us", U"", ascii}, {"de", U"^´`", ascii + U"äöüÄÖÜß§°²³µ€´éàÔ"}};

TEST(Keyboard, EveryCharacterArrivesWhateverModifiersTheViewerHolds) {
    for (const Layout& layout : layouts) {
        const KeyboardLayout& keys = *KeyboardLayout::named(layout.name);
        KeyboardTranslator translator(keys);
        Listener guest(keys, layout.dead);
        for (const std::vector<u32>& held :
             {std::vector<u32>{}, {shift_l}, {shift_r}, {level_3}, {shift_l, alt_r}}) {
            for (const u32 modifier : held) guest.hear(translator.translate(modifier, true));
            const auto before = guest.down();
            for (const char32_t c : layout.characters) {
                guest.hear(translator.translate(keysym(c), true));
                EXPECT_EQ(guest.take(), std::u32string(1, c)) << layout.name << " " << static_cast<u32>(c);
                guest.hear(translator.translate(keysym(c), false));
                EXPECT_EQ(guest.down(), before);
            }
            for (const u32 modifier : held) guest.hear(translator.translate(modifier, false));
            EXPECT_TRUE(guest.down().empty());
        }
    }
}

TEST(Keyboard, ControlAndAltIsAltGrToSomeViewers) {
    const KeyboardLayout& de = *KeyboardLayout::named("de");
    KeyboardTranslator translator(de);
    Listener guest(de, U"^´`");
    guest.hear(translator.translate(control_l, true));
    guest.hear(translator.translate(alt_r, true));
    guest.hear(translator.translate('@', true));
    EXPECT_EQ(guest.take(), U"@");
    guest.hear(translator.translate('@', false));
    guest.hear(translator.translate(alt_r, false));
    guest.hear(translator.translate(control_l, false));
    EXPECT_TRUE(guest.down().empty());
}

TEST(Keyboard, ShortcutsKeepTheirModifiers) {
    KeyboardTranslator translator(*KeyboardLayout::named("us"));
    const auto key = [](unsigned usage, bool down) { return KeyEvent{Key{static_cast<u8>(usage)}, down}; };
    EXPECT_EQ(translator.translate(control_l, true), (std::vector{key(0xe0, true)}));
    EXPECT_EQ(translator.translate('c', true), (std::vector{key(0x06, true)}));
    EXPECT_EQ(translator.translate('c', true), (std::vector{key(0x06, true)}));  // it repeats
    EXPECT_EQ(translator.translate('c', false), (std::vector{key(0x06, false)}));
    EXPECT_EQ(translator.translate('c', false), std::vector<KeyEvent>{});
    EXPECT_EQ(translator.translate(return_key, true), (std::vector{key(0x28, true)}));
    EXPECT_EQ(translator.translate(caps_lock, true), std::vector<KeyEvent>{});
    EXPECT_EQ(translator.release_all(), (std::vector{key(0x28, false), key(0xe0, false)}));
    EXPECT_EQ(translator.release_all(), std::vector<KeyEvent>{});
}

TEST(Keyboard, AKeyThatIsUpUnderAnotherNameIsUp) {
    KeyboardTranslator translator(*KeyboardLayout::named("us"));
    Listener guest(*KeyboardLayout::named("us"), U"");
    guest.hear(translator.translate(shift_l, true));
    guest.hear(translator.translate('A', true));
    guest.hear(translator.translate(shift_l, false));
    guest.hear(translator.translate('a', true));  // repeated, and Shift is up by now
    guest.hear(translator.translate('a', false));
    EXPECT_EQ(guest.take(), U"Aa");
    EXPECT_TRUE(guest.down().empty());
}

TEST(Keyboard, UnknownKeysymsAreNoKeys) {
    KeyboardTranslator translator(*KeyboardLayout::named("us"));
    for (const u32 unknown : {0u, 0x7fu, 0xe4u, 0x20acu, 0x0100'4e00u, 0xffffffffu, 0xfe51u})
        EXPECT_EQ(translator.translate(unknown, true), std::vector<KeyEvent>{}) << unknown;
    EXPECT_FALSE(KeyboardLayout::named("fr"));
}

TEST(Keyboard, TheKeypadTypesDigitsWhateverNumLockIs) {
    KeyboardTranslator translator(*KeyboardLayout::named("us"));
    EXPECT_EQ(translator.translate(0xffb7, true), (std::vector{KeyEvent{Key{0x24}, true}}));  // KP_7
    EXPECT_EQ(translator.translate(0xff95, true), (std::vector{KeyEvent{Key{0x4a}, true}}));  // KP_Home
}

}  // namespace
}  // namespace softmetal::display
