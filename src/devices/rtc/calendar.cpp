#include "devices/rtc/calendar.hpp"

#include "devices/rtc/rtc_registers.hpp"

#include <algorithm>
#include <chrono>

namespace softmetal::devices::rtc {
namespace {

constexpr i64 seconds_per_day = 86'400;

constexpr i64 floor_divide(i64 a, i64 b) { return a / b - (a % b < 0 ? 1 : 0); }

/// 0: Sunday.
unsigned weekday_of(i64 seconds_since_1970) {
    const i64 day = floor_divide(seconds_since_1970, seconds_per_day);
    return std::chrono::weekday(std::chrono::sys_days(std::chrono::days(day))).c_encoding();
}

unsigned decode_hour(u8 value, u8 mode) {
    if (mode & b::hours_24) return decode(value, mode);
    const unsigned hour = decode(value & ~pm, mode) % 12;  // 12 AM is midnight, 12 PM noon
    return value & pm ? hour + 12 : hour;
}

}  // namespace

u8 encode(unsigned value, u8 mode) {
    return static_cast<u8>(mode & b::binary ? value : value / 10 % 10 << 4 | value % 10);
}

unsigned decode(u8 value, u8 mode) { return mode & b::binary ? value : (value >> 4) * 10u + (value & 0x0fu); }

u8 encode_hour(unsigned hour, u8 mode) {
    if (mode & b::hours_24) return encode(hour, mode);
    const u8 value = encode(hour % 12 == 0 ? 12 : hour % 12, mode);
    return hour >= 12 ? value | pm : value;
}

TimeRegisters to_registers(i64 seconds_since_1970, unsigned shift, u8 mode) {
    const i64 day = floor_divide(seconds_since_1970, seconds_per_day);
    const auto second_of_day = static_cast<unsigned>(seconds_since_1970 - day * seconds_per_day);
    const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(day))};
    const auto full_year = static_cast<unsigned>(std::max(static_cast<int>(date.year()), 0));
    return {.second = encode(second_of_day % 60, mode),
            .minute = encode(second_of_day / 60 % 60, mode),
            .hour = encode_hour(second_of_day / 3600, mode),
            .day_of_week = encode((weekday_of(seconds_since_1970) + shift) % 7 + 1, mode),
            .day_of_month = encode(static_cast<unsigned>(date.day()), mode),
            .month = encode(static_cast<unsigned>(date.month()), mode),
            .year = encode(full_year % 100, mode),
            .century = encode(full_year / 100, mode)};
}

i64 to_seconds(const TimeRegisters& r, u8 mode) {
    const unsigned full_year = decode(r.century, mode) * 100 + decode(r.year, mode);
    const unsigned month_number = std::clamp(decode(r.month, mode), 1u, 12u);
    const std::chrono::sys_days first_of_month = std::chrono::year(static_cast<int>(full_year)) /
                                                 std::chrono::month(month_number) / std::chrono::day(1);
    const i64 day = first_of_month.time_since_epoch().count() + i64{decode(r.day_of_month, mode)} - 1;
    return day * seconds_per_day + decode_hour(r.hour, mode) * 3600 + decode(r.minute, mode) * 60 +
           decode(r.second, mode);
}

unsigned weekday_shift(const TimeRegisters& r, u8 mode) {
    const unsigned shown = decode(r.day_of_week, mode) + 6;  // 1 is Sunday
    return (shown + 7 - weekday_of(to_seconds(r, mode))) % 7;
}

}  // namespace softmetal::devices::rtc
