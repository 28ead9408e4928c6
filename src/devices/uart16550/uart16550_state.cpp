#include "devices/uart16550/uart16550_state.hpp"

#include "devices/state_reader.hpp"

namespace softmetal::devices {

using namespace uart;

bus::SavedState save_uart16550(const Uart16550State& state) {
    const Uart16550Chip::State& chip = state.chip;
    std::array<u8, fifo_size> held{};
    std::ranges::copy(state.held_input, held.begin());
    return {"uart16550",
            1,
            {{"interrupt_enable", chip.interrupt_enable},
             {"line_control", chip.line_control},
             {"modem_control", chip.modem_control},
             {"scratch", chip.scratch},
             {"fifo_control", chip.fifo_control},
             {"divisor", chip.divisor},
             {"modem_inputs", chip.modem_inputs},
             {"modem_deltas", chip.modem_deltas},
             {"overrun", chip.overrun},
             {"transmitter_empty_pending", chip.transmitter_empty_pending},
             {"received", chip.received},
             {"received_count", chip.received_count},
             {"timeout_running", chip.timeout_at.has_value()},
             {"timeout_at", chip.timeout_at.value_or(0)},
             {"timed_out", chip.timed_out},
             {"held_input", held},
             {"held_input_count", state.held_input.size()}}};
}

Result<Uart16550State> load_uart16550(const bus::SavedState& saved) {
    StateReader read(saved, "uart16550", 1);
    Uart16550State state;
    Uart16550Chip::State& chip = state.chip;
    chip.interrupt_enable = read.number<u8>("interrupt_enable", enable::writable);
    chip.line_control = read.number<u8>("line_control");
    chip.modem_control = read.number<u8>("modem_control", modem::writable);
    chip.scratch = read.number<u8>("scratch");
    chip.fifo_control = read.number<u8>("fifo_control");
    read.require((chip.fifo_control & ~fifo::kept) == 0, "FIFO control has bits that are not kept");
    chip.divisor = read.number<u16>("divisor");
    chip.modem_inputs = read.number<u8>("modem_inputs");
    read.require((chip.modem_inputs & modem_status_bit::deltas) == 0, "modem inputs hold change bits");
    chip.modem_deltas = read.number<u8>("modem_deltas", modem_status_bit::deltas);
    chip.overrun = read.flag("overrun");
    chip.transmitter_empty_pending = read.flag("transmitter_empty_pending");
    read.numbers<u8>("received", chip.received);
    const bool fifos = chip.fifo_control & fifo::enable;
    chip.received_count = read.number<u8>("received_count", fifos ? fifo_size : 1);
    const bool timeout_running = read.flag("timeout_running");
    const auto timeout_at = read.number<u64>("timeout_at");
    if (timeout_running) chip.timeout_at = timeout_at;
    chip.timed_out = read.flag("timed_out");
    read.require(!(timeout_running || chip.timed_out) || chip.received_count > 0,
                 "a receive timeout without a character");
    std::array<u8, fifo_size> held{};
    read.numbers<u8>("held_input", held);
    const auto held_count = read.number<u8>("held_input_count", fifo_size);
    state.held_input.assign(held.begin(), held.begin() + held_count);
    if (const auto outcome = read.finish(); !outcome) return std::unexpected(outcome.error());
    return state;
}

}  // namespace softmetal::devices
