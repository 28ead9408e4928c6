// What a person does at keyboard and mouse, in terms of no particular keyboard or mouse.
#pragma once

#include "base/integers.hpp"

namespace softmetal::bus {

/// A key by its place: a usage of the USB HID Usage Tables' keyboard page (ch. 10). 4 is the key that has A
/// on an American keyboard, whatever is printed on it.
enum class Key : u8 {};

namespace pointer_button {
inline constexpr u8 left = 1u << 0, right = 1u << 1, middle = 1u << 2, back = 1u << 3, forward = 1u << 4;
inline constexpr u8 all = 0x1f;
}  // namespace pointer_button

/// Where the pointer is on a picture of `width` by `height`, and how far the wheel went since the last time:
/// positive is towards the person.
struct PointerState {
    u16 x = 0, y = 0, width = 0, height = 0;
    u8 buttons = 0;
    i8 wheel = 0;
    bool operator==(const PointerState&) const = default;
};

class InputSink {
 public:
    virtual ~InputSink() = default;
    /// Down again without up in between is the key's repetition. Any thread.
    virtual void key(Key key, bool down) = 0;
    virtual void pointer(const PointerState& state) = 0;
};

}  // namespace softmetal::bus
