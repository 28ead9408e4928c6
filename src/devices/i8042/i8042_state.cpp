#include "devices/i8042/i8042_state.hpp"

#include "devices/state_reader.hpp"

namespace softmetal::devices {

// A pending reset is no state: the wiring passes it on before it lets go of the chip.

bus::SavedState save_i8042(const I8042Chip::State& state) {
    return {"i8042",
            1,
            {{"memory", state.memory},
             {"awaits_data", state.awaits_data_of.has_value()},
             {"awaits_data_of", state.awaits_data_of.value_or(0)},
             {"output", state.output},
             {"output_full", state.output_full},
             {"timeout", state.timeout},
             {"last_was_command", state.last_was_command},
             {"output_source", static_cast<u8>(state.output_source)},
             {"a20", state.a20},
             {"port_a", state.port_a}}};
}

Result<I8042Chip::State> load_i8042(const bus::SavedState& saved) {
    StateReader read(saved, "i8042", 1);
    I8042Chip::State state;
    read.numbers<u8>("memory", state.memory);
    const bool awaits_data = read.flag("awaits_data");
    const auto awaits_data_of = read.number<u8>("awaits_data_of");
    if (awaits_data) state.awaits_data_of = awaits_data_of;
    state.output = read.number<u8>("output");
    state.output_full = read.flag("output_full");
    state.timeout = read.flag("timeout");
    state.last_was_command = read.flag("last_was_command");
    state.output_source = static_cast<I8042Chip::Source>(read.number<u8>("output_source", 2));
    state.a20 = read.flag("a20");
    state.port_a = read.number<u8>("port_a", kbc::port_a::kept);
    if (const auto outcome = read.finish(); !outcome) return std::unexpected(outcome.error());
    return state;
}

}  // namespace softmetal::devices
