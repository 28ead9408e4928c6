#include "devices/vga/edid.hpp"

#include <algorithm>
#include <initializer_list>
#include <numeric>
#include <string_view>

namespace softmetal::devices::vga {
namespace {

constexpr std::string_view maker = "SFT", name = "Softmetal";

/// Ch. 3.10.2: a mode in full.
struct Timing {
    u16 clock_10_khz, width, h_blank, h_front, h_sync, height, v_blank, v_front, v_sync;
};
/// VESA Display Monitor Timing Standard: 1024 by 768 at 60 Hz.
constexpr Timing preferred = {6500, 1024, 320, 24, 136, 768, 38, 3, 6};

enum class Aspect : u8 { to_16_10 = 0, to_4_3 = 1, to_5_4 = 2, to_16_9 = 3 };
struct StandardTiming {
    u16 width;
    Aspect aspect;
};
/// Ch. 3.9, all at 60 Hz.
constexpr StandardTiming standard_timings[] = {
    {1280, Aspect::to_16_9}, {1280, Aspect::to_16_10}, {1280, Aspect::to_5_4},  {1440, Aspect::to_16_10},
    {1600, Aspect::to_16_9}, {1600, Aspect::to_4_3},   {1920, Aspect::to_16_9}, {1920, Aspect::to_16_10},
};

constexpr u8 low(unsigned value) { return static_cast<u8>(value); }
constexpr u8 uppers(unsigned first, unsigned second) {
    return static_cast<u8>((first >> 8 & 0xf) << 4 | (second >> 8 & 0xf));
}

}  // namespace

std::array<u8, edid_size> edid() {
    std::array<u8, edid_size> block{};
    const auto put = [&block](std::size_t at, std::initializer_list<u8> bytes) {
        std::ranges::copy(bytes, block.begin() + static_cast<std::ptrdiff_t>(at));
    };
    put(0, {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0});
    // The maker's letters in five bits each; product and serial number; made in 2025; version 1.4.
    const unsigned letters = (maker[0] - '@') << 10 | (maker[1] - '@') << 5 | (maker[2] - '@');
    put(8, {low(letters >> 8), low(letters), 1, 0, 1, 0, 0, 0, 0, 2025 - 1990, 1, 4});
    // Digital, 8 bits a colour; size unknown; gamma 2.2; sRGB, and the first timing is the preferred one.
    put(20, {0xa0, 0, 0, 120, 0x06});
    put(25, {0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54});  // sRGB's primaries and white
    // Established: 640 by 480, 800 by 600 and 1024 by 768 at 60 Hz.
    put(35, {0x21, 0x08, 0});
    std::size_t at = 38;
    for (const StandardTiming& t : standard_timings) {
        put(at, {low(t.width / 8u - 31), low(static_cast<unsigned>(t.aspect) << 6)});
        at += 2;
    }
    constexpr u8 separate_sync = 0x18;
    const Timing& t = preferred;
    put(54, {low(t.clock_10_khz), low(t.clock_10_khz >> 8), low(t.width), low(t.h_blank),
             uppers(t.width, t.h_blank), low(t.height), low(t.v_blank), uppers(t.height, t.v_blank),
             low(t.h_front), low(t.h_sync), low(unsigned{t.v_front} << 4 | t.v_sync), 0, 0, 0, 0, 0, 0,
             separate_sync});
    constexpr u8 is_name = 0xfc, is_unused = 0x10;
    put(72, {0, 0, 0, is_name, 0});
    std::ranges::fill(block.begin() + 77, block.begin() + 90, u8{' '});
    std::ranges::copy(name, block.begin() + 77);
    block[77 + name.size()] = '\n';
    put(90, {0, 0, 0, is_unused});
    put(108, {0, 0, 0, is_unused});
    block.back() = low(0u - std::accumulate(block.begin(), block.end(), 0u));
    return block;
}

}  // namespace softmetal::devices::vga
