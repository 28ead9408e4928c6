// The option ROM from which firmware starts a Linux image in real mode.
#pragma once

#include "base/integers.hpp"

#include <vector>

namespace softmetal::machine {

/// Its file of the firmware configuration device; firmware runs what lies in that folder.
inline constexpr const char* linux_rom_file = "genroms/softmetal-linux.rom";

[[nodiscard]] std::vector<u8> linux_rom();

}  // namespace softmetal::machine
