#include "devices/i8042/ps2_mouse.hpp"

#include <algorithm>
#include <utility>

namespace softmetal::devices {

namespace command = ps2::mouse_command;
namespace id = ps2::mouse_id;

namespace {

constexpr i32 farthest = 4096;  // what is behind that is forgotten: nobody has looked for long
constexpr std::array<u8, 3> wheel_knock = {200, 100, 80}, buttons_knock = {200, 200, 80};
constexpr u8 first_buttons = 0x07;  // the rest is the five-button extension's

// The first byte of a packet.
constexpr u8 always = 1u << 3, x_sign = 1u << 4, y_sign = 1u << 5;

}  // namespace

void Ps2Mouse::set_defaults() {
    state_.reporting = state_.remote = state_.wrap = state_.doubled = false;
    state_.rate = ps2::default_rate;
    state_.resolution = ps2::default_resolution;
    state_.x = state_.y = state_.wheel = 0;
    state_.packets.clear();
}

void Ps2Mouse::write(u8 value) {
    state_.answers.clear();
    if (state_.wrap && value != command::leave_wrap_mode && value != command::reset) return answer(value);
    if (const auto awaited = std::exchange(state_.awaits_data_of, std::nullopt)) {
        if (*awaited == command::set_rate)
            set_rate(value);
        else
            state_.resolution = value & ps2::finest_resolution;
        return answer(ps2::acknowledge);
    }
    state_.packets.clear();  // a command ends what it was about to tell
    if (value == command::resend) return answer(state_.last_sent);
    answer(ps2::acknowledge);
    switch (value) {
        case command::scale_1_to_1: state_.doubled = false; return;
        case command::scale_2_to_1: state_.doubled = true; return;
        case command::set_resolution:
        case command::set_rate: state_.awaits_data_of = value; return;
        case command::status: return answer_status();
        case command::stream_mode: state_.remote = false; return;
        case command::read_data: return append_packet(state_.answers);
        case command::leave_wrap_mode: state_.wrap = false; return;
        case command::wrap_mode: state_.wrap = true; return;
        case command::remote_mode: state_.remote = true; return;
        case command::identify: return answer(state_.id);
        case command::enable: state_.reporting = true; return;
        case command::disable: state_.reporting = false; return;
        case command::set_defaults: return set_defaults();
        case command::reset:
            set_defaults();
            state_.id = id::standard;
            state_.last_rates = {};
            answer(ps2::self_test_passed);
            return answer(state_.id);
        default: state_.answers.clear(); return answer(ps2::resend);
    }
}

void Ps2Mouse::set_rate(u8 value) {
    state_.rate = value;
    auto& last = state_.last_rates;
    last = {last[1], last[2], value};
    if (last == wheel_knock && state_.id == id::standard) state_.id = id::wheel;
    if (last == buttons_knock) state_.id = id::five_buttons;
}

void Ps2Mouse::answer_status() {
    namespace status = ps2::mouse_status;
    // Left, middle and right are in another order here than in packets.
    const u8 b = state_.buttons;
    u8 first = static_cast<u8>((b & 1) << 2 | (b >> 2 & 1) << 1 | (b >> 1 & 1));
    if (state_.doubled) first |= status::scaling;
    if (state_.reporting) first |= status::enabled;
    if (state_.remote) first |= status::remote;
    answer(first);
    answer(state_.resolution);
    answer(state_.rate);
}

void Ps2Mouse::pointer(const bus::PointerState& p) {
    const auto add = [](i32& sum, i32 distance) { sum = std::clamp(sum + distance, -farthest, farthest); };
    const u8 buttons = p.buttons & bus::pointer_button::all;
    // What came before a button moves is told before it: a click must not be lost, nor begin elsewhere.
    if (buttons != state_.buttons && state_.reporting && !state_.remote && has_news())
        append_packet(state_.packets);
    if (state_.pointer_known) {
        add(state_.x, i32{p.x} - state_.pointer_x);
        add(state_.y, i32{state_.pointer_y} - p.y);
    }
    add(state_.wheel, p.wheel);
    state_.pointer_known = true;
    state_.pointer_x = p.x;
    state_.pointer_y = p.y;
    state_.buttons = buttons;
    if (state_.reporting) return;
    state_.x = state_.y = state_.wheel = 0;
    state_.reported_buttons = state_.buttons;
}

void Ps2Mouse::report_nothing() {
    if (state_.reporting && !state_.remote && state_.packets.empty()) append_packet(state_.packets);
}

bool Ps2Mouse::has_news() const {
    return state_.x || state_.y || (state_.wheel && state_.id != id::standard) ||
           state_.buttons != state_.reported_buttons;
}

bool Ps2Mouse::has_byte() const {
    if (!state_.answers.empty() || !state_.packets.empty()) return true;
    return state_.reporting && !state_.remote && has_news();
}

/// As much as one packet takes; the rest stays for the next.
void Ps2Mouse::append_packet(Ps2Bytes& to) {
    const i32 x = std::clamp(state_.x, -255, 255), y = std::clamp(state_.y, -255, 255);
    state_.x -= x;
    state_.y -= y;
    u8 packet[4] = {static_cast<u8>(always | (state_.buttons & first_buttons) | (x < 0 ? x_sign : 0) |
                                    (y < 0 ? y_sign : 0)),
                    static_cast<u8>(x), static_cast<u8>(y), 0};
    state_.reported_buttons = state_.buttons;
    if (state_.id == id::standard) {
        state_.wheel = 0;
        to.push(std::span(packet).first(3));
        return;
    }
    const i32 wheel = std::clamp(state_.wheel, -8, 7);
    state_.wheel -= wheel;
    packet[3] = static_cast<u8>(wheel);
    if (state_.id == id::five_buttons)
        packet[3] = static_cast<u8>((wheel & 0x0f) | (state_.buttons >> 3 & 3) << 4);
    to.push(packet);
}

u8 Ps2Mouse::take_byte() {
    if (state_.answers.empty() && state_.packets.empty() && has_byte()) append_packet(state_.packets);
    state_.last_sent = state_.answers.empty() ? state_.packets.pop() : state_.answers.pop();
    return state_.last_sent;
}

nlohmann::json Ps2Mouse::save(const State& s) {
    const auto natural = [](i32 distance) { return static_cast<u32>(distance + farthest); };
    return {{"reporting", s.reporting},
            {"remote", s.remote},
            {"wrap", s.wrap},
            {"doubled", s.doubled},
            {"rate", s.rate},
            {"resolution", s.resolution},
            {"last_sent", s.last_sent},
            {"id", s.id},
            {"last_rates", s.last_rates},
            {"buttons", s.buttons},
            {"reported_buttons", s.reported_buttons},
            {"x", natural(s.x)},
            {"y", natural(s.y)},
            {"wheel", natural(s.wheel)},
            {"pointer_known", s.pointer_known},
            {"pointer_x", s.pointer_x},
            {"pointer_y", s.pointer_y},
            {"awaits_data", s.awaits_data_of.has_value()},
            {"awaits_data_of", s.awaits_data_of.value_or(0)},
            {"answers", s.answers.save()},
            {"packets", s.packets.save()}};
}

Ps2Mouse::State Ps2Mouse::load(StateReader& in) {
    const auto distance = [&in](const char* name) {
        return static_cast<i32>(in.number<u32>(name, 2 * farthest)) - farthest;
    };
    State s;
    s.reporting = in.flag("reporting");
    s.remote = in.flag("remote");
    s.wrap = in.flag("wrap");
    s.doubled = in.flag("doubled");
    s.rate = in.number<u8>("rate");
    s.resolution = in.number<u8>("resolution", ps2::finest_resolution);
    s.last_sent = in.number<u8>("last_sent");
    s.id = in.number<u8>("id", id::five_buttons);
    in.require(s.id == id::standard || s.id >= id::wheel, "there is no such mouse");
    in.numbers<u8>("last_rates", s.last_rates);
    s.buttons = in.number<u8>("buttons", bus::pointer_button::all);
    s.reported_buttons = in.number<u8>("reported_buttons", bus::pointer_button::all);
    s.x = distance("x");
    s.y = distance("y");
    s.wheel = distance("wheel");
    s.pointer_known = in.flag("pointer_known");
    s.pointer_x = in.number<u16>("pointer_x");
    s.pointer_y = in.number<u16>("pointer_y");
    const bool awaits = in.flag("awaits_data");
    const auto command = in.number<u8>("awaits_data_of");
    if (awaits) s.awaits_data_of = command;
    s.answers = Ps2Bytes::load(in, "answers");
    s.packets = Ps2Bytes::load(in, "packets");
    return s;
}

}  // namespace softmetal::devices
