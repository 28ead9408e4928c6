// The high precision event timer as a register machine: a counter and three comparators, all of them 64 bits
// wide and able to repeat (IA-PC HPET Specification 1.0a). Time is handed in.
#pragma once

#include "bus/clock.hpp"
#include "devices/hpet/hpet_registers.hpp"

#include <array>
#include <optional>

namespace softmetal::devices {

class HpetChip {
 public:
    struct TimerState {
        u64 configuration = 0;  // its writable bits
        u64 comparator = ~u64{0};
        u64 period = 0;
        bool sets_accumulator = false;  // timer::set_value was written, the comparator not yet
        u64 watched_from = 0;           // counter value from which on a match has not been looked for
    };
    struct State {
        u64 configuration = 0, status = 0;
        u64 counter = 0;  // while halted; at `started` while it runs
        bus::Nanoseconds started = 0;
        std::array<TimerState, hpet::timer_count> timers{};
    };

    /// `routes`: the I/O APIC's inputs that a timer may interrupt by.
    explicit HpetChip(u32 routes) : routes_(routes) {}
    HpetChip(u32 routes, const State& state) : routes_(routes), state_(state) {}
    [[nodiscard]] const State& state() const { return state_; }
    void reset() { state_ = {}; }

    /// `width` 4 or 8, aligned. advance() has been called.
    [[nodiscard]] u64 read(u64 offset, unsigned width, bus::Nanoseconds now) const;
    void write(u64 offset, unsigned width, u64 value, bus::Nanoseconds now);

    /// Lets time pass. Yields the timers, by bit, whose edge-triggered interrupt is due; matches that were
    /// missed since the last call are one.
    [[nodiscard]] unsigned advance(bus::Nanoseconds now);
    /// When the next match of a timer that interrupts will be.
    [[nodiscard]] std::optional<bus::Nanoseconds> next_match(bus::Nanoseconds now) const;

    /// Where a timer's interrupt goes: legacy replacement, an I/O APIC input, or nowhere.
    [[nodiscard]] bool replaces_legacy() const {
        return state_.configuration & hpet::configuration::legacy_replacement;
    }
    [[nodiscard]] unsigned route(unsigned timer) const {
        return static_cast<unsigned>((state_.timers[timer].configuration & hpet::timer::route) >>
                                     hpet::timer::route_shift);
    }
    [[nodiscard]] bool is_level_triggered(unsigned timer) const {
        return state_.timers[timer].configuration & hpet::timer::level_triggered;
    }
    /// Does a level-triggered interrupt hold the timer's line?
    [[nodiscard]] bool asserts(unsigned timer) const;

 private:
    [[nodiscard]] bool enabled() const { return state_.configuration & hpet::configuration::enabled; }
    [[nodiscard]] u64 counter(bus::Nanoseconds now) const;
    [[nodiscard]] u64 read_register(u64 offset, bus::Nanoseconds now) const;
    void write_configuration(u64 value, bus::Nanoseconds now);
    void write_timer(TimerState& timer, u64 offset, u64 value, u64 written, bus::Nanoseconds now);
    /// Counter ticks from `watched_from` to the next match.
    [[nodiscard]] static u64 distance(const TimerState& timer);

    u32 routes_;
    State state_;
};

}  // namespace softmetal::devices
