// The host kernel's random numbers.
#pragma once

#include <cstddef>
#include <span>

namespace softmetal::host {

void fill_random(std::span<std::byte> into);

}  // namespace softmetal::host
