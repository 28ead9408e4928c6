#include "devices/local_apic/apic_timer.hpp"

namespace softmetal::devices {

// SDM vol. 3, figure 10-10: bits 3, 1, 0; 0b111 divides by 1, the others by 2 to the power of value + 1.
u64 ApicTimer::divider() const {
    const u32 code = (state_.divide_configuration & 3) | (state_.divide_configuration & 8) >> 1;
    return u64{1} << ((code + 1) & 7);
}

bool ApicTimer::advance(bus::Nanoseconds now) {
    const auto when = expiry();
    if (!when || now < *when) return false;
    switch (state_.mode) {
        case Mode::periodic: state_.start += (now - state_.start) / period() * period(); break;
        case Mode::tsc_deadline: state_.tsc_deadline = 0; break;
        default: state_.counting = false; break;
    }
    return true;
}

std::optional<bus::Nanoseconds> ApicTimer::expiry() const {
    if (state_.mode == Mode::tsc_deadline) {
        if (state_.tsc_deadline == 0) return {};
        return state_.tsc_deadline_time;
    }
    if (!state_.counting) return {};
    if (state_.mode != Mode::periodic) return state_.start + period();
    const u64 merged = (shortest_interval + period() - 1) / period();
    return state_.start + (merged > 1 ? merged : 1) * period();
}

u32 ApicTimer::current_count(bus::Nanoseconds now) const {
    if (!state_.counting || state_.mode == Mode::tsc_deadline) return 0;
    const u64 ticks = (now - state_.start) / divider();
    if (state_.mode == Mode::periodic)
        return static_cast<u32>(state_.initial_count - ticks % state_.initial_count);
    return ticks < state_.initial_count ? static_cast<u32>(state_.initial_count - ticks) : 0;
}

void ApicTimer::set_initial_count(u32 count, bus::Nanoseconds now) {
    if (state_.mode == Mode::tsc_deadline) return;
    state_.initial_count = count;
    state_.counting = count != 0;
    state_.start = now;
}

void ApicTimer::set_divide_configuration(u32 value, bus::Nanoseconds now) {
    const u64 elapsed = state_.counting ? state_.initial_count - current_count(now) : 0;
    state_.divide_configuration = value & 0xb;
    // The count goes on from where it is. Virtual time may be younger than the new start: modular arithmetic.
    if (state_.counting) state_.start = now - elapsed * divider();
}

void ApicTimer::set_mode(Mode mode) {
    if ((mode == Mode::tsc_deadline) != (state_.mode == Mode::tsc_deadline)) {
        state_.counting = false;
        state_.initial_count = 0;
        state_.tsc_deadline = 0;
    }
    state_.mode = mode;
}

void ApicTimer::set_tsc_deadline(u64 tsc, bus::Nanoseconds time) {
    if (state_.mode != Mode::tsc_deadline) return;
    state_.tsc_deadline = tsc;
    state_.tsc_deadline_time = time;
}

}  // namespace softmetal::devices
