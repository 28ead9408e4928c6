// A timer that follows "the next moment something happens": it is armed only where that moment has changed.
#pragma once

#include "bus/clock.hpp"

#include <functional>
#include <memory>
#include <optional>

namespace softmetal::devices {

class DeadlineTimer {
 public:
    DeadlineTimer(bus::TimerFactory& timers, std::function<void()> callback)
        : timer_(timers.create_timer(std::move(callback))) {}

    // Both with the device's lock held.

    void set(std::optional<bus::Nanoseconds> deadline) {
        if (deadline == armed_) return;
        armed_ = deadline;
        if (deadline)
            timer_->arm(*deadline);
        else
            timer_->disarm();
    }
    /// First thing in the callback: the deadline is used up, even where it should come out the same again.
    void fired() { armed_.reset(); }

 private:
    std::unique_ptr<bus::Timer> timer_;
    std::optional<bus::Nanoseconds> armed_;
};

}  // namespace softmetal::devices
