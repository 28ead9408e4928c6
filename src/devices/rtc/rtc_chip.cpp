#include "devices/rtc/rtc_chip.hpp"

#include "devices/tick_rate.hpp"

#include <algorithm>
#include <utility>

namespace softmetal::devices {

using namespace rtc;

namespace {

constexpr u64 second = bus::nanoseconds_per_second;
constexpr u64 seconds_per_day = 86'400;
constexpr TickRate oscillator{oscillator_hz};

constexpr bool is_time(unsigned index) {
    switch (index) {
        case seconds:
        case minutes:
        case hours:
        case day_of_week:
        case day_of_month:
        case month:
        case year:
        case century: return true;
        default: return false;
    }
}

u8& time_register(TimeRegisters& r, unsigned index) {
    switch (index) {
        case seconds: return r.second;
        case minutes: return r.minute;
        case hours: return r.hour;
        case day_of_week: return r.day_of_week;
        case day_of_month: return r.day_of_month;
        case month: return r.month;
        case year: return r.year;
        default: return r.century;
    }
}

constexpr unsigned time_indices[] = {seconds,      minutes, hours, day_of_week,
                                     day_of_month, month,   year,  century};

TimeRegisters held_time(const RtcChip::Cmos& memory) {
    TimeRegisters r;
    for (const unsigned index : time_indices) time_register(r, index) = memory[index];
    return r;
}

constexpr bool alarm_matches(u8 alarm, u8 value) {
    return (alarm & alarm_any) == alarm_any || alarm == value;
}

}  // namespace

RtcChip::RtcChip(const Cmos& initial, bus::Nanoseconds wall_clock, bus::Nanoseconds now) {
    constexpr u8 rate_1024_hz = 6;
    state_.memory = initial;
    std::fill_n(state_.memory.begin(), register_d + 1, u8{0});
    state_.memory[register_a] = a::divider_32768_hz | rate_1024_hz;
    state_.memory[register_b] = b::hours_24;
    state_.anchor = state_.seen = now;
    state_.anchor_seconds = static_cast<i64>(wall_clock / second);
    state_.anchor_fraction = wall_clock % second;
}

void RtcChip::reset() {
    state_.memory[register_b] &=
        static_cast<u8>(~(b::periodic_interrupt | b::alarm_interrupt | b::update_interrupt | b::square_wave));
    state_.memory[register_c] = 0;
    state_.index = 0;
}

void RtcChip::advance(bus::Nanoseconds now) {
    if (now <= state_.seen) return;
    const u64 before = elapsed(state_.seen), after = elapsed(now);
    u8 flags = 0;
    if (const u64 ticks = period();
        divider_runs() && ticks && oscillator.ticks(after) / ticks != oscillator.ticks(before) / ticks)
        flags |= c::periodic;
    if (updates() && after / second != before / second) {
        flags |= c::update;
        const i64 shown = state_.anchor_seconds + static_cast<i64>(before / second);
        const auto alarm = seconds_to_alarm(shown);
        if (alarm && *alarm <= after / second - before / second) flags |= c::alarm;
    }
    state_.seen = now;
    raise(flags);
}

u8 RtcChip::read(unsigned port, bus::Nanoseconds now) {
    advance(now);
    if (port == index_port) return 0xff;  // write only
    return read_register(state_.index & ~nmi_masked, now);
}

void RtcChip::write(unsigned port, u8 value, bus::Nanoseconds now) {
    advance(now);
    if (port == index_port)
        state_.index = value;
    else
        write_register(state_.index & ~nmi_masked, value, now);
}

std::optional<bus::Nanoseconds> RtcChip::next_event() const {
    // A flag that is up already can change nothing more.
    const u8 awaited = state_.memory[register_b] & ~state_.memory[register_c] & c::flags;
    const u64 before = elapsed(state_.seen);
    std::optional<u64> next;
    const auto consider = [&](u64 moment) { next = next ? std::min(*next, moment) : moment; };
    if (const u64 ticks = period(); awaited & c::periodic && divider_runs() && ticks)
        consider(oscillator.time_of((oscillator.ticks(before) / ticks + 1) * ticks));
    if (awaited & c::update && updates()) consider((before / second + 1) * second);
    if (awaited & c::alarm && updates())
        if (const auto alarm = seconds_to_alarm(state_.anchor_seconds + static_cast<i64>(before / second)))
            consider((before / second + *alarm) * second);
    if (!next) return {};
    return time_of_elapsed(*next);
}

i64 RtcChip::seconds_since_1970(bus::Nanoseconds now) const {
    if (!updates()) return to_seconds(held_time(state_.memory), state_.memory[register_b]);
    return state_.anchor_seconds + static_cast<i64>(elapsed(now) / second);
}

bool RtcChip::divider_runs() const { return (state_.memory[register_a] & a::divider) == a::divider_32768_hz; }
bool RtcChip::updates() const { return divider_runs() && !(state_.memory[register_b] & b::set); }

/// Nanoseconds since the clock showed `anchor_seconds` exactly: what the divider chain counts.
u64 RtcChip::elapsed(bus::Nanoseconds now) const {
    return std::max(now, state_.anchor) - state_.anchor + state_.anchor_fraction;
}
bus::Nanoseconds RtcChip::time_of_elapsed(u64 moment) const {
    return state_.anchor + (moment - state_.anchor_fraction);
}

/// Of the periodic interrupt, in ticks of the oscillator; 0: none (datasheet, table 4).
u64 RtcChip::period() const {
    const unsigned rate = state_.memory[register_a] & a::rate_select;
    if (rate == 0) return 0;
    return u64{1} << (rate <= 2 ? rate + 6 : rate - 1);
}

/// From the second `after` on, excluded, to the first that matches the alarm; at most a day.
std::optional<u64> RtcChip::seconds_to_alarm(i64 after) const {
    const Cmos& m = state_.memory;
    const u8 mode = m[register_b];
    const i64 in_day = after % static_cast<i64>(seconds_per_day);
    const u64 start = static_cast<u64>(in_day < 0 ? in_day + static_cast<i64>(seconds_per_day) : in_day) + 1;
    for (u64 s = start; s < start + seconds_per_day;) {
        const auto hour = static_cast<unsigned>(s / 3600 % 24), minute = static_cast<unsigned>(s / 60 % 60);
        if (!alarm_matches(m[hours_alarm], encode_hour(hour, mode)))
            s = (s / 3600 + 1) * 3600;
        else if (!alarm_matches(m[minutes_alarm], encode(minute, mode)))
            s = (s / 60 + 1) * 60;
        else if (!alarm_matches(m[seconds_alarm], encode(static_cast<unsigned>(s % 60), mode)))
            ++s;
        else
            return s - start + 1;
    }
    return {};
}

bool RtcChip::update_in_progress(bus::Nanoseconds now) const {
    return updates() && elapsed(now) % second >= second - update_window_ns;
}

u8 RtcChip::read_register(unsigned index, bus::Nanoseconds now) {
    u8& stored = state_.memory[index];
    if (is_time(index)) {
        if (!updates()) return stored;
        TimeRegisters shown =
            to_registers(seconds_since_1970(now), state_.weekday_shift, state_.memory[register_b]);
        return time_register(shown, index);
    }
    switch (index) {
        case register_a: return stored | (update_in_progress(now) ? a::update_in_progress : 0);
        case register_c: return std::exchange(stored, u8{0});
        case register_d: return d::valid_ram_and_time;
        default: return stored;
    }
}

void RtcChip::write_register(unsigned index, u8 value, bus::Nanoseconds now) {
    if (is_time(index)) {
        const bool running = updates();
        if (running) hold_time(now);
        state_.memory[index] = value;
        if (running) start_time(now, elapsed(now) % second);
        return;
    }
    switch (index) {
        case register_a:
        case register_b: write_control(index, value, now); return;
        case register_c:
        case register_d: return;
        default: state_.memory[index] = value; return;
    }
}

/// Registers A and B decide between them whether the clock runs.
void RtcChip::write_control(unsigned index, u8 value, bus::Nanoseconds now) {
    const bool updated = updates(), divider_ran = divider_runs();
    const u8 stored = index == register_a ? value & ~a::update_in_progress : value;
    Cmos& memory = state_.memory;
    const u8 before = std::exchange(memory[index], stored);
    const bool updates_now = updates();
    if (updated && !updates_now) {
        memory[index] = before;  // hold what the registers showed, in the form they showed it
        hold_time(now);
        memory[index] = stored;
    }
    if (memory[register_b] & b::set) memory[register_b] &= static_cast<u8>(~b::update_interrupt);
    if (!divider_ran && divider_runs()) {
        // The first update comes half a second after the divider's release (datasheet, "Divider control").
        state_.anchor = now;
        state_.anchor_fraction = second / 2;
    }
    if (!updated && updates_now) start_time(now, elapsed(now) % second);
    update_interrupt_request();
}

void RtcChip::raise(u8 flags) {
    state_.memory[register_c] |= flags;
    update_interrupt_request();
}

void RtcChip::update_interrupt_request() {
    u8& flags = state_.memory[register_c];
    const bool requested = flags & state_.memory[register_b] & c::flags;
    flags = static_cast<u8>((flags & c::flags) | (requested ? c::interrupt_request : 0));
}

void RtcChip::hold_time(bus::Nanoseconds now) {
    TimeRegisters shown = to_registers(state_.anchor_seconds + static_cast<i64>(elapsed(now) / second),
                                       state_.weekday_shift, state_.memory[register_b]);
    for (const unsigned index : time_indices) state_.memory[index] = time_register(shown, index);
}

/// The clock runs on from what the registers hold, `fraction` nanoseconds into that second.
void RtcChip::start_time(bus::Nanoseconds now, u64 fraction) {
    const TimeRegisters held = held_time(state_.memory);
    const u8 mode = state_.memory[register_b];
    state_.anchor = now;
    state_.anchor_seconds = to_seconds(held, mode);
    state_.anchor_fraction = fraction;
    state_.weekday_shift = weekday_shift(held, mode);
}

}  // namespace softmetal::devices
