// The screen a kernel that is booted directly finds: a linear frame buffer, as firmware's video BIOS would
// have set it up.
#pragma once

#include "bus/address_space.hpp"

namespace softmetal::machine {

/// 32 bits a pixel: blue in the lowest byte, then green and red.
struct BootScreen {
    u64 address = 0;
    u32 width = 0, height = 0;
    [[nodiscard]] constexpr u32 line_bytes() const { return width * 4; }
};

/// Sets the adapter to `screen`'s size through its Bochs display interface and clears it.
void show_boot_screen(bus::AddressSpace& ports, const BootScreen& screen);

}  // namespace softmetal::machine
