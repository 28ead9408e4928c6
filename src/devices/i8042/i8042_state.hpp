// The keyboard controller's saved state.
#pragma once

#include "base/result.hpp"
#include "bus/saved_state.hpp"
#include "devices/i8042/i8042_chip.hpp"

namespace softmetal::devices {

[[nodiscard]] bus::SavedState save_i8042(const I8042Chip::State& state);
[[nodiscard]] Result<I8042Chip::State> load_i8042(const bus::SavedState& saved);

}  // namespace softmetal::devices
