#include "devices/hpet/hpet_chip.hpp"

#include "base/bits.hpp"

#include <algorithm>

namespace softmetal::devices {
namespace {

using namespace hpet;

/// In ticks; what lies beyond, a century, is never waited for.
constexpr u64 farthest = u64{1} << 58;

/// Ticks since `watched_from` where that lies one ahead: this very tick has been looked at.
constexpr u64 seen_already = ~u64{0};

using TimerState = HpetChip::TimerState;

u64 width_mask(const TimerState& t) { return t.configuration & timer::force_32 ? low_bits(32) : ~u64{0}; }

bool repeats(const TimerState& t) { return t.configuration & timer::periodic && t.period != 0; }

struct TimerRegister {
    unsigned index;
    u64 offset;  // in the timer's block
};

std::optional<TimerRegister> timer_register(u64 offset) {
    if (offset < reg::first_timer) return {};
    const u64 index = (offset - reg::first_timer) / reg::timer_stride;
    if (index >= timer_count) return {};
    return TimerRegister{static_cast<unsigned>(index), (offset - reg::first_timer) % reg::timer_stride};
}

}  // namespace

u64 HpetChip::counter(bus::Nanoseconds now) const {
    return enabled() ? state_.counter + (now - state_.started) / tick_nanoseconds : state_.counter;
}

u64 HpetChip::distance(const TimerState& t) { return (t.comparator - t.watched_from) & width_mask(t); }

bool HpetChip::asserts(unsigned index) const {
    return enabled() && state_.timers[index].configuration & timer::interrupt_enabled &&
           state_.timers[index].configuration & timer::level_triggered && state_.status & bit(index);
}

unsigned HpetChip::advance(bus::Nanoseconds now) {
    if (!enabled()) return 0;
    const u64 present = counter(now);
    unsigned edges = 0;
    for (unsigned i = 0; i < timer_count; i++) {
        TimerState& t = state_.timers[i];
        const u64 passed = present - t.watched_from;
        const u64 first = distance(t);
        if (passed == seen_already || passed < first) continue;
        if (repeats(t)) {
            // The accumulator moves on by whole periods to the next match after this moment.
            const u64 matches = (passed - first) / t.period + 1;
            t.comparator = (t.comparator + matches * t.period) & width_mask(t);
        }
        t.watched_from = present + 1;
        if (t.configuration & timer::level_triggered)
            state_.status |= bit(i);
        else if (t.configuration & timer::interrupt_enabled)
            edges |= 1u << i;
    }
    return edges;
}

std::optional<bus::Nanoseconds> HpetChip::next_match(bus::Nanoseconds now) const {
    std::optional<bus::Nanoseconds> next;
    if (!enabled()) return next;
    const u64 present = counter(now);
    for (unsigned i = 0; i < timer_count; i++) {
        const TimerState& t = state_.timers[i];
        const bool waits_for_software = t.configuration & timer::level_triggered && state_.status & bit(i);
        if (!(t.configuration & timer::interrupt_enabled) || waits_for_software) continue;
        const u64 passed = present - t.watched_from, whole = distance(t);
        if (passed != seen_already && whole <= passed) return now;
        // Where the match was this very tick, the next is a whole round ahead: of 64 bits, that is 0 here.
        const u64 ahead = whole - passed;
        if (ahead == 0 || ahead > farthest) continue;
        const u64 running = present - state_.counter;
        next = std::min(next.value_or(~u64{0}), state_.started + (running + ahead) * tick_nanoseconds);
    }
    return next;
}

u64 HpetChip::read_register(u64 offset, bus::Nanoseconds now) const {
    switch (offset) {
        case reg::capabilities: return capability::all;
        case reg::configuration: return state_.configuration;
        case reg::interrupt_status: return state_.status;
        case reg::counter: return counter(now);
        default: break;
    }
    const auto place = timer_register(offset);
    if (!place) return 0;
    const TimerState& t = state_.timers[place->index];
    if (place->offset == reg::timer_configuration)
        return t.configuration | timer::periodic_capable | timer::wide_capable |
               u64{routes_} << timer::route_capability_shift;
    return place->offset == reg::timer_comparator ? t.comparator & width_mask(t) : 0;
}

u64 HpetChip::read(u64 offset, unsigned width, bus::Nanoseconds now) const {
    const u64 value = read_register(offset & ~u64{7}, now);
    return width == 8 ? value : value >> (8 * (offset & 4)) & low_bits(32);
}

void HpetChip::write(u64 offset, unsigned width, u64 value, bus::Nanoseconds now) {
    const u64 whole = offset & ~u64{7};
    const unsigned shift = 8 * static_cast<unsigned>(offset & 4);
    const u64 written = width == 8 ? ~u64{0} : low_bits(32) << shift;
    value = width == 8 ? value : (value & low_bits(32)) << shift;
    const u64 merged = (read_register(whole, now) & ~written) | value;
    switch (whole) {
        case reg::configuration: return write_configuration(merged & configuration::writable, now);
        case reg::interrupt_status: state_.status &= ~value; return;
        case reg::counter:
            if (enabled()) return;
            state_.counter = merged;
            for (TimerState& t : state_.timers) t.watched_from = merged;
            return;
        default: break;
    }
    if (const auto place = timer_register(whole))
        write_timer(state_.timers[place->index], place->offset, merged, written, now);
}

void HpetChip::write_configuration(u64 value, bus::Nanoseconds now) {
    const u64 present = counter(now);
    state_.configuration = value;
    state_.counter = present;
    state_.started = now;
}

void HpetChip::write_timer(TimerState& t, u64 offset, u64 value, u64 written, bus::Nanoseconds now) {
    if (offset == reg::timer_configuration) {
        if (!(written & low_bits(32))) return;  // the upper half only reads
        t.sets_accumulator = value & timer::set_value;
        t.configuration = value & timer::writable;
        // A route that is not among the capabilities reads back as what it was not set to.
        if (!(routes_ & bit(static_cast<unsigned>(bits(value, timer::route_shift + 4, timer::route_shift)))))
            t.configuration &= ~timer::route;
        t.watched_from = counter(now);
    } else if (offset == reg::timer_comparator) {
        // ch. 2.3.9.2.2: in periodic mode a write sets the period, and with set_value the accumulator too.
        const bool periodic = t.configuration & timer::periodic;
        if (periodic) t.period = ((t.period & ~written) | (value & written)) & width_mask(t);
        if (!periodic || t.sets_accumulator) t.comparator = value & width_mask(t);
        t.sets_accumulator = false;
        t.watched_from = counter(now);
    }
}

}  // namespace softmetal::devices
