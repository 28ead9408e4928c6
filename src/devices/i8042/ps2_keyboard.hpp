// A PS/2 keyboard of 105 keys, with scan code sets 1 and 2. Keys repeat when whoever presses them says so;
// the rate that software asks for is kept without effect.
#pragma once

#include "bus/backends/input.hpp"
#include "devices/i8042/ps2_bytes.hpp"
#include "devices/i8042/ps2_registers.hpp"
#include "devices/i8042/scan_codes.hpp"

#include <optional>

namespace softmetal::devices {

class Ps2Keyboard {
 public:
    struct State {
        bool scanning = true;
        u8 set = 2, leds = 0, typematic = ps2::default_typematic, last_sent = 0;
        std::optional<u8> awaits_data_of;
        Ps2Bytes answers, keys;
    };
    Ps2Keyboard() = default;
    explicit Ps2Keyboard(const State& state) : state_(state) {}

    void write(u8 value);
    void key(bus::Key key, bool down);
    [[nodiscard]] bool has_room() const { return state_.keys.room() >= ScanCode::longest; }
    [[nodiscard]] bool has_byte() const { return !state_.answers.empty() || !state_.keys.empty(); }
    [[nodiscard]] u8 take_byte();

    [[nodiscard]] const State& state() const { return state_; }
    [[nodiscard]] static nlohmann::json save(const State& state);
    [[nodiscard]] static State load(StateReader& in);

 private:
    void answer(u8 value) { state_.answers.push({&value, 1}); }
    void set_defaults();
    void take_data(u8 command, u8 value);

    State state_;
};

}  // namespace softmetal::devices
