// The high precision event timer's state as saved.
#pragma once

#include "base/result.hpp"
#include "bus/saved_state.hpp"
#include "devices/hpet/hpet_chip.hpp"

namespace softmetal::devices {

[[nodiscard]] bus::SavedState save_hpet(const HpetChip::State& state);
[[nodiscard]] Result<HpetChip::State> load_hpet(const bus::SavedState& saved);

}  // namespace softmetal::devices
