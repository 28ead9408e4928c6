// What a processor sees of counter 2's output that polls it in port B until it rises.
//
// Such loops measure the processor's clock against the counter: they note the time after each poll that finds
// the output low, and take the last of these for the moment of the rise. On a machine polls follow one
// another in a microsecond. Here the processor may lie idle for milliseconds between two of them, because the
// host runs something else; the rise in that gap would seem to have been at its beginning, and the clock
// several times slower than it is. So a poll that comes late and would be the first to find the output high
// finds it low still, once: the loop then knows how late it is, and discards the measurement or does it
// right.
#pragma once

#include "bus/clock.hpp"

namespace softmetal::devices {

class PolledOutput {
 public:
    static constexpr bus::Nanoseconds late = 50'000;

    /// At each poll: the output's level, and what the processor is to see.
    [[nodiscard]] bool poll(bool high, bus::Nanoseconds now) {
        const bool hold_back = high && found_low_ && !held_back_ && now - last_ > late;
        held_back_ = high && (held_back_ || hold_back);
        found_low_ = !high || hold_back;
        last_ = now;
        return high && !hold_back;
    }

 private:
    bus::Nanoseconds last_ = 0;
    bool found_low_ = false, held_back_ = false;
};

}  // namespace softmetal::devices
