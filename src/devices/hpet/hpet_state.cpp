#include "devices/hpet/hpet_state.hpp"

#include "base/bits.hpp"
#include "devices/state_reader.hpp"

namespace softmetal::devices {
namespace {

constexpr bus::Nanoseconds latest_time = ~u64{0} / 2;  // sums cannot overflow

HpetChip::TimerState load_timer(StateReader& device, const nlohmann::json& fields) {
    StateReader read(fields, "hpet timer");
    HpetChip::TimerState t;
    t.configuration = read.number<u64>("configuration");
    t.comparator = read.number<u64>("comparator");
    t.period = read.number<u64>("period");
    t.sets_accumulator = read.flag("sets_accumulator");
    t.watched_from = read.number<u64>("watched_from");
    device.require(read.good() && !(t.configuration & ~hpet::timer::writable), "one of its timers");
    return t;
}

}  // namespace

bus::SavedState save_hpet(const HpetChip::State& state) {
    nlohmann::json timers = nlohmann::json::array();
    for (const HpetChip::TimerState& t : state.timers)
        timers.push_back({{"configuration", t.configuration},
                          {"comparator", t.comparator},
                          {"period", t.period},
                          {"sets_accumulator", t.sets_accumulator},
                          {"watched_from", t.watched_from}});
    return {"hpet",
            1,
            {{"configuration", state.configuration},
             {"status", state.status},
             {"counter", state.counter},
             {"started", state.started},
             {"timers", timers}}};
}

Result<HpetChip::State> load_hpet(const bus::SavedState& saved) {
    StateReader read(saved, "hpet", 1);
    HpetChip::State state;
    state.configuration = read.number<u64>("configuration", hpet::configuration::writable);
    state.status = read.number<u64>("status", low_bits(hpet::timer_count));
    state.counter = read.number<u64>("counter");
    state.started = read.number<u64>("started", latest_time);
    const nlohmann::json& timers = read.part("timers");
    read.require(timers.size() == hpet::timer_count, "its number of timers");
    if (read.good())
        for (unsigned i = 0; i < hpet::timer_count; i++) state.timers[i] = load_timer(read, timers[i]);
    if (const auto outcome = read.finish(); !outcome) return std::unexpected(outcome.error());
    return state;
}

}  // namespace softmetal::devices
