// One 8259A interrupt controller in 8086 mode, with the edge/level control register PCs put beside it.
#pragma once

#include "devices/pic8259/pic8259_registers.hpp"

#include <optional>

namespace softmetal::devices {

class Pic8259Chip {
 public:
    /// What the data port takes next.
    enum class Expects : u8 { operation = 0, icw2 = 1, icw3 = 2, icw4 = 3 };

    struct State {
        u8 mask = 0xff;          // undefined in the datasheet before initialization: quiet here
        u8 requests = 0;         // IRR
        u8 in_service = 0;       // ISR
        u8 lines = 0;            // the inputs as they are
        u8 level_triggered = 0;  // ELCR
        u8 vector_base = 0;
        u8 lowest_priority = 7;
        u8 cascade = 0;  // ICW3, kept only: the board's wiring decides
        Expects expects = Expects::operation;
        bool needs_icw4 = false, single = false;
        bool automatic_eoi = false, rotates_on_automatic_eoi = false, special_fully_nested = false;
        bool special_mask = false;
        bool reads_in_service = false;
        bool poll = false;  // the next read is an acknowledge
    };

    /// `slave_inputs`: on which inputs slaves hang; `level_capable`: which bits of ELCR can be set.
    Pic8259Chip(u8 slave_inputs, u8 level_capable)
        : slave_inputs_(slave_inputs), level_capable_(level_capable) {}
    Pic8259Chip(u8 slave_inputs, u8 level_capable, const State& state)
        : slave_inputs_(slave_inputs), level_capable_(level_capable), state_(state) {}

    /// Everything but the inputs, whose levels others hold.
    void reset();

    [[nodiscard]] u8 read(unsigned port);
    void write(unsigned port, u8 value);
    [[nodiscard]] u8 read_edge_level() const { return state_.level_triggered; }
    void write_edge_level(u8 value);

    void set_input(unsigned input, bool high);
    /// The INT pin.
    [[nodiscard]] bool interrupt() const { return best_request().has_value(); }

    struct Acknowledged {
        u8 vector = 0;
        u8 input = 0;
        bool spurious = false;  // nothing was requesting any more: input 7's vector, nothing in service
    };
    /// Both INTA pulses.
    Acknowledged acknowledge();

    [[nodiscard]] const State& state() const { return state_; }

 private:
    [[nodiscard]] std::optional<u8> best_request() const;
    [[nodiscard]] std::optional<u8> best_in_service() const;
    [[nodiscard]] unsigned by_priority(unsigned rank) const {
        return (state_.lowest_priority + 1 + rank) % 8;
    }
    void write_command(u8 value);
    void write_data(u8 value);
    void start_initialization(u8 icw1);
    void write_ocw2(u8 value);
    void write_ocw3(u8 value);
    void end_of_interrupt(std::optional<u8> input, bool rotate);

    u8 slave_inputs_, level_capable_;
    State state_;
};

}  // namespace softmetal::devices
