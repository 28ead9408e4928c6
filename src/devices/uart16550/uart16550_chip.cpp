#include "devices/uart16550/uart16550_chip.hpp"

#include <algorithm>

namespace softmetal::devices {

using namespace uart;

namespace {

/// The far side is a terminal that is switched on and always ready.
constexpr u8 connected =
    modem_status_bit::clear_to_send | modem_status_bit::data_set_ready | modem_status_bit::carrier_detect;

}  // namespace

Uart16550Chip::Uart16550Chip() { state_.modem_inputs = connected; }

void Uart16550Chip::reset() {
    const u16 divisor = state_.divisor;
    const u8 kept_scratch = state_.scratch;
    *this = Uart16550Chip();
    state_.divisor = divisor;
    state_.scratch = kept_scratch;
}

void Uart16550Chip::advance(bus::Nanoseconds now) {
    if (!state_.timeout_at || now < *state_.timeout_at) return;
    state_.timeout_at.reset();
    state_.timed_out = true;
}

u8 Uart16550Chip::read(unsigned offset, bus::Nanoseconds now) {
    advance(now);
    const bool divisor_access = state_.line_control & line::divisor_access;
    switch (offset) {
        case receive_buffer: return divisor_access ? static_cast<u8>(state_.divisor) : take_received(now);
        case uart::interrupt_enable:
            return divisor_access ? static_cast<u8>(state_.divisor >> 8) : state_.interrupt_enable;
        case interrupt_identification: {
            const u8 shown = identification();
            // Being told of an empty transmitter acknowledges it (datasheet, table IV).
            if (shown == identification::transmitter_empty) state_.transmitter_empty_pending = false;
            return shown | (fifos_enabled() ? identification::fifos_enabled : 0);
        }
        case uart::line_control: return state_.line_control;
        case uart::modem_control: return state_.modem_control;
        case line_status: {
            u8 value = status::holding_empty | status::transmitter_empty;
            if (state_.received_count > 0) value |= status::data_ready;
            if (state_.overrun) value |= status::overrun;
            state_.overrun = false;
            return value;
        }
        case modem_status: {
            const u8 value = state_.modem_inputs | state_.modem_deltas;
            state_.modem_deltas = 0;
            return value;
        }
        default: return state_.scratch;
    }
}

std::optional<u8> Uart16550Chip::write(unsigned offset, u8 value, bus::Nanoseconds now) {
    advance(now);
    const bool divisor_access = state_.line_control & line::divisor_access;
    switch (offset) {
        case transmit_holding:
            if (divisor_access) {
                state_.divisor = static_cast<u16>((state_.divisor & 0xff00) | value);
                return {};
            }
            if (interrupt()) {
                state_.transmitter_empty_pending = false;
                dipped_ = !interrupt();
            }
            state_.transmitter_empty_pending = true;  // it emptied again at once
            if (!(state_.modem_control & modem::loopback)) return value;
            receive(value, now);
            return {};
        case uart::interrupt_enable:
            if (divisor_access) {
                state_.divisor = static_cast<u16>((state_.divisor & 0x00ff) | value << 8);
                return {};
            }
            // Enabling the interrupt while the transmitter is empty raises it: drivers start sending so.
            if (value & ~state_.interrupt_enable & enable::transmitter_empty)
                state_.transmitter_empty_pending = true;
            state_.interrupt_enable = value & enable::writable;
            return {};
        case uart::fifo_control: write_fifo_control(value); return {};
        case uart::line_control: state_.line_control = value; return {};
        case uart::modem_control:
            state_.modem_control = value & modem::writable;
            update_modem_inputs();
            return {};
        case uart::scratch: state_.scratch = value; return {};
        default: return {};
    }
}

std::size_t Uart16550Chip::receive_room() const {
    const bool listening =
        (state_.modem_control & (modem::request_to_send | modem::loopback)) == modem::request_to_send;
    return listening ? capacity() - std::min<std::size_t>(state_.received_count, capacity()) : 0;
}

void Uart16550Chip::receive(u8 byte, bus::Nanoseconds now) {
    if (state_.received_count >= capacity()) {
        // The FIFO keeps what it has; without it the new character replaces the unread one.
        state_.overrun = true;
        if (!fifos_enabled()) state_.received[0] = byte;
        return;
    }
    state_.received[state_.received_count++] = byte;
    if (!state_.timed_out) restart_timeout(now);  // once it has come, only reading ends it
}

bool Uart16550Chip::interrupt() const {
    const bool connected_to_line = (state_.modem_control & (modem::out2 | modem::loopback)) == modem::out2;
    return connected_to_line && identification() != identification::none;
}

std::optional<bus::Nanoseconds> Uart16550Chip::next_event() const {
    const bool would_interrupt = (state_.interrupt_enable & enable::received_data) != 0;
    return would_interrupt ? state_.timeout_at : std::nullopt;
}

std::size_t Uart16550Chip::trigger_level() const {
    return fifos_enabled() ? fifo::trigger_levels[state_.fifo_control >> fifo::trigger_shift] : 1;
}

u8 Uart16550Chip::identification() const {
    const u8 enabled = state_.interrupt_enable;
    if (enabled & enable::line_status && state_.overrun) return identification::line_status;
    if (enabled & enable::received_data) {
        if (state_.received_count >= trigger_level()) return identification::received_data;
        if (state_.timed_out) return identification::character_timeout;
    }
    if (enabled & enable::transmitter_empty && state_.transmitter_empty_pending)
        return identification::transmitter_empty;
    if (enabled & enable::modem_status && state_.modem_deltas) return identification::modem_status;
    return identification::none;
}

/// Four character times (datasheet, "FIFO interrupt mode operation").
bus::Nanoseconds Uart16550Chip::timeout_length() const {
    const u8 format = state_.line_control;
    const u64 bits_per_character = 1 + 5 + (format & line::word_length) + (format & line::parity ? 1 : 0) +
                                   (format & line::two_stop_bits ? 2 : 1);
    const u64 divisor = state_.divisor ? state_.divisor : 1;
    return 4 * bits_per_character * divisor * bus::nanoseconds_per_second / base_rate;
}

u8 Uart16550Chip::take_received(bus::Nanoseconds now) {
    const u8 byte = state_.received[0];
    if (state_.received_count == 0) return byte;  // the last character stays readable
    if (--state_.received_count > 0)
        std::copy_n(state_.received.begin() + 1, state_.received_count, state_.received.begin());
    restart_timeout(now);
    return byte;
}

void Uart16550Chip::clear_receiver() {
    state_.received_count = 0;
    state_.timeout_at.reset();
    state_.timed_out = false;
}

void Uart16550Chip::restart_timeout(bus::Nanoseconds now) {
    state_.timed_out = false;
    state_.timeout_at.reset();
    if (fifos_enabled() && state_.received_count > 0) state_.timeout_at = now + timeout_length();
}

void Uart16550Chip::write_fifo_control(u8 value) {
    const bool toggled = (value ^ state_.fifo_control) & fifo::enable;
    // The other bits count only where the enable bit is written as one (datasheet, section 8.4).
    const bool reset_receiver = (value & fifo::enable) && (value & fifo::reset_receiver);
    state_.fifo_control = value & fifo::enable ? value & fifo::kept : 0;
    if (toggled || reset_receiver) clear_receiver();
    if (toggled || (value & fifo::reset_transmitter)) state_.transmitter_empty_pending = true;
}

void Uart16550Chip::update_modem_inputs() {
    using namespace modem_status_bit;
    u8 inputs = connected;
    if (const u8 control = state_.modem_control; control & modem::loopback) {
        inputs = 0;
        if (control & modem::request_to_send) inputs |= clear_to_send;
        if (control & modem::data_terminal_ready) inputs |= data_set_ready;
        if (control & modem::out1) inputs |= ring;
        if (control & modem::out2) inputs |= carrier_detect;
    }
    const u8 changed = inputs ^ state_.modem_inputs;
    if (changed & clear_to_send) state_.modem_deltas |= delta_clear_to_send;
    if (changed & data_set_ready) state_.modem_deltas |= delta_data_set_ready;
    if (changed & carrier_detect) state_.modem_deltas |= delta_carrier_detect;
    if (changed & ring && !(inputs & ring)) state_.modem_deltas |= trailing_edge_ring;
    state_.modem_inputs = inputs;
}

}  // namespace softmetal::devices
