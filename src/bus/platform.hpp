// What a device may ask of the whole machine: to go off, to reset, or to end with a value of the guest's. Any
// thread; takes effect soon after.
#pragma once

#include "base/integers.hpp"

namespace softmetal::bus {

class PlatformControl {
 public:
    virtual ~PlatformControl() = default;
    virtual void request_power_off() = 0;
    virtual void request_reset() = 0;
    virtual void request_exit(u32 value) = 0;
};

}  // namespace softmetal::bus
