// A PS/2 mouse, which becomes one with a wheel or five buttons when software knocks.
#pragma once

#include "bus/backends/input.hpp"
#include "devices/i8042/ps2_bytes.hpp"
#include "devices/i8042/ps2_registers.hpp"

#include <array>
#include <optional>

namespace softmetal::devices {

class Ps2Mouse {
 public:
    struct State {
        bool reporting = false, remote = false, wrap = false, doubled = false;
        u8 rate = ps2::default_rate, resolution = ps2::default_resolution, last_sent = 0;
        u8 id = ps2::mouse_id::standard;
        std::array<u8, 3> last_rates{};  // the knock
        u8 buttons = 0, reported_buttons = 0;
        i32 x = 0, y = 0, wheel = 0;  // moved and not yet reported; y is upwards
        bool pointer_known = false;   // where on the picture:
        u16 pointer_x = 0, pointer_y = 0;
        std::optional<u8> awaits_data_of;
        Ps2Bytes answers, packets;
    };
    Ps2Mouse() = default;
    explicit Ps2Mouse(const State& state) : state_(state) {}

    void write(u8 value);
    /// It moves as far as the pointer did on the picture.
    void pointer(const bus::PointerState& pointer);
    /// A packet that says nothing, unless one waits already: a driver learns elsewhere what has happened.
    void report_nothing();
    [[nodiscard]] bool has_byte() const;
    [[nodiscard]] u8 take_byte();

    [[nodiscard]] const State& state() const { return state_; }
    [[nodiscard]] static nlohmann::json save(const State& state);
    [[nodiscard]] static State load(StateReader& in);

 private:
    void answer(u8 value) { state_.answers.push({&value, 1}); }
    void set_defaults();
    void set_rate(u8 value);
    void answer_status();
    void append_packet(Ps2Bytes& to);
    [[nodiscard]] bool has_news() const;

    State state_;
};

}  // namespace softmetal::devices
