// The local APIC's timer (SDM vol. 3, ch. 10.5.4) as arithmetic on virtual time.
//
// Its input clock is 1 GHz: one tick before the divider is one nanosecond of virtual time. CPUID leaf 0x15
// must report the same as the core crystal clock.
#pragma once

#include "bus/clock.hpp"

#include <optional>

namespace softmetal::devices {

class ApicTimer {
 public:
    enum class Mode : u8 { one_shot = 0, periodic = 1, tsc_deadline = 2, reserved = 3 };

    /// A periodic timer interrupts at most this often (shorter periods merge), so that a guest cannot keep
    /// the event loop busy for ever with one register write.
    static constexpr bus::Nanoseconds shortest_interval = 50'000;

    struct State {
        Mode mode = Mode::one_shot;
        u32 initial_count = 0;
        u32 divide_configuration = 0;
        bool counting = false;
        bus::Nanoseconds start = 0;              // when the count was last equal to initial_count
        u64 tsc_deadline = 0;                    // as the guest wrote it; 0 is disarmed
        bus::Nanoseconds tsc_deadline_time = 0;  // the same in virtual time
    };

    ApicTimer() = default;
    explicit ApicTimer(const State& state) : state_(state) {}

    /// Lets time pass: true where the timer has expired since the last call. All other calls that take `now`
    /// expect this one first.
    [[nodiscard]] bool advance(bus::Nanoseconds now);
    /// When it will expire next; none where it is stopped.
    [[nodiscard]] std::optional<bus::Nanoseconds> expiry() const;

    [[nodiscard]] u32 current_count(bus::Nanoseconds now) const;
    void set_initial_count(u32 count, bus::Nanoseconds now);
    void set_divide_configuration(u32 value, bus::Nanoseconds now);
    /// Going to or from TSC-deadline mode disarms the timer.
    void set_mode(Mode mode);
    /// Ignored outside TSC-deadline mode. `time` is when the guest's TSC reaches `tsc`.
    void set_tsc_deadline(u64 tsc, bus::Nanoseconds time);

    [[nodiscard]] const State& state() const { return state_; }

 private:
    [[nodiscard]] u64 divider() const;
    [[nodiscard]] u64 period() const { return state_.initial_count * divider(); }
    State state_;
};

}  // namespace softmetal::devices
