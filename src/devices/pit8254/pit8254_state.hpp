// The interval timer's saved state: the chip, and edges of IRQ 0 that are still to be delivered.
#pragma once

#include "base/result.hpp"
#include "bus/saved_state.hpp"
#include "devices/pit8254/pit8254_chip.hpp"

namespace softmetal::devices {

struct Pit8254State {
    Pit8254Chip::State chip;
    u64 backlog = 0;
    bus::Nanoseconds earliest_edge = 0;
};

inline constexpr u64 pit8254_maximum_backlog = 1000;

[[nodiscard]] bus::SavedState save_pit8254(const Pit8254State& state);
[[nodiscard]] Result<Pit8254State> load_pit8254(const bus::SavedState& saved);

}  // namespace softmetal::devices
