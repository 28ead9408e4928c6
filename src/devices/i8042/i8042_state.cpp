#include "devices/i8042/i8042_state.hpp"

#include "devices/state_reader.hpp"

namespace softmetal::devices {

namespace {

constexpr u16 none = 0x100;
constexpr int with_devices = 2;  // the version

u16 number(std::optional<u8> byte) { return byte ? *byte : none; }
std::optional<u8> byte(u16 number) {
    if (number >= none) return std::nullopt;
    return static_cast<u8>(number);
}

}  // namespace

// A pending reset is no state: the wiring passes it on before it lets go of the chip.

bus::SavedState save_i8042(const I8042Chip::State& state) {
    const std::array<u16, 2> held = {number(state.held_from_keyboard), number(state.held_from_mouse)};
    return {"i8042",
            2,
            {{"memory", state.memory},
             {"awaits_data", state.awaits_data_of.has_value()},
             {"awaits_data_of", state.awaits_data_of.value_or(0)},
             {"output", state.output},
             {"output_full", state.output_full},
             {"last_was_command", state.last_was_command},
             {"output_source", static_cast<u8>(state.output_source)},
             {"a20", state.a20},
             {"port_a", state.port_a},
             {"held", held},
             {"keyboard", Ps2Keyboard::save(state.keyboard)},
             {"mouse", Ps2Mouse::save(state.mouse)}}};
}

Result<I8042Chip::State> load_i8042(const bus::SavedState& saved) {
    StateReader read(saved, "i8042", with_devices);
    I8042Chip::State state;
    read.numbers<u8>("memory", state.memory);
    const bool awaits_data = read.flag("awaits_data");
    const auto awaits_data_of = read.number<u8>("awaits_data_of");
    if (awaits_data) state.awaits_data_of = awaits_data_of;
    state.output = read.number<u8>("output");
    state.output_full = read.flag("output_full");
    state.last_was_command = read.flag("last_was_command");
    state.output_source = static_cast<I8042Chip::Source>(read.number<u8>("output_source", 2));
    state.a20 = read.flag("a20");
    state.port_a = read.number<u8>("port_a", kbc::port_a::kept);
    if (saved.version >= with_devices) {
        std::array<u16, 2> held{none, none};
        read.numbers<u16>("held", held);
        state.held_from_keyboard = byte(held[0]);
        state.held_from_mouse = byte(held[1]);
        StateReader keyboard(read.part("keyboard"), "keyboard"), mouse(read.part("mouse"), "mouse");
        state.keyboard = Ps2Keyboard::load(keyboard);
        state.mouse = Ps2Mouse::load(mouse);
        if (read.good() && !keyboard.good()) return std::unexpected(keyboard.finish().error());
        if (read.good() && !mouse.good()) return std::unexpected(mouse.finish().error());
    }
    if (const auto outcome = read.finish(); !outcome) return std::unexpected(outcome.error());
    return state;
}

}  // namespace softmetal::devices
