// The contract of every device: it can be reset, and it can say its whole state.
//
// A device is a *chip* (a pure register machine: no lock, clock, bus or host inside, all handed in) and a
// *wiring* class that locks, attaches to a bus, owns timers and drives lines. The wiring implements Device.
// Restoring is a static function `restore(resources, state)` of the wiring class that validates and yields a
// whole device or an Error.
#pragma once

#include "bus/saved_state.hpp"

#include <string_view>

namespace softmetal::bus {

class Device {
 public:
    virtual ~Device() = default;
    [[nodiscard]] virtual std::string_view name() const = 0;
    /// The platform reset line. Only while every vCPU is stopped.
    virtual void reset() = 0;
    /// Only while every vCPU is stopped. No default on purpose: a device that forgot its state must not
    /// compile.
    [[nodiscard]] virtual SavedState save() const = 0;
};

}  // namespace softmetal::bus
