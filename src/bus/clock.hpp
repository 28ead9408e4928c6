// Virtual time: the one clock that TSC, PIT, HPET, APIC timer, ACPI timer and RTC are all derived from.
#pragma once

#include "base/integers.hpp"

#include <functional>
#include <memory>

namespace softmetal::bus {

/// Nanoseconds of virtual time since the machine was created.
using Nanoseconds = u64;
inline constexpr Nanoseconds nanoseconds_per_second = 1'000'000'000;

class Clock {
 public:
    virtual ~Clock() = default;
    /// Never goes backwards; may be called from any thread.
    [[nodiscard]] virtual Nanoseconds now() const = 0;
};

/// One shot. The callback runs on the event-loop thread, no locks held.
class Timer {
 public:
    virtual ~Timer() = default;
    /// Fires at `deadline` of virtual time, at once if that has passed; replaces an earlier deadline. Any
    /// thread.
    virtual void arm(Nanoseconds deadline) = 0;
    /// A callback that has already begun may still be running when this returns. Any thread.
    virtual void disarm() = 0;
};

class TimerFactory {
 public:
    virtual ~TimerFactory() = default;
    [[nodiscard]] virtual std::unique_ptr<Timer> create_timer(std::function<void()> callback) = 0;
};

/// Virtual time stands still between the two. Only while every vCPU is stopped; one thread at a time.
class TimeControl {
 public:
    virtual ~TimeControl() = default;
    virtual void pause() = 0;
    virtual void resume() = 0;
};

}  // namespace softmetal::bus
