#include "devices/pit8254/pit8254_state.hpp"

#include "devices/state_reader.hpp"

namespace softmetal::devices {
namespace {

nlohmann::json save_counter(const Pit8254Counter::State& s) {
    return {{"mode", s.mode},
            {"access", static_cast<u8>(s.access)},
            {"bcd", s.bcd},
            {"gate", s.gate},
            {"count_register", s.count_register},
            {"low_byte", s.low_byte},
            {"writes_high_next", s.writes_high_next},
            {"reads_high_next", s.reads_high_next},
            {"count_latched", s.latched_count.has_value()},
            {"latched_count", s.latched_count.value_or(0)},
            {"status_latched", s.latched_status.has_value()},
            {"latched_status", s.latched_status.value_or(0)},
            {"waiting", s.waiting},
            {"loaded", s.loaded},
            {"paused", s.paused},
            {"low_while_loading", s.low_while_loading},
            {"period", s.period},
            {"start", s.start},
            {"elapsed", s.elapsed},
            {"rises", s.rises},
            {"seen", s.seen}};
}

Result<Pit8254Counter::State> load_counter(const nlohmann::json& fields) {
    // Ticks stay far from where adding a period or converting to nanoseconds would overflow.
    constexpr u64 latest_tick = Pit8254Chip::rate.ticks(~u64{0} / 2);
    StateReader read(fields, "pit8254");
    Pit8254Counter::State s;
    s.mode = read.number<u8>("mode", pit::hardware_strobe);
    s.access = static_cast<pit::Access>(read.number<u8>("access", 3));
    read.require(s.access != pit::Access::latch, "a counter without an access mode");
    s.bcd = read.flag("bcd");
    s.gate = read.flag("gate");
    s.count_register = read.number<u16>("count_register");
    s.low_byte = read.number<u8>("low_byte");
    s.writes_high_next = read.flag("writes_high_next");
    s.reads_high_next = read.flag("reads_high_next");
    const bool count_latched = read.flag("count_latched");
    const auto latched_count = read.number<u16>("latched_count");
    if (count_latched) s.latched_count = latched_count;
    const bool status_latched = read.flag("status_latched");
    const auto latched_status = read.number<u8>("latched_status");
    if (status_latched) s.latched_status = latched_status;
    s.waiting = read.flag("waiting");
    s.loaded = read.flag("loaded");
    s.paused = read.flag("paused");
    s.low_while_loading = read.flag("low_while_loading");
    s.period = read.number<u32>("period", 0x10000);
    read.require(s.period > 0, "a period of zero");
    s.start = read.number<u64>("start", latest_tick);
    s.elapsed = read.number<u64>("elapsed", latest_tick);
    s.rises = read.number<u64>("rises", latest_tick);
    s.seen = read.number<u64>("seen", latest_tick);
    if (const auto outcome = read.finish(); !outcome) return std::unexpected(outcome.error());
    return s;
}

}  // namespace

bus::SavedState save_pit8254(const Pit8254State& state) {
    nlohmann::json counters = nlohmann::json::array();
    for (const Pit8254Counter::State& counter : state.chip.counters)
        counters.push_back(save_counter(counter));
    return {"pit8254",
            1,
            {{"counters", std::move(counters)},
             {"port_b", state.chip.port_b},
             {"backlog", state.backlog},
             {"earliest_edge", state.earliest_edge}}};
}

Result<Pit8254State> load_pit8254(const bus::SavedState& saved) {
    StateReader read(saved, "pit8254", 1);
    Pit8254State state;
    const nlohmann::json& counters = read.part("counters");
    read.require(counters.is_array() && counters.size() == pit::channel_count, "not three counters");
    state.chip.port_b = read.number<u8>("port_b", pit::port_b::writable);
    state.backlog = read.number<u64>("backlog", pit8254_maximum_backlog);
    state.earliest_edge = read.number<u64>("earliest_edge");
    if (const auto outcome = read.finish(); !outcome) return std::unexpected(outcome.error());
    for (unsigned i = 0; i < pit::channel_count; ++i) {
        const auto counter = load_counter(counters[i]);
        if (!counter) return std::unexpected(counter.error());
        state.chip.counters[i] = *counter;
    }
    return state;
}

}  // namespace softmetal::devices
