// The 16550A itself: registers, receive FIFO, interrupt priorities, loopback.
//
// A byte written leaves at once, so the transmitter is always empty. Received bytes are taken as whole
// characters without framing, parity or break errors; the only receive error is an overrun, which loopback
// alone can cause because the wiring offers no byte without room for it. The character timeout runs at the
// programmed speed.
#pragma once

#include "bus/clock.hpp"
#include "devices/uart16550/uart16550_registers.hpp"

#include <array>
#include <optional>
#include <utility>

namespace softmetal::devices {

class Uart16550Chip {
 public:
    struct State {
        u8 interrupt_enable = 0, line_control = 0, modem_control = 0, scratch = 0;
        u8 fifo_control = 0;  // enable and trigger level only
        u16 divisor = 12;     // 9600 baud; a reset leaves it alone
        u8 modem_inputs = 0;  // modem status' upper half as last seen
        u8 modem_deltas = 0;
        bool overrun = false;
        bool transmitter_empty_pending = false;  // the interrupt condition, not the status bit
        std::array<u8, uart::fifo_size> received{};
        u8 received_count = 0;
        std::optional<bus::Nanoseconds> timeout_at;  // when the waiting characters become a timeout
        bool timed_out = false;
    };

    Uart16550Chip();
    explicit Uart16550Chip(const State& state) : state_(state) {}

    void reset();
    /// Moves time on: a character timeout may come due.
    void advance(bus::Nanoseconds now);

    [[nodiscard]] u8 read(unsigned offset, bus::Nanoseconds now);
    /// Yields the byte that leaves on the wire, if one does.
    std::optional<u8> write(unsigned offset, u8 value, bus::Nanoseconds now);

    /// How many bytes the far side may send: none while the guest withholds RTS or listens to itself.
    [[nodiscard]] std::size_t receive_room() const;
    void receive(u8 byte, bus::Nanoseconds now);

    /// The IRQ line: the interrupt pin behind OUT2's gate, which loopback opens because it forces OUT2 off.
    [[nodiscard]] bool interrupt() const;
    /// Whether the pin went low for a moment since the last call: sending acknowledges the empty transmitter,
    /// which is then empty again.
    [[nodiscard]] bool take_dip() { return std::exchange(dipped_, false); }
    /// When advance() will change the interrupt; none where only accesses can.
    [[nodiscard]] std::optional<bus::Nanoseconds> next_event() const;

    [[nodiscard]] const State& state() const { return state_; }

 private:
    [[nodiscard]] bool fifos_enabled() const { return state_.fifo_control & uart::fifo::enable; }
    [[nodiscard]] std::size_t capacity() const { return fifos_enabled() ? uart::fifo_size : 1; }
    [[nodiscard]] std::size_t trigger_level() const;
    [[nodiscard]] u8 identification() const;
    [[nodiscard]] bus::Nanoseconds timeout_length() const;
    [[nodiscard]] u8 take_received(bus::Nanoseconds now);
    void clear_receiver();
    void restart_timeout(bus::Nanoseconds now);
    void write_fifo_control(u8 value);
    void update_modem_inputs();

    State state_;
    bool dipped_ = false;  // no state: the wiring takes it within the access
};

}  // namespace softmetal::devices
