// The real-time clock: time keeping and setting, formats, interrupts, CMOS memory.
#include "devices/rtc/rtc.hpp"

#include "devices/rtc/calendar.hpp"
#include "fakes.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace softmetal::devices {
namespace {

using namespace testing;
using namespace rtc;
using ::testing::Test;

constexpr u64 one_second = bus::nanoseconds_per_second;
constexpr u64 start_of_2024_12_31_23_59_58 = 1'735'689'598;  // a Tuesday

struct Clock : Test {
    FakeClock clock;
    FakeTimerFactory timers{clock};
    FakeLine irq8;
    std::unique_ptr<Rtc> rtc = make(start_of_2024_12_31_23_59_58);

    std::unique_ptr<Rtc> make(u64 seconds, const RtcChip::Cmos& cmos = {}, u64 nanoseconds = 0) {
        return std::make_unique<Rtc>(Rtc::Resources{irq8, clock, timers}, seconds * one_second + nanoseconds,
                                     cmos);
    }
    u8 read(unsigned index) {
        out(*rtc, index_port, static_cast<u8>(index));
        return in(*rtc, data_port);
    }
    void write(unsigned index, u8 value) {
        out(*rtc, index_port, static_cast<u8>(index));
        out(*rtc, data_port, value);
    }
    std::string shown() {
        return fmt::format("{:02x}{:02x}-{:02x}-{:02x} {:02x}:{:02x}:{:02x} {:x}", read(century), read(year),
                           read(month), read(day_of_month), read(hours), read(minutes), read(seconds),
                           read(day_of_week));
    }
};

TEST_F(Clock, ShowsTheHandedInTimeInBcd) {
    EXPECT_EQ(shown(), "2024-12-31 23:59:58 3");
    EXPECT_EQ(read(register_b), b::hours_24);
    EXPECT_EQ(read(register_d), d::valid_ram_and_time);
}

TEST_F(Clock, ChangesItsSecondWhenTheWorldDoes) {
    rtc = make(start_of_2024_12_31_23_59_58, {}, 700'000'000);
    timers.run_until(299'999'999);
    EXPECT_EQ(shown(), "2024-12-31 23:59:58 3");
    timers.run_until(300'000'000);
    EXPECT_EQ(shown(), "2024-12-31 23:59:59 3");
}

TEST_F(Clock, GoesOnThroughMidnightAndNewYear) {
    clock.set(2 * one_second - 1);
    EXPECT_EQ(shown(), "2024-12-31 23:59:59 3");
    clock.set(2 * one_second);
    EXPECT_EQ(shown(), "2025-01-01 00:00:00 4");
}

TEST_F(Clock, KnowsLeapYears) {
    rtc = make(1'709'164'799);  // 2024-02-28 23:59:59
    clock.set(one_second);
    EXPECT_EQ(shown(), "2024-02-29 00:00:00 5");
    clock.set((86'400 + 1) * one_second);
    EXPECT_EQ(shown(), "2024-03-01 00:00:00 6");
}

TEST_F(Clock, BinaryAndTwelveHourFormats) {
    write(register_b, b::hours_24 | b::binary);
    EXPECT_EQ(read(seconds), 58);
    EXPECT_EQ(read(hours), 23);
    EXPECT_EQ(read(year), 24);
    EXPECT_EQ(read(century), 20);
    write(register_b, 0);
    EXPECT_EQ(read(hours), 0x91);  // 11 PM
    clock.set(2 * one_second);
    EXPECT_EQ(read(hours), 0x12);  // midnight is 12 AM
    clock.set((2 + 12 * 3600) * one_second);
    EXPECT_EQ(read(hours), 0x92);  // noon is 12 PM
    write(register_b, b::binary);
    EXPECT_EQ(read(hours), 0x8c);
}

TEST(Calendar, RegistersAndSecondsAreInverse) {
    for (const u8 mode : {u8{0}, b::hours_24, b::binary, static_cast<u8>(b::binary | b::hours_24)})
        for (i64 time = -2'000'000'000; time < 8'000'000'000; time += 123'456'789) {
            const TimeRegisters shown = to_registers(time, 3, mode);
            EXPECT_EQ(to_seconds(shown, mode), time);
            EXPECT_EQ(weekday_shift(shown, mode), 3u);
        }
}

TEST(Calendar, AnythingAGuestWritesIsSomeTime) {
    for (unsigned value = 0; value < 256; ++value)
        for (const u8 mode : {u8{0}, b::binary}) {
            const u8 v = static_cast<u8>(value);
            const i64 time = to_seconds({v, v, v, v, v, v, v, v}, mode);
            const TimeRegisters shown =
                to_registers(time, weekday_shift({v, v, v, v, v, v, v, v}, mode), mode);
            EXPECT_LE(decode(shown.second, mode), 59u);
            EXPECT_LE(decode(shown.month, mode), 12u);
            EXPECT_GE(decode(shown.month, mode), 1u);
        }
}

TEST_F(Clock, IsSetAsLinuxDoesAndStartsHalfASecondLater) {
    clock.set(300'000'000);
    const u8 b_before = read(register_b), a_before = read(register_a) & 0x7f;
    write(register_b, b_before | b::set);
    write(register_a, a_before | 0x70);
    for (const auto& [index, value] : {std::pair{century, 0x19},
                                       {year, 0x99},
                                       {month, 0x12},
                                       {day_of_month, 0x31},
                                       {hours, 0x23},
                                       {minutes, 0x59},
                                       {seconds, 0x59},
                                       {day_of_week, 6}})
        write(index, static_cast<u8>(value));
    clock.set(10 * one_second);
    EXPECT_EQ(shown(), "1999-12-31 23:59:59 6");  // held
    write(register_b, b_before);
    write(register_a, a_before);
    clock.set(10 * one_second + one_second / 2 - 1);
    EXPECT_EQ(shown(), "1999-12-31 23:59:59 6");
    clock.set(10 * one_second + one_second / 2);
    EXPECT_EQ(shown(), "2000-01-01 00:00:00 7");
}

TEST_F(Clock, SetHoldsTheTimeAndKeepsTheFraction) {
    clock.set(one_second * 7 / 10);
    write(register_b, b::hours_24 | b::set);
    clock.set(20 * one_second);
    EXPECT_EQ(read(seconds), 0x58);
    write(seconds, 0x30);
    write(register_b, b::hours_24);
    EXPECT_EQ(read(seconds), 0x30);
    clock.set(21 * one_second - 1);
    EXPECT_EQ(read(seconds), 0x30);
    clock.set(21 * one_second);
    EXPECT_EQ(read(seconds), 0x31);
}

TEST_F(Clock, AFieldCanBeWrittenWhileItRuns) {
    write(minutes, 0x15);
    EXPECT_EQ(shown(), "2024-12-31 23:15:58 3");
    write(day_of_week, 1);  // the chip does not check it
    EXPECT_EQ(read(day_of_week), 1);
    clock.set(86'400 * one_second);
    EXPECT_EQ(read(day_of_week), 2);
}

TEST_F(Clock, UpdateInProgressPrecedesEachSecond) {
    EXPECT_FALSE(read(register_a) & a::update_in_progress);
    clock.set(one_second - update_window_ns - 1);
    EXPECT_FALSE(read(register_a) & a::update_in_progress);
    clock.set(one_second - update_window_ns);
    EXPECT_TRUE(read(register_a) & a::update_in_progress);
    clock.set(one_second - 1);
    EXPECT_TRUE(read(register_a) & a::update_in_progress);
    EXPECT_EQ(read(seconds), 0x58);
    clock.set(one_second);
    EXPECT_FALSE(read(register_a) & a::update_in_progress);
    EXPECT_EQ(read(seconds), 0x59);
    write(register_b, b::set);
    clock.set(2 * one_second - 1);
    EXPECT_FALSE(read(register_a) & a::update_in_progress);
}

TEST_F(Clock, UpdateEndedInterrupts) {
    clock.set(one_second / 2);
    write(register_b, b::hours_24 | b::update_interrupt);
    timers.run_until(one_second - 1);
    EXPECT_FALSE(irq8.high());
    timers.run_until(one_second);
    EXPECT_TRUE(irq8.high());
    EXPECT_EQ(read(register_c) & ~c::periodic, c::interrupt_request | c::update);
    EXPECT_FALSE(irq8.high());
    EXPECT_EQ(read(register_c), 0);
    timers.run_until(5 * one_second);  // unread flags: one interrupt
    EXPECT_EQ(irq8.rises(), 2u);
    write(register_b, b::hours_24 | b::update_interrupt | b::set);  // SET takes the enable away
    EXPECT_EQ(read(register_b), b::hours_24 | b::set);
    EXPECT_FALSE(irq8.high());
}

TEST_F(Clock, PeriodicInterruptRates) {
    for (const auto& [rate, per_second] :
         {std::pair{1u, 256u}, {2u, 128u}, {3u, 8192u}, {6u, 1024u}, {15u, 2u}}) {
        write(register_a, static_cast<u8>(a::divider_32768_hz | rate));
        write(register_b, b::hours_24 | b::periodic_interrupt);
        (void)read(register_c);
        unsigned count = 0;
        irq8.on_change = nullptr;
        const u64 end = clock.now() + one_second;
        while (timers.next_deadline() && *timers.next_deadline() <= end) {
            timers.run_until(*timers.next_deadline());
            ASSERT_TRUE(irq8.high());
            EXPECT_EQ(read(register_c) & (c::periodic | c::interrupt_request),
                      c::periodic | c::interrupt_request);
            ++count;
        }
        EXPECT_EQ(count, per_second);
        clock.set(end);
    }
    write(register_a, a::divider_32768_hz);
    (void)read(register_c);
    EXPECT_FALSE(timers.next_deadline());
}

TEST_F(Clock, FlagsRiseWithoutEnablesAndEnablingThenInterrupts) {
    clock.set(one_second);
    write(register_b, b::hours_24 | b::update_interrupt);
    EXPECT_TRUE(irq8.high());
    EXPECT_EQ(read(register_c), c::interrupt_request | c::update | c::periodic);
}

TEST_F(Clock, AlarmAtOneMoment) {
    write(hours_alarm, 0x00);
    write(minutes_alarm, 0x10);
    write(seconds_alarm, 0x05);
    write(register_b, b::hours_24 | b::alarm_interrupt);
    ASSERT_TRUE(timers.next_deadline());
    EXPECT_EQ(*timers.next_deadline(), (2 + 605) * one_second);  // asleep until then
    timers.run_until(606 * one_second);
    EXPECT_FALSE(irq8.high());
    timers.run_until(607 * one_second);
    EXPECT_TRUE(irq8.high());
    EXPECT_TRUE(read(register_c) & c::alarm);
    EXPECT_EQ(*timers.next_deadline(), (2 + 605 + 86'400) * one_second);
}

TEST_F(Clock, AlarmFieldsThatMatchAnything) {
    write(hours_alarm, 0xff);
    write(minutes_alarm, 0xc0);
    write(seconds_alarm, 0x30);
    write(register_b, b::hours_24 | b::alarm_interrupt);
    EXPECT_EQ(*timers.next_deadline(), 32 * one_second);
    timers.run_until(32 * one_second);
    (void)read(register_c);
    EXPECT_EQ(*timers.next_deadline(), 92 * one_second);
    write(seconds_alarm, 0xff);
    EXPECT_EQ(*timers.next_deadline(), 33 * one_second);
}

TEST_F(Clock, AlarmInTwelveHourFormat) {
    write(register_b, b::alarm_interrupt);
    write(hours_alarm, 0x81);  // 1 PM
    write(minutes_alarm, 0);
    write(seconds_alarm, 0);
    EXPECT_EQ(*timers.next_deadline(), (2 + 13 * 3600) * one_second);
}

TEST_F(Clock, AnImpossibleAlarmNeverComes) {
    write(hours_alarm, 0x25);
    write(register_b, b::hours_24 | b::alarm_interrupt);
    EXPECT_FALSE(timers.next_deadline());
    clock.set(400'000 * one_second);
    EXPECT_FALSE(read(register_c) & c::alarm);
}

TEST_F(Clock, AlarmPassedInALongGapIsNoticed) {
    write(hours_alarm, 0x12);
    clock.set(10 * 86'400 * one_second);
    EXPECT_TRUE(read(register_c) & c::alarm);
}

TEST_F(Clock, MemoryHoldsWhatFirmwarePutThere) {
    RtcChip::Cmos cmos{};
    cmos[0x15] = 0x80;
    cmos[0x16] = 0x02;
    cmos[seconds] = 0x99;
    cmos[register_b] = 0xff;
    rtc = make(start_of_2024_12_31_23_59_58, cmos);
    EXPECT_EQ(read(0x15), 0x80);
    EXPECT_EQ(read(0x16), 0x02);
    EXPECT_EQ(read(seconds), 0x58);
    EXPECT_EQ(read(register_b), b::hours_24);
    write(0x7f, 0xa5);
    EXPECT_EQ(read(0x7f), 0xa5);
    write(register_c, 0xff);
    write(register_d, 0x00);
    EXPECT_EQ(read(register_c), 0);
    EXPECT_EQ(read(register_d), d::valid_ram_and_time);
}

TEST_F(Clock, IndexPortMasksNmi) {
    EXPECT_FALSE(rtc->masks_nmi());
    write(0x40 | nmi_masked, 0x33);
    EXPECT_TRUE(rtc->masks_nmi());
    EXPECT_EQ(read(0x40), 0x33);
    EXPECT_FALSE(rtc->masks_nmi());
    EXPECT_EQ(in(*rtc, index_port), 0xff);
}

TEST_F(Clock, ResetKeepsTheTimeAndDropsInterrupts) {
    write(register_b, b::hours_24 | b::update_interrupt);
    write(0x40, 1);
    timers.run_until(one_second);
    EXPECT_TRUE(irq8.high());
    rtc->reset();
    EXPECT_FALSE(irq8.high());
    EXPECT_EQ(read(register_b), b::hours_24);
    EXPECT_EQ(shown(), "2024-12-31 23:59:59 3");
    EXPECT_EQ(read(0x40), 1);
    EXPECT_FALSE(timers.next_deadline());
}

TEST_F(Clock, RestoresInTheMiddleOfWork) {
    clock.set(one_second / 4);
    write(minutes, 0x30);
    write(day_of_week, 5);
    write(register_b, b::hours_24 | b::update_interrupt);
    write(0x20, 0xaa);
    out(*rtc, index_port, 0x20);
    const bus::SavedState saved = rtc->save();
    rtc.reset();

    FakeLine line;
    auto restored = Rtc::restore({line, clock, timers}, saved);
    ASSERT_TRUE(restored) << restored.error().message;
    rtc = std::move(*restored);
    EXPECT_EQ(in(*rtc, data_port), 0xaa);
    EXPECT_EQ(shown(), "2024-12-31 23:30:58 5");
    timers.run_until(one_second);
    EXPECT_TRUE(line.high());
    EXPECT_EQ(read(seconds), 0x59);
}

TEST_F(Clock, RestoresWhileTheGuestSetsTheTime) {
    write(register_b, b::hours_24 | b::set);
    write(year, 0x11);
    auto restored = Rtc::restore({irq8, clock, timers}, rtc->save());
    ASSERT_TRUE(restored);
    rtc = std::move(*restored);
    clock.set(5 * one_second);
    write(register_b, b::hours_24);
    EXPECT_EQ(shown().substr(0, 19), "2011-12-31 23:59:58");
}

TEST_F(Clock, RefusesImpossibleStates) {
    const bus::SavedState good = rtc->save();
    const auto refuses = [&](const char* field, nlohmann::json value) {
        bus::SavedState bad = good;
        bad.fields[field] = std::move(value);
        return !Rtc::restore({irq8, clock, timers}, bad).has_value();
    };
    EXPECT_TRUE(refuses("anchor_fraction", one_second));
    EXPECT_TRUE(refuses("anchor", ~u64{0}));
    EXPECT_TRUE(refuses("anchor_seconds_since_year_0", ~u64{0}));
    EXPECT_TRUE(refuses("weekday_shift", 7));
    EXPECT_TRUE(refuses("memory", nlohmann::json::array({1, 2})));
    EXPECT_FALSE(refuses("index", 3));
}

}  // namespace
}  // namespace softmetal::devices
