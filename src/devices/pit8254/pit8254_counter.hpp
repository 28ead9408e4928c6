// One of the 8254's three counters, computed from the tick count instead of being ticked.
//
// `tick` is the number of input clocks since virtual time 0; it never goes back. A count is loaded by the
// clock after it was written, as in the chip, so mode 0 ends N + 1 clocks after the write.
#pragma once

#include "devices/pit8254/pit8254_registers.hpp"

#include <optional>

namespace softmetal::devices {

class Pit8254Counter {
 public:
    struct State {
        u8 mode = pit::interrupt_on_terminal_count;
        pit::Access access = pit::Access::both_bytes;
        bool bcd = false;
        bool gate = true;
        // The count register and the way to and from it.
        u16 count_register = 0;
        u8 low_byte = 0;  // of a count whose high byte is still to come
        bool writes_high_next = false, reads_high_next = false;
        std::optional<u16> latched_count;
        std::optional<u8> latched_status;
        // The counting element.
        bool waiting = false;  // a whole count is in the register and not yet in the counting element
        bool loaded = false;   // it counts, or would if the gate let it
        bool paused = false;   // by the gate
        bool low_while_loading = false;  // a one-shot triggered again before it ended stays low
        u32 period = 0x10000;            // the count in effect
        u64 start = 0;                   // the tick at which `elapsed` clocks had been counted
        u64 elapsed = 0;
        // Rising edges of OUT that counting made, and the tick up to which they are counted.
        u64 rises = 0;
        u64 seen = 0;
    };

    Pit8254Counter() = default;
    explicit Pit8254Counter(const State& state) : state_(state) {}

    /// Moves time on. All that follows must be given the tick of the latest advance().
    void advance(u64 tick);

    void set_control(u8 control_word, u64 tick);
    void write_count(u8 value, u64 tick);
    [[nodiscard]] u8 read_count(u64 tick);
    void latch_count(u64 tick);
    void latch_status(u64 tick);
    void set_gate(bool high, u64 tick);

    [[nodiscard]] bool output(u64 tick) const;
    [[nodiscard]] bool periodic() const {
        return state_.mode == pit::rate_generator || state_.mode == pit::square_wave;
    }
    [[nodiscard]] u64 period() const { return state_.period; }
    /// How often OUT has risen by counting since the last call.
    [[nodiscard]] u64 take_rises();
    /// The tick of the next such rise; none where it needs a guest's doing first.
    [[nodiscard]] std::optional<u64> next_rise(u64 tick) const;

    [[nodiscard]] const State& state() const { return state_; }

 private:
    [[nodiscard]] u32 modulus() const { return state_.bcd ? 10'000 : 0x10000; }
    [[nodiscard]] u32 register_as_period() const;
    [[nodiscard]] u64 elapsed(u64 tick) const;
    [[nodiscard]] u16 count(u64 tick) const;
    [[nodiscard]] bool null_count(u64 tick) const;
    void count_written(u64 tick);
    void load(u64 tick);
    void apply_waiting_count(u64 tick);

    State state_;
};

}  // namespace softmetal::devices
