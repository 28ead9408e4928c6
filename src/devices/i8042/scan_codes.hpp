// The scan codes of keys: the keyboard's own set 2, and set 1, which the controller translates it to (IBM
// Personal System/2 Hardware Interface Technical Reference, "Keyboards").
#pragma once

#include "bus/backends/input.hpp"

#include <array>
#include <cstddef>
#include <span>

namespace softmetal::devices {

/// The bytes that a keyboard sends; more than a few keys have more than one.
class ScanCode {
 public:
    static constexpr std::size_t longest = 8;
    [[nodiscard]] std::span<const u8> bytes() const { return std::span(bytes_).first(size_); }
    void add(u8 byte) { bytes_[size_++] = byte; }

 private:
    std::array<u8, longest> bytes_{};
    std::size_t size_ = 0;
};

inline constexpr u8 scan_code_break = 0xf0;  // before the code of a key that was released, in set 2

/// Empty where a keyboard of 105 keys has no such key, or says nothing of its release.
[[nodiscard]] ScanCode scan_code_set_2(bus::Key key, bool down);
[[nodiscard]] ScanCode scan_code_set_1(bus::Key key, bool down);

/// What the controller makes of a byte of set 2 that is not scan_code_break.
[[nodiscard]] u8 translate_to_set_1(u8 byte);

}  // namespace softmetal::devices
