#include "devices/pit8254/pit8254_chip.hpp"

namespace softmetal::devices {

using namespace pit;

namespace {

constexpr unsigned speaker_channel = 2;

}  // namespace

Pit8254Chip::Pit8254Chip() { reset(0); }

Pit8254Chip::Pit8254Chip(const State& state) : port_b_(state.port_b) {
    for (unsigned i = 0; i < channel_count; ++i) counters_[i] = Pit8254Counter(state.counters[i]);
}

/// The 8254 has no reset pin and its state is undefined until programmed; here nothing counts and channel 0's
/// output is high, so that programming it for mode 0 or 2 makes no edge.
void Pit8254Chip::reset(bus::Nanoseconds now) {
    constexpr u8 quiet =
        static_cast<u8>(Access::both_bytes) << control::access_shift | rate_generator << control::mode_shift;
    port_b_ = 0;
    for (unsigned i = 0; i < channel_count; ++i) {
        counters_[i].set_gate(i != speaker_channel, rate.ticks(now));
        counters_[i].set_control(quiet, rate.ticks(now));
    }
}

void Pit8254Chip::advance(bus::Nanoseconds now) {
    for (Pit8254Counter& counter : counters_) counter.advance(rate.ticks(now));
}

u8 Pit8254Chip::read(unsigned port, bus::Nanoseconds now) {
    advance(now);
    return port < channel_count ? counters_[port].read_count(rate.ticks(now)) : 0xff;
}

void Pit8254Chip::write(unsigned port, u8 value, bus::Nanoseconds now) {
    advance(now);
    if (port == control_port)
        write_control(value, rate.ticks(now));
    else if (port < channel_count)
        counters_[port].write_count(value, rate.ticks(now));
}

u8 Pit8254Chip::read_port_b(bus::Nanoseconds now) {
    advance(now);
    const u64 tick = rate.ticks(now);
    u8 value = port_b_;
    if (tick / port_b::refresh_ticks % 2) value |= port_b::refresh;
    if (counters_[speaker_channel].output(tick)) value |= port_b::timer2_output;
    return value;
}

void Pit8254Chip::write_port_b(u8 value, bus::Nanoseconds now) {
    advance(now);
    port_b_ = value & port_b::writable;
    counters_[speaker_channel].set_gate(value & port_b::timer2_gate, rate.ticks(now));
}

Pit8254Chip::State Pit8254Chip::state() const {
    State state;
    for (unsigned i = 0; i < channel_count; ++i) state.counters[i] = counters_[i].state();
    state.port_b = port_b_;
    return state;
}

void Pit8254Chip::write_control(u8 value, u64 tick) {
    const unsigned channel = value >> control::channel_shift;
    if (channel == control::read_back) {
        for (unsigned i = 0; i < channel_count; ++i) {
            if (!(value >> (i + 1) & 1)) continue;
            if (!(value & control::skip_count)) counters_[i].latch_count(tick);
            if (!(value & control::skip_status)) counters_[i].latch_status(tick);
        }
    } else if (static_cast<Access>(value >> control::access_shift & 3) == Access::latch) {
        counters_[channel].latch_count(tick);
    } else {
        counters_[channel].set_control(value, tick);
    }
}

}  // namespace softmetal::devices
