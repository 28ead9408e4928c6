// A free-running counter that is computed from virtual time instead of being ticked.
#pragma once

#include "bus/clock.hpp"

namespace softmetal::devices {

struct TickRate {
    u64 hertz;

    /// Whole ticks since virtual time 0. Exact: no rounding builds up, nothing overflows.
    [[nodiscard]] constexpr u64 ticks(bus::Nanoseconds time) const {
        return time / second * hertz + time % second * hertz / second;
    }
    /// The first moment at which ticks() says `tick`.
    [[nodiscard]] constexpr bus::Nanoseconds time_of(u64 tick) const {
        return tick / hertz * second + (tick % hertz * second + hertz - 1) / hertz;
    }

 private:
    static constexpr u64 second = bus::nanoseconds_per_second;
};

}  // namespace softmetal::devices
