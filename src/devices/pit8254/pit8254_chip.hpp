// The 8254 interval timer: three counters behind four ports, and the PC's port 0x61 beside them, which gates
// counter 2 and shows its output.
#pragma once

#include "devices/pit8254/pit8254_counter.hpp"
#include "devices/tick_rate.hpp"

#include <array>

namespace softmetal::devices {

class Pit8254Chip {
 public:
    struct State {
        std::array<Pit8254Counter::State, pit::channel_count> counters;
        u8 port_b = 0;  // its writable bits
    };
    static constexpr TickRate rate{pit::frequency};

    Pit8254Chip();
    explicit Pit8254Chip(const State& state);

    void reset(bus::Nanoseconds now);
    void advance(bus::Nanoseconds now);

    [[nodiscard]] u8 read(unsigned port, bus::Nanoseconds now);
    void write(unsigned port, u8 value, bus::Nanoseconds now);
    [[nodiscard]] u8 read_port_b(bus::Nanoseconds now);
    void write_port_b(u8 value, bus::Nanoseconds now);

    [[nodiscard]] Pit8254Counter& counter(unsigned channel) { return counters_.at(channel); }
    [[nodiscard]] const Pit8254Counter& counter(unsigned channel) const { return counters_.at(channel); }
    [[nodiscard]] State state() const;

 private:
    void write_control(u8 value, u64 tick);

    std::array<Pit8254Counter, pit::channel_count> counters_;
    u8 port_b_ = 0;
};

}  // namespace softmetal::devices
