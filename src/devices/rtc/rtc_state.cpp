#include "devices/rtc/rtc_state.hpp"

#include "devices/state_reader.hpp"

namespace softmetal::devices {

namespace {

// Saved as distances from year 0, so that every field is a natural number. The limits keep years within what
// the calendar can hold and times where sums cannot overflow.
constexpr i64 year_zero = -62'167'219'200;
constexpr u64 latest_second = 1'000'000'000'000;
constexpr bus::Nanoseconds latest_time = ~u64{0} / 2;

}  // namespace

bus::SavedState save_rtc(const RtcChip::State& state) {
    return {"rtc",
            1,
            {{"memory", state.memory},
             {"index", state.index},
             {"anchor", state.anchor},
             {"anchor_seconds_since_year_0", static_cast<u64>(state.anchor_seconds - year_zero)},
             {"anchor_fraction", state.anchor_fraction},
             {"weekday_shift", state.weekday_shift},
             {"seen", state.seen}}};
}

Result<RtcChip::State> load_rtc(const bus::SavedState& saved) {
    StateReader read(saved, "rtc", 1);
    RtcChip::State state;
    read.numbers<u8>("memory", state.memory);
    state.index = read.number<u8>("index");
    state.anchor = read.number<u64>("anchor", latest_time);
    state.anchor_seconds =
        static_cast<i64>(read.number<u64>("anchor_seconds_since_year_0", latest_second)) + year_zero;
    state.anchor_fraction = read.number<u64>("anchor_fraction", bus::nanoseconds_per_second - 1);
    state.weekday_shift = read.number<unsigned>("weekday_shift", 6);
    state.seen = read.number<u64>("seen", latest_time);
    if (const auto outcome = read.finish(); !outcome) return std::unexpected(outcome.error());
    return state;
}

}  // namespace softmetal::devices
