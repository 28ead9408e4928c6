// The interval timer: modes, latches, port 0x61 and IRQ 0.
#include "devices/pit8254/pit8254.hpp"

#include "fakes.hpp"

#include <gtest/gtest.h>

namespace softmetal::devices {
namespace {

using namespace testing;
using namespace pit;
using ::testing::Test;

constexpr TickRate rate = Pit8254Chip::rate;

TEST(TickRate, IsExactBothWays) {
    EXPECT_EQ(rate.ticks(bus::nanoseconds_per_second), frequency);
    EXPECT_EQ(rate.ticks(1000 * bus::nanoseconds_per_second), 1000 * frequency);
    for (const u64 tick : {u64{0}, u64{1}, u64{17}, frequency - 1, frequency, 123'456'789'012u * u64{7}}) {
        EXPECT_EQ(rate.ticks(rate.time_of(tick)), tick);
        if (tick) {
            EXPECT_EQ(rate.ticks(rate.time_of(tick) - 1), tick - 1);
        }
    }
}

struct Counter : Test {
    Pit8254Counter counter;
    u64 tick = 1000;

    void program(Mode mode, u16 count, bool bcd = false) {
        counter.advance(tick);
        counter.set_control(static_cast<u8>(0x30 | mode << 1 | (bcd ? 1 : 0)), tick);
        write(count);
    }
    void write(u16 count) {
        counter.advance(tick);
        counter.write_count(static_cast<u8>(count), tick);
        counter.write_count(static_cast<u8>(count >> 8), tick);
    }
    void gate(bool high) {
        counter.advance(tick);
        counter.set_gate(high, tick);
    }
    void go(u64 ticks) { counter.advance(tick += ticks); }
    u16 count() {
        const u8 low = counter.read_count(tick);
        return static_cast<u16>(counter.read_count(tick) << 8 | low);
    }
    bool out() { return counter.output(tick); }
    /// OUT in each of the next clocks, as a picture.
    std::string wave(unsigned clocks) {
        std::string picture;
        for (unsigned i = 0; i < clocks; ++i) {
            go(1);
            picture += out() ? '#' : '_';
        }
        return picture;
    }
};

TEST_F(Counter, Mode0EndsOneClockAfterTheCount) {
    program(interrupt_on_terminal_count, 4);
    EXPECT_EQ(counter.next_rise(tick), tick + 5);
    EXPECT_EQ(wave(7), "____###");
    EXPECT_EQ(count(), 0xfffe);  // it goes on
    EXPECT_EQ(counter.take_rises(), 1u);
    EXPECT_FALSE(counter.next_rise(tick));
}

TEST_F(Counter, Mode0StopsAtTheFirstByteOfANewCount) {
    program(interrupt_on_terminal_count, 4);
    go(20);
    EXPECT_TRUE(out());
    counter.write_count(3, tick);
    EXPECT_FALSE(out());
    EXPECT_FALSE(counter.next_rise(tick));
    go(100);
    EXPECT_FALSE(out());
    counter.write_count(0, tick);
    EXPECT_EQ(wave(5), "___##");
}

TEST_F(Counter, Mode0GateHoldsTheCount) {
    program(interrupt_on_terminal_count, 10);
    go(4);
    EXPECT_EQ(count(), 7);
    gate(false);
    go(100);
    EXPECT_EQ(count(), 7);
    gate(true);
    go(6);
    EXPECT_FALSE(out());
    go(1);
    EXPECT_TRUE(out());
}

TEST_F(Counter, Mode1IsTriggeredByTheGateAgainAndAgain) {
    gate(false);
    program(one_shot, 3);
    EXPECT_EQ(wave(10), "##########");
    gate(true);
    EXPECT_EQ(wave(5), "___##");
    gate(false);
    gate(true);
    EXPECT_EQ(wave(2), "__");
    gate(false);
    gate(true);  // again before it ends: stays low for the whole count
    EXPECT_FALSE(out());
    EXPECT_EQ(wave(5), "___##");
}

TEST_F(Counter, Mode1NewCountWaitsForTheTrigger) {
    gate(false);
    program(one_shot, 3);
    gate(true);
    write(1);
    EXPECT_EQ(wave(5), "___##");
    gate(false);
    gate(true);
    EXPECT_EQ(wave(3), "_##");
}

TEST_F(Counter, Mode2IsLowForTheLastClockOfEachPeriod) {
    program(rate_generator, 4);
    EXPECT_EQ(wave(13), "###_###_###_#");
    EXPECT_EQ(counter.take_rises(), 3u);
    EXPECT_EQ(counter.next_rise(tick), tick + 4);
}

TEST_F(Counter, Mode2TakesANewCountAtTheEndOfThePeriod) {
    program(rate_generator, 5);
    go(3);
    write(3);
    EXPECT_EQ(wave(10), "#_##_##_##");
    EXPECT_EQ(counter.take_rises(), 3u);
}

TEST_F(Counter, Mode2GateRestartsThePeriod) {
    program(rate_generator, 4);
    go(4);
    EXPECT_FALSE(out());
    gate(false);
    EXPECT_TRUE(out());  // at once
    EXPECT_EQ(wave(8), "########");
    gate(true);
    EXPECT_EQ(wave(5), "###_#");
}

TEST_F(Counter, Mode3IsASquareWave) {
    program(square_wave, 4);
    EXPECT_EQ(wave(9), "##__##__#");
    program(square_wave, 5);  // odd: one clock longer high
    EXPECT_EQ(wave(11), "###__###__#");
    EXPECT_EQ(counter.take_rises(), 2u);
}

TEST_F(Counter, Mode3CountsDownByTwo) {
    program(square_wave, 8);
    std::string counts;
    for (int i = 0; i < 9; ++i) {
        go(1);
        counts += static_cast<char>('0' + count());
    }
    EXPECT_EQ(counts, "864286428");
}

TEST_F(Counter, Mode3TakesANewCountAtTheHalfPeriod) {
    program(square_wave, 8);
    go(2);
    write(4);
    const auto rise = counter.next_rise(tick);
    EXPECT_EQ(wave(9), "##__##__#");
    EXPECT_EQ(rise, tick - 9 + 5);
    EXPECT_EQ(counter.take_rises(), 2u);
}

TEST_F(Counter, Mode4StrobesOnce) {
    program(software_strobe, 3);
    EXPECT_EQ(counter.next_rise(tick), tick + 5);
    EXPECT_EQ(wave(8), "###_####");
    EXPECT_EQ(counter.take_rises(), 1u);
    write(2);
    EXPECT_EQ(wave(5), "##_##");
}

TEST_F(Counter, Mode5StrobesAfterATrigger) {
    gate(false);
    program(hardware_strobe, 2);
    EXPECT_EQ(wave(6), "######");
    gate(true);
    EXPECT_EQ(wave(6), "##_###");
}

TEST_F(Counter, ZeroIsTheGreatestCount) {
    program(interrupt_on_terminal_count, 0);
    go(0x10000);
    EXPECT_FALSE(out());
    EXPECT_EQ(count(), 1);
    go(1);
    EXPECT_TRUE(out());
    program(interrupt_on_terminal_count, 0, true);
    go(10'000);
    EXPECT_FALSE(out());
    go(1);
    EXPECT_TRUE(out());
    go(1);
    EXPECT_EQ(count(), 0x9999);
}

TEST_F(Counter, BcdCountsInDecimal) {
    program(rate_generator, 0x1000, true);
    go(2);
    EXPECT_EQ(count(), 0x0999);
    go(999);
    EXPECT_EQ(count(), 0x1000);
}

TEST_F(Counter, ManyPeriodsAtOnceAreAllCounted) {
    program(rate_generator, 7);
    go(1 + 7 * 1'000'000);
    EXPECT_EQ(counter.take_rises(), 1'000'000u);
}

TEST_F(Counter, LatchedCountStandsStillUntilRead) {
    program(rate_generator, 0x1234);
    go(1);
    counter.latch_count(tick);
    go(0x200);
    counter.latch_count(tick);  // ignored: one is latched
    EXPECT_EQ(count(), 0x1234);
    EXPECT_EQ(count(), 0x1034);
}

struct Timer : Test {
    FakeClock clock;
    FakeTimerFactory timers{clock};
    FakeLine irq0;
    std::unique_ptr<Pit8254> pit = std::make_unique<Pit8254>(Pit8254::Resources{irq0, clock, timers});

    void port(u64 offset, u8 value) { out(pit->ports(), offset, value); }
    u8 port(u64 offset) { return in(pit->ports(), offset); }
    void program(unsigned channel, u8 control_low, u16 count) {
        port(control_port, static_cast<u8>(channel << 6 | 0x30 | control_low));
        port(channel, static_cast<u8>(count));
        port(channel, static_cast<u8>(count >> 8));
    }
    void port61(u8 value) { out(pit->system_control_b(), 0, value); }
    u8 port61() { return in(pit->system_control_b(), 0); }
};

TEST_F(Timer, CalibrationByChannel2IsExact) {
    // What Linux does: mode 0 for 50 ms, then poll bit 5 and see how much time has passed.
    const u16 latch = static_cast<u16>(frequency / 20);
    port61(static_cast<u8>((port61() & ~port_b::speaker) | port_b::timer2_gate));
    program(2, interrupt_on_terminal_count << 1, latch);
    const u64 start_tick = rate.ticks(clock.now());
    const bus::Nanoseconds due = rate.time_of(start_tick + latch + 1);
    clock.set(due - 1);
    EXPECT_FALSE(port61() & port_b::timer2_output);
    clock.set(due);
    EXPECT_TRUE(port61() & port_b::timer2_output);
}

TEST_F(Timer, CalibrationIsNotShortenedByAProcessorThatLayIdle) {
    const u16 latch = static_cast<u16>(frequency / 100);
    constexpr bus::Nanoseconds millisecond = 1'000'000;
    port61(port_b::timer2_gate);
    for (int round = 0; round < 3; ++round) {
        program(2, interrupt_on_terminal_count << 1, latch);
        const bus::Nanoseconds begin = clock.now();
        // As Linux does: the time after the last poll that found it low is taken for the end.
        bus::Nanoseconds end = begin;
        for (int poll = 0; poll < 1000; ++poll) {
            clock.set(clock.now() + 1000);
            ASSERT_FALSE(port61() & port_b::timer2_output);
            end = clock.now();
        }
        clock.set(clock.now() + 30 * millisecond);  // the host runs something else
        while (!(port61() & port_b::timer2_output)) {
            end = clock.now();
            clock.set(clock.now() + 1000);
        }
        EXPECT_GE(end - begin, 10 * millisecond);
        EXPECT_TRUE(port61() & port_b::timer2_output) << "held back once only";
    }
}

TEST_F(Timer, CalibrationByReadingTheHighByteSeesEveryStep) {
    port61(port_b::timer2_gate);
    program(2, interrupt_on_terminal_count << 1, 0xffff);
    clock.set(rate.time_of(1));
    u8 last = 0xff;
    for (u64 tick = 1; tick < 0x8000; tick += 0x40) {
        clock.set(rate.time_of(tick));
        (void)port(2);
        const u8 high = port(2);
        EXPECT_TRUE(high == last || high == last - 1);
        last = high;
    }
    EXPECT_EQ(last, 0x80);
}

TEST_F(Timer, Port61GatesAndShowsTheRefreshToggle) {
    EXPECT_EQ(port61() & port_b::writable, 0);
    port61(0xff);
    EXPECT_EQ(port61() & port_b::writable, 0x0f);
    const u8 before = port61() & port_b::refresh;
    clock.set(rate.time_of(port_b::refresh_ticks));
    EXPECT_NE(port61() & port_b::refresh, before);
    port61(0);
    program(2, interrupt_on_terminal_count << 1, 10);
    clock.set(clock.now() + 1'000'000);
    EXPECT_FALSE(port61() & port_b::timer2_output);  // the gate is closed
}

TEST_F(Timer, PeriodicInterruptsComeAtTheExactRate) {
    program(0, rate_generator << 1, 11932);
    const unsigned before = irq0.rises();
    timers.run_until(10 * bus::nanoseconds_per_second);
    EXPECT_EQ(irq0.rises() - before, (rate.ticks(clock.now()) - 1) / 11932);
    EXPECT_TRUE(irq0.high());
}

TEST_F(Timer, OneShotInterruptsOnce) {
    program(0, interrupt_on_terminal_count << 1, 1193);
    EXPECT_FALSE(irq0.high());
    timers.advance(bus::nanoseconds_per_second);
    EXPECT_TRUE(irq0.high());
    const unsigned rises = irq0.rises();
    timers.advance(bus::nanoseconds_per_second);
    EXPECT_EQ(irq0.rises(), rises);
    EXPECT_FALSE(timers.next_deadline());  // an idle timer costs nothing
    port(0, 0x10);
    EXPECT_FALSE(irq0.high());
    port(0, 0);
    timers.advance(bus::nanoseconds_per_second);
    EXPECT_EQ(irq0.rises(), rises + 1);
}

TEST_F(Timer, MissedTicksAreMadeUpFor) {
    program(0, rate_generator << 1, 1193);  // 1 ms
    const unsigned before = irq0.rises();
    timers.run_until(10'500'000);
    EXPECT_EQ(irq0.rises() - before, 10u);
    clock.set(20'500'000);  // the host was away for 10 ms
    timers.run_until(20'500'000);
    EXPECT_EQ(irq0.rises() - before, 11u);  // not all at once: a request holds only one edge
    timers.run_until(24'500'000);
    EXPECT_EQ(irq0.rises() - before, 24u);
    timers.run_until(100'500'000);
    EXPECT_EQ(irq0.rises() - before, 100u);
}

TEST_F(Timer, TheBacklogIsBounded) {
    program(0, rate_generator << 1, 1193);
    clock.set(100 * bus::nanoseconds_per_second);
    const unsigned before = irq0.rises();
    timers.advance(10 * bus::nanoseconds_per_second);
    EXPECT_LE(irq0.rises() - before, 10'001 + pit8254_maximum_backlog);
    EXPECT_GE(irq0.rises() - before, 10'000u);
}

TEST_F(Timer, ReprogrammingDropsTheBacklog) {
    program(0, rate_generator << 1, 1193);
    timers.run_until(2'000'000);
    clock.set(20'000'000);
    program(0, interrupt_on_terminal_count << 1, 1193);
    const unsigned before = irq0.rises();
    timers.advance(bus::nanoseconds_per_second);
    EXPECT_EQ(irq0.rises(), before + 1);
}

TEST_F(Timer, AnAbsurdRateDoesNotOccupyTheHost) {
    port(control_port, 0x14);  // mode 2, low byte only
    port(0, 2);
    const unsigned before = irq0.rises();
    timers.advance(1'000'000);
    EXPECT_LE(irq0.rises() - before, 41u);
    EXPECT_GE(irq0.rises() - before, 39u);
}

TEST_F(Timer, ReadBackLatchesStatusAndCount) {
    program(0, rate_generator << 1, 0x1234);
    port(control_port, 0xc2);  // status and count of channel 0
    const u8 status_byte = port(0);
    EXPECT_EQ(status_byte, status::output | status::null_count | 0x34);
    const u8 low = port(0);
    EXPECT_EQ(port(0) << 8 | low, 0x1234);
    clock.set(rate.time_of(100));
    port(control_port, 0xe2);  // status alone
    EXPECT_EQ(port(0), status::output | 0x34);
    port(control_port, 0xde);  // the counts of all three
    const u8 latched_low = port(0);
    EXPECT_EQ(port(0) << 8 | latched_low, 0x1234 - 99);
}

TEST_F(Timer, CounterLatchCommand) {
    program(0, rate_generator << 1, 1000);
    clock.set(rate.time_of(11));
    port(control_port, 0x00);
    clock.set(rate.time_of(400));
    const u8 low = port(0);
    EXPECT_EQ(port(0) << 8 | low, 990);
}

TEST_F(Timer, SingleByteAccess) {
    port(control_port, 0x64 | 0x10);  // channel 1, low byte, mode 2
    port(control_port, 0x54);
    port(1, 18);
    clock.set(rate.time_of(4));
    EXPECT_EQ(port(1), 15);
    EXPECT_EQ(port(1), 15);
    port(control_port, 0x64);  // high byte
    port(1, 0x10);
    clock.set(rate.time_of(5));
    EXPECT_EQ(port(1), 0x10);
}

TEST_F(Timer, RestoresInTheMiddleOfWork) {
    program(0, rate_generator << 1, 1193);
    port61(port_b::timer2_gate | port_b::speaker);
    program(2, square_wave << 1, 1000);
    timers.run_until(1'500'000);
    clock.set(4'100'000);  // late: edges are owed
    port(control_port, 0x80);
    (void)port(2);  // half a latched count read
    const bus::SavedState saved = pit->save();
    const u8 rest = port(2);
    pit.reset();

    FakeLine line;
    auto restored = Pit8254::restore({line, clock, timers}, saved);
    ASSERT_TRUE(restored) << restored.error().message;
    pit = std::move(*restored);
    EXPECT_EQ(port(2), rest);
    EXPECT_EQ(port61() & port_b::writable, 3);
    const unsigned before = line.rises();
    timers.run_until(20'500'000);
    // 20 periods in all; 2 edges had been delivered: one on time, one late, in the last access before saving.
    EXPECT_EQ(line.rises() - before, 20u - 2u);
}

TEST_F(Timer, RefusesImpossibleStates) {
    const bus::SavedState good = pit->save();
    const auto refuses = [&](const char* field, nlohmann::json value) {
        bus::SavedState bad = good;
        bad.fields["counters"][1][field] = std::move(value);
        return !Pit8254::restore({irq0, clock, timers}, bad).has_value();
    };
    EXPECT_TRUE(refuses("period", 0));
    EXPECT_TRUE(refuses("period", 0x10001));
    EXPECT_TRUE(refuses("mode", 6));
    EXPECT_TRUE(refuses("access", 0));
    EXPECT_TRUE(refuses("start", ~u64{0}));
    EXPECT_FALSE(refuses("start", 5));
    bus::SavedState bad = good;
    bad.fields["counters"].erase(0);
    EXPECT_FALSE(Pit8254::restore({irq0, clock, timers}, bad));
    bad = good;
    bad.fields["backlog"] = pit8254_maximum_backlog + 1;
    EXPECT_FALSE(Pit8254::restore({irq0, clock, timers}, bad));
}

TEST_F(Timer, AStateFromTheFutureDoesNoHarm) {
    bus::SavedState saved = pit->save();
    for (auto& counter : saved.fields["counters"]) {
        counter["loaded"] = true;
        counter["seen"] = counter["start"] = u64{1} << 40;
    }
    auto restored = Pit8254::restore({irq0, clock, timers}, saved);
    ASSERT_TRUE(restored);
    const unsigned before = irq0.rises();
    timers.advance(bus::nanoseconds_per_second);
    EXPECT_EQ(irq0.rises(), before);
}

TEST_F(Timer, ResetStopsIt) {
    program(0, rate_generator << 1, 1193);
    timers.advance(5'000'000);
    pit->reset();
    const unsigned before = irq0.rises();
    timers.advance(bus::nanoseconds_per_second);
    EXPECT_EQ(irq0.rises(), before);
    EXPECT_FALSE(timers.next_deadline());
}

}  // namespace
}  // namespace softmetal::devices
