#include "devices/pit8254/pit8254_counter.hpp"

#include <algorithm>
#include <utility>

namespace softmetal::devices {

using namespace pit;

namespace {

/// The clocks of a square wave's period during which OUT is high.
constexpr u64 high_part(u64 period) { return (period + 1) / 2; }

constexpr u32 from_bcd(u16 value) {
    return (value & 0xfu) + (value >> 4 & 0xfu) * 10 + (value >> 8 & 0xfu) * 100 + (value >> 12) * 1000u;
}
constexpr u16 to_bcd(u32 value) {
    return static_cast<u16>(value % 10 | value / 10 % 10 << 4 | value / 100 % 10 << 8 |
                            value / 1000 % 10 << 12);
}

}  // namespace

void Pit8254Counter::advance(u64 tick) {
    if (tick <= state_.seen) return;
    if (periodic() && state_.waiting && state_.loaded && !state_.paused) apply_waiting_count(tick);
    const u64 before = elapsed(state_.seen), after = elapsed(tick);
    state_.seen = tick;
    if (!state_.loaded || state_.paused) return;
    const u64 rise_at = state_.mode >= software_strobe ? u64{state_.period} + 1 : state_.period;
    if (periodic())
        state_.rises += after / rise_at - before / rise_at;
    else if (before < rise_at && after >= rise_at)
        ++state_.rises;
}

/// A count written to a running periodic counter takes effect at the end of the period, in a square wave of
/// the half period (datasheet, "Mode 2", "Mode 3").
void Pit8254Counter::apply_waiting_count(u64 tick) {
    const u64 before = elapsed(state_.seen);
    const u64 phase = before % state_.period;
    const bool in_high_half = state_.mode == square_wave && phase < high_part(state_.period);
    const u64 boundary = before - phase + (in_high_half ? high_part(state_.period) : state_.period);
    if (elapsed(tick) < boundary) return;
    const u64 boundary_tick = state_.start + (boundary - state_.elapsed);
    state_.waiting = false;
    state_.period = register_as_period();
    state_.start = state_.seen = boundary_tick;
    state_.elapsed = in_high_half ? high_part(state_.period) : 0;
    if (!in_high_half) ++state_.rises;
}

void Pit8254Counter::set_control(u8 control_word, u64 tick) {
    const u8 mode = control_word >> control::mode_shift & 7;
    State fresh;
    fresh.mode = mode > hardware_strobe ? mode & 3 : mode;
    fresh.access = static_cast<Access>(control_word >> control::access_shift & 3);
    fresh.bcd = control_word & control::bcd;
    fresh.gate = state_.gate;
    fresh.seen = fresh.start = tick;
    state_ = fresh;
}

void Pit8254Counter::write_count(u8 value, u64 tick) {
    switch (state_.access) {
        case Access::low_byte: state_.count_register = value; break;
        case Access::high_byte: state_.count_register = static_cast<u16>(value << 8); break;
        default:
            if (!std::exchange(state_.writes_high_next, !state_.writes_high_next)) {
                state_.low_byte = value;
                // Mode 0 stops at the first of two bytes and lowers OUT (datasheet, "Mode 0").
                if (state_.mode == interrupt_on_terminal_count) state_.loaded = false;
                return;
            }
            state_.count_register = static_cast<u16>(value << 8 | state_.low_byte);
    }
    count_written(tick);
}

u8 Pit8254Counter::read_count(u64 tick) {
    if (state_.latched_status) return *std::exchange(state_.latched_status, std::nullopt);
    const u16 value = state_.latched_count.value_or(count(tick));
    const u8 low = static_cast<u8>(value), high = static_cast<u8>(value >> 8);
    switch (state_.access) {
        case Access::low_byte: state_.latched_count.reset(); return low;
        case Access::high_byte: state_.latched_count.reset(); return high;
        default:
            if (!std::exchange(state_.reads_high_next, !state_.reads_high_next)) return low;
            state_.latched_count.reset();
            return high;
    }
}

void Pit8254Counter::latch_count(u64 tick) {
    if (!state_.latched_count) state_.latched_count = count(tick);
}

void Pit8254Counter::latch_status(u64 tick) {
    if (state_.latched_status) return;
    u8 value = static_cast<u8>(static_cast<u8>(state_.access) << control::access_shift |
                               state_.mode << control::mode_shift | (state_.bcd ? control::bcd : 0));
    if (output(tick)) value |= status::output;
    if (null_count(tick)) value |= status::null_count;
    state_.latched_status = value;
}

/// What the gate does in each mode: datasheet, figure 21.
void Pit8254Counter::set_gate(bool high, u64 tick) {
    if (high == state_.gate) return;
    if (!high && state_.mode != one_shot && state_.mode != hardware_strobe) {
        state_.elapsed = elapsed(tick);
        state_.paused = true;
    }
    if (high) {
        const bool reloads = state_.mode == one_shot || state_.mode == hardware_strobe || periodic();
        if (reloads && (state_.loaded || state_.waiting)) {
            state_.low_while_loading = state_.mode == one_shot && !output(tick);
            state_.paused = false;
            state_.gate = true;
            return load(tick);
        }
        if (state_.paused) state_.start = std::max(state_.start, tick);
        state_.paused = false;
    }
    state_.gate = high;
}

bool Pit8254Counter::output(u64 tick) const {
    const u64 counted = elapsed(tick);
    switch (state_.mode) {
        case interrupt_on_terminal_count: return state_.loaded && counted >= state_.period;
        case one_shot:
            if (!state_.loaded || counted >= state_.period) return true;
            return tick < state_.start && !state_.low_while_loading;
        case rate_generator:
            return !state_.gate || !state_.loaded || counted % state_.period != state_.period - 1;
        case square_wave:
            return !state_.gate || !state_.loaded || counted % state_.period < high_part(state_.period);
        default: return !state_.loaded || counted != state_.period;
    }
}

u64 Pit8254Counter::take_rises() { return std::exchange(state_.rises, 0); }

std::optional<u64> Pit8254Counter::next_rise(u64 tick) const {
    if (!state_.loaded || state_.paused) return {};
    const u64 counted = elapsed(tick);
    const auto tick_of = [&](u64 clocks) { return state_.start + (clocks - state_.elapsed); };
    if (periodic()) {
        const u64 period_start = counted - counted % state_.period;
        const bool in_high_half =
            state_.mode == square_wave && counted - period_start < high_part(state_.period);
        if (state_.waiting && in_high_half)  // the low half will be of the new period
            return tick_of(period_start + high_part(state_.period)) + register_as_period() / 2;
        return tick_of(period_start + state_.period);
    }
    const u64 rise_at = state_.mode >= software_strobe ? u64{state_.period} + 1 : state_.period;
    if (counted >= rise_at) return {};
    return tick_of(rise_at);
}

u32 Pit8254Counter::register_as_period() const {
    const u32 value =
        state_.bcd ? std::min(from_bcd(state_.count_register), modulus()) : state_.count_register;
    if (value == 0) return modulus();
    return periodic() ? std::max(value, 2u) : value;  // 1 is illegal there
}

u64 Pit8254Counter::elapsed(u64 tick) const {
    if (!state_.loaded || state_.paused || tick <= state_.start) return state_.elapsed;
    return state_.elapsed + (tick - state_.start);
}

/// What the counting element shows. A square wave counts twice by twos, an odd one from N - 1.
u16 Pit8254Counter::count(u64 tick) const {
    if (!state_.loaded) return 0;
    const u64 counted = elapsed(tick);
    u64 value = 0;
    if (state_.mode == square_wave) {
        const u64 phase = counted % state_.period, high = high_part(state_.period);
        value = (state_.period & ~1u) - 2 * (phase < high ? phase : phase - high);
    } else if (state_.mode == rate_generator) {
        value = state_.period - counted % state_.period;
    } else {
        value = modulus() + state_.period - counted % modulus();  // it goes on below zero
    }
    value %= modulus();
    return state_.bcd ? to_bcd(static_cast<u32>(value)) : static_cast<u16>(value);
}

bool Pit8254Counter::null_count(u64 tick) const {
    return !state_.loaded || state_.waiting || tick < state_.start;
}

void Pit8254Counter::count_written(u64 tick) {
    const bool by_trigger = state_.mode == one_shot || state_.mode == hardware_strobe;
    const bool at_period_end = periodic() && state_.loaded && !state_.paused;
    if (by_trigger || at_period_end)
        state_.waiting = true;
    else
        load(tick);
}

void Pit8254Counter::load(u64 tick) {
    state_.waiting = false;
    state_.loaded = true;
    state_.period = register_as_period();
    state_.start = tick + 1;
    state_.elapsed = 0;
    const bool counts_without_gate = state_.mode == one_shot || state_.mode == hardware_strobe;
    state_.paused = !state_.gate && !counts_without_gate;
}

}  // namespace softmetal::devices
