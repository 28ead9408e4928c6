// The formats that a floppy disk image's size tells.
#pragma once

#include "devices/floppy/floppy_registers.hpp"

#include <initializer_list>
#include <optional>

namespace softmetal::devices::floppy {

struct Format {
    u64 bytes = 0;
    u8 cylinders = 0, heads = 0, sectors = 0;
    u8 rate = 0;       // as in the data rate register
    u8 cmos_type = 0;  // of the smallest drive that takes it: what firmware finds in CMOS byte 0x10
};

inline constexpr Format formats[] = {
    {1474560, 80, 2, 18, 0, 4}, {1228800, 80, 2, 15, 0, 2}, {737280, 80, 2, 9, 2, 3},
    {368640, 40, 2, 9, 2, 1},   {2949120, 80, 2, 36, 3, 5}, {1720320, 80, 2, 21, 0, 4},
    {327680, 40, 2, 8, 2, 1},   {184320, 40, 1, 9, 2, 1},   {163840, 40, 1, 8, 2, 1},
};

[[nodiscard]] constexpr std::optional<Format> exact_format_of(u64 bytes) {
    for (const Format& format : formats)
        if (format.bytes == bytes) return format;
    return {};
}

/// An image of no format's size is the beginning of a disk of 1.44 MB or, where that is too small, 2.88 MB:
/// rescue floppies come without the sectors that nothing is on.
[[nodiscard]] constexpr std::optional<Format> format_of(u64 bytes) {
    if (const auto exact = exact_format_of(bytes)) return exact;
    for (const u64 size : {1474560, 2949120})
        if (bytes != 0 && bytes < size) return exact_format_of(size);
    return {};
}

}  // namespace softmetal::devices::floppy
