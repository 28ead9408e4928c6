// The saved state of a pair of 8259As.
#pragma once

#include "base/result.hpp"
#include "bus/saved_state.hpp"
#include "devices/pic8259/pic8259_chip.hpp"

namespace softmetal::devices {

struct Pic8259State {
    Pic8259Chip::State master, slave;
};

[[nodiscard]] bus::SavedState save_pic8259(const Pic8259State& state);
[[nodiscard]] Result<Pic8259State> load_pic8259(const bus::SavedState& saved);

}  // namespace softmetal::devices
