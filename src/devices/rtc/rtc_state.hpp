// The real-time clock's saved state.
#pragma once

#include "base/result.hpp"
#include "bus/saved_state.hpp"
#include "devices/rtc/rtc_chip.hpp"

namespace softmetal::devices {

[[nodiscard]] bus::SavedState save_rtc(const RtcChip::State& state);
[[nodiscard]] Result<RtcChip::State> load_rtc(const bus::SavedState& saved);

}  // namespace softmetal::devices
