// What a device may ask of the whole machine: to go off or to reset. Any thread; takes effect soon after.
#pragma once

namespace softmetal::bus {

class PlatformControl {
 public:
    virtual ~PlatformControl() = default;
    virtual void request_power_off() = 0;
    virtual void request_reset() = 0;
};

}  // namespace softmetal::bus
