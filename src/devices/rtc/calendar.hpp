// The ten time registers of an MC146818A and the seconds since 1970 they stand for.
#pragma once

#include "base/integers.hpp"

namespace softmetal::devices::rtc {

/// As the registers show them: binary or BCD, 12 or 24 hours, by register B, which is `mode` below.
struct TimeRegisters {
    u8 second = 0, minute = 0, hour = 0, day_of_week = 0, day_of_month = 0, month = 0, year = 0, century = 0;
};

[[nodiscard]] TimeRegisters to_registers(i64 seconds_since_1970, unsigned weekday_shift, u8 mode);

/// Fields out of range carry over into the next greater one, as a real chip's would in the end: a guest may
/// write anything.
[[nodiscard]] i64 to_seconds(const TimeRegisters& registers, u8 mode);

/// How far the registers' day of the week, which the guest may set freely, is ahead of the date's: 0..6.
[[nodiscard]] unsigned weekday_shift(const TimeRegisters& registers, u8 mode);

/// A number below 100 as its register, and back.
[[nodiscard]] u8 encode(unsigned value, u8 mode);
[[nodiscard]] unsigned decode(u8 value, u8 mode);
[[nodiscard]] u8 encode_hour(unsigned hour, u8 mode);

}  // namespace softmetal::devices::rtc
