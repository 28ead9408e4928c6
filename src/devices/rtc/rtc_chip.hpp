// The MC146818A real-time clock and its CMOS memory, computed from virtual time.
//
// Its time is a number of seconds at an anchor in virtual time; while the guest sets it (B.SET) or holds the
// divider, the registers are plain memory.
#pragma once

#include "bus/clock.hpp"
#include "devices/rtc/calendar.hpp"
#include "devices/rtc/rtc_registers.hpp"

#include <array>
#include <optional>

namespace softmetal::devices {

class RtcChip {
 public:
    using Cmos = std::array<u8, rtc::cmos_size>;

    struct State {
        Cmos memory{};  // also registers A (without UIP), B and C, the alarm, and the time while it is held
        u8 index = 0;   // as written, with the NMI mask
        // At `anchor` the clock showed `anchor_seconds` (since 1970) and `anchor_fraction` nanoseconds.
        bus::Nanoseconds anchor = 0;
        i64 anchor_seconds = 0;
        u64 anchor_fraction = 0;
        unsigned weekday_shift = 0;
        bus::Nanoseconds seen = 0;  // up to here flags have been raised
    };

    /// `initial` gives the memory beyond the clock's own registers; `wall_clock` the time at `now`, in
    /// nanoseconds since 1970.
    RtcChip(const Cmos& initial, bus::Nanoseconds wall_clock, bus::Nanoseconds now);
    explicit RtcChip(const State& state) : state_(state) {}

    /// The reset pin: clears interrupt enables and flags, keeps the time and the memory.
    void reset();
    void advance(bus::Nanoseconds now);

    [[nodiscard]] u8 read(unsigned port, bus::Nanoseconds now);
    void write(unsigned port, u8 value, bus::Nanoseconds now);

    [[nodiscard]] bool interrupt() const {
        return state_.memory[rtc::register_c] & rtc::c::interrupt_request;
    }
    [[nodiscard]] bool masks_nmi() const { return state_.index & rtc::nmi_masked; }
    /// When advance() will change the interrupt; none where only accesses can.
    [[nodiscard]] std::optional<bus::Nanoseconds> next_event() const;

    [[nodiscard]] i64 seconds_since_1970(bus::Nanoseconds now) const;
    [[nodiscard]] const State& state() const { return state_; }

 private:
    [[nodiscard]] bool divider_runs() const;
    [[nodiscard]] bool updates() const;
    [[nodiscard]] u64 elapsed(bus::Nanoseconds now) const;
    [[nodiscard]] bus::Nanoseconds time_of_elapsed(u64 elapsed) const;
    [[nodiscard]] u64 period() const;
    [[nodiscard]] std::optional<u64> seconds_to_alarm(i64 after) const;
    [[nodiscard]] bool update_in_progress(bus::Nanoseconds now) const;

    [[nodiscard]] u8 read_register(unsigned index, bus::Nanoseconds now);
    void write_register(unsigned index, u8 value, bus::Nanoseconds now);
    void write_control(unsigned index, u8 value, bus::Nanoseconds now);
    void raise(u8 flags);
    void update_interrupt_request();
    void hold_time(bus::Nanoseconds now);
    void start_time(bus::Nanoseconds now, u64 fraction);

    State state_;
};

}  // namespace softmetal::devices
