#include "devices/i8042/ps2_keyboard.hpp"

#include "devices/i8042/scan_codes.hpp"

#include <utility>

namespace softmetal::devices {

namespace command = ps2::keyboard_command;

void Ps2Keyboard::set_defaults() {
    state_.set = 2;
    state_.typematic = ps2::default_typematic;
    state_.keys.clear();
}

void Ps2Keyboard::write(u8 value) {
    state_.answers.clear();  // whoever writes has given up on them
    const auto awaited = std::exchange(state_.awaits_data_of, std::nullopt);
    if (awaited && value < command::set_leds) return take_data(*awaited, value);
    switch (value) {
        case command::echo: return answer(command::echo);
        case command::resend: return answer(state_.last_sent);
        case command::set_leds:
        case command::scan_code_set:
        case command::set_typematic: state_.awaits_data_of = value; break;
        case command::identify:
            answer(ps2::acknowledge);
            state_.answers.push(ps2::keyboard_id);
            return;
        case command::enable:
            state_.keys.clear();
            state_.scanning = true;
            break;
        case command::disable:
            set_defaults();
            state_.scanning = false;
            break;
        case command::set_defaults: set_defaults(); break;
        case command::reset:
            state_ = State{};
            answer(ps2::acknowledge);
            return answer(ps2::self_test_passed);
        default:
            if (value < command::all_keys_first || value > command::all_keys_last) return answer(ps2::resend);
            break;
    }
    answer(ps2::acknowledge);
}

void Ps2Keyboard::take_data(u8 command, u8 value) {
    switch (command) {
        case command::set_leds: state_.leds = value & ps2::led_bits; break;
        case command::set_typematic: state_.typematic = value & ps2::typematic_bits; break;
        default:
            if (value == 0) {
                answer(ps2::acknowledge);
                return answer(state_.set);
            }
            if (value > 2) return answer(ps2::resend);  // no set 3
            state_.set = value;
            state_.keys.clear();
            break;
    }
    answer(ps2::acknowledge);
}

/// A keyboard whose buffer is full forgets the key; its releases must not be lost, or it would seem to hang.
void Ps2Keyboard::key(bus::Key key, bool down) {
    if (!state_.scanning) return;
    const ScanCode code = state_.set == 1 ? scan_code_set_1(key, down) : scan_code_set_2(key, down);
    if (state_.keys.push(code.bytes()) || down) return;
    state_.keys.clear();
    state_.keys.push(code.bytes());
}

u8 Ps2Keyboard::take_byte() {
    state_.last_sent = state_.answers.empty() ? state_.keys.pop() : state_.answers.pop();
    return state_.last_sent;
}

nlohmann::json Ps2Keyboard::save(const State& s) {
    return {{"scanning", s.scanning},
            {"set", s.set},
            {"leds", s.leds},
            {"typematic", s.typematic},
            {"last_sent", s.last_sent},
            {"awaits_data", s.awaits_data_of.has_value()},
            {"awaits_data_of", s.awaits_data_of.value_or(0)},
            {"answers", s.answers.save()},
            {"keys", s.keys.save()}};
}

Ps2Keyboard::State Ps2Keyboard::load(StateReader& in) {
    State s;
    s.scanning = in.flag("scanning");
    s.set = in.number<u8>("set", 2);
    in.require(s.set >= 1, "there is no scan code set 0");
    s.leds = in.number<u8>("leds", ps2::led_bits);
    s.typematic = in.number<u8>("typematic", ps2::typematic_bits);
    s.last_sent = in.number<u8>("last_sent");
    const bool awaits = in.flag("awaits_data");
    const auto command = in.number<u8>("awaits_data_of");
    if (awaits) s.awaits_data_of = command;
    s.answers = Ps2Bytes::load(in, "answers");
    s.keys = Ps2Bytes::load(in, "keys");
    return s;
}

}  // namespace softmetal::devices
