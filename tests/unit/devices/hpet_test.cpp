// The high precision event timer.
#include "devices/hpet/hpet.hpp"

#include "fakes.hpp"

#include <gtest/gtest.h>
#include <random>

namespace softmetal::devices {
namespace {

using namespace testing;
namespace reg = hpet::reg;

constexpr u64 on = hpet::configuration::enabled, legacy = hpet::configuration::legacy_replacement;
constexpr u64 interrupts = hpet::timer::interrupt_enabled, periodic = hpet::timer::periodic,
              level = hpet::timer::level_triggered, set_value = hpet::timer::set_value,
              narrow = hpet::timer::force_32;
constexpr u64 route(u64 input) { return input << hpet::timer::route_shift; }
constexpr u64 configuration_of(unsigned timer) { return reg::first_timer + timer * reg::timer_stride; }
constexpr u64 comparator_of(unsigned timer) { return configuration_of(timer) + reg::timer_comparator; }

struct HpetTest : ::testing::Test {
    FakeClock clock;
    FakeTimerFactory timers{clock};
    FakeLine irq0, irq8, replacement, pin20, pin21;
    std::unique_ptr<Hpet> device = std::make_unique<Hpet>(resources());

    Hpet::Resources resources() {
        return {irq0, irq8, replacement, {{20, &pin20}, {21, &pin21}}, clock, timers};
    }
    u64 read(u64 offset) { return device->read_io(offset, 8); }
    void write(u64 offset, u64 value) { device->write_io(offset, 8, value); }
};

TEST_F(HpetTest, SaysWhatItCanDo) {
    EXPECT_EQ(read(reg::capabilities), 10'000'000ull << 32 | 0x8086a201);
    EXPECT_EQ(device->read_io(4, 4), 10'000'000u);
    EXPECT_EQ(read(configuration_of(0)), 0x30ull << 32 << 16 | 0x30);
    EXPECT_EQ(read(comparator_of(2)), ~u64{0});
    EXPECT_EQ(read(configuration_of(3)), 0u);
    EXPECT_EQ(device->read_io(0, 1), 0xffu);
    EXPECT_EQ(device->read_io(2, 4), 0xffff'ffffu);
}

TEST_F(HpetTest, CountsWhileItIsEnabled) {
    timers.advance(1000);
    EXPECT_EQ(read(reg::counter), 0u);
    write(reg::configuration, on);
    timers.advance(1000);
    EXPECT_EQ(read(reg::counter), 100u);
    write(reg::counter, 7);
    EXPECT_EQ(read(reg::counter), 100u) << "it runs";
    write(reg::configuration, 0);
    timers.advance(1000);
    EXPECT_EQ(read(reg::counter), 100u);
    device->write_io(reg::counter + 4, 4, 1);
    device->write_io(reg::counter, 4, 5);
    EXPECT_EQ(read(reg::counter), 0x1'0000'0005u);
    EXPECT_EQ(device->read_io(reg::counter + 4, 4), 1u);
}

TEST_F(HpetTest, InterruptsOnce) {
    write(configuration_of(2), interrupts | route(20));
    write(comparator_of(2), 5000);
    write(reg::configuration, on);
    timers.advance(49'999);
    EXPECT_EQ(pin20.rises(), 0u);
    timers.advance(1);
    EXPECT_EQ(pin20.rises(), 1u);
    EXPECT_EQ(pin21.rises(), 0u);
    timers.advance(bus::nanoseconds_per_second);
    EXPECT_EQ(pin20.rises(), 1u);
    EXPECT_EQ(read(reg::interrupt_status), 0u) << "edges leave no status";
}

TEST_F(HpetTest, WaitsForTheNextRoundWhereTheComparatorHasPassed) {
    write(configuration_of(0), interrupts | route(20) | narrow);
    write(reg::counter, 100);
    write(comparator_of(0), 99);
    write(reg::configuration, on);
    timers.advance(40 * bus::nanoseconds_per_second);
    EXPECT_EQ(pin20.rises(), 0u);
    timers.advance(3 * bus::nanoseconds_per_second);
    EXPECT_EQ(pin20.rises(), 1u) << "32 bits of 10 ns: 42.9 s";
}

TEST_F(HpetTest, RepeatsWithItsPeriod) {
    write(reg::configuration, on);
    write(configuration_of(1), interrupts | periodic | set_value | route(21));
    write(comparator_of(1), 10'000);  // the first match
    write(comparator_of(1), 20'000);  // the period
    EXPECT_EQ(read(comparator_of(1)), 10'000u);
    timers.run_until(100'000);
    EXPECT_EQ(pin21.rises(), 1u);
    EXPECT_EQ(read(comparator_of(1)), 30'000u);
    timers.run_until(299'999);
    EXPECT_EQ(pin21.rises(), 1u);
    timers.run_until(700'000);
    EXPECT_EQ(pin21.rises(), 4u);
}

TEST_F(HpetTest, MergesWhatItMissed) {
    write(reg::configuration, on);
    write(configuration_of(1), interrupts | periodic | set_value | route(21));
    write(comparator_of(1), 10'000);
    clock.set(1'050'000);
    timers.advance(0);
    EXPECT_EQ(pin21.rises(), 1u);
    EXPECT_EQ(read(comparator_of(1)), 110'000u);
}

TEST_F(HpetTest, DoesNotStormWhateverThePeriod) {
    write(reg::configuration, on);
    write(configuration_of(1), interrupts | periodic | set_value | route(21));
    write(comparator_of(1), 1);
    timers.advance(1'000'000);
    EXPECT_LE(pin21.rises(), 42u);
    EXPECT_GE(pin21.rises(), 38u);
}

TEST_F(HpetTest, HoldsItsLineUntilTheStatusIsCleared) {
    write(configuration_of(0), interrupts | level | route(20));
    write(comparator_of(0), 1000);
    write(reg::configuration, on);
    timers.advance(10'000);
    EXPECT_TRUE(pin20.high());
    EXPECT_EQ(read(reg::interrupt_status), 1u);
    timers.advance(10'000);
    EXPECT_TRUE(pin20.high());
    write(reg::interrupt_status, 2);
    EXPECT_TRUE(pin20.high());
    write(reg::interrupt_status, 1);
    EXPECT_FALSE(pin20.high());
}

TEST_F(HpetTest, TakesThePlaceOfPitAndRtc) {
    EXPECT_FALSE(replacement.high());
    write(configuration_of(0), interrupts | route(20));
    write(comparator_of(0), 1000);
    write(configuration_of(1), interrupts | route(20));
    write(comparator_of(1), 9000);
    write(reg::configuration, on | legacy);
    EXPECT_TRUE(replacement.high());
    timers.advance(90'000);
    EXPECT_EQ(irq0.rises(), 1u);
    EXPECT_EQ(irq8.rises(), 1u);
    EXPECT_EQ(pin20.rises(), 0u);
    write(reg::configuration, 0);
    EXPECT_FALSE(replacement.high());
}

TEST_F(HpetTest, RefusesRoutesThatItDoesNotHave) {
    write(configuration_of(0), interrupts | route(5));
    EXPECT_EQ(read(configuration_of(0)) & hpet::timer::route, 0u);
    write(comparator_of(0), 10);
    write(reg::configuration, on);
    timers.advance(1000);
    EXPECT_EQ(pin20.rises() + pin21.rises() + irq0.rises(), 0u);
}

TEST_F(HpetTest, RestoresWhileItCounts) {
    write(reg::configuration, on);
    write(configuration_of(1), interrupts | periodic | set_value | route(21));
    write(comparator_of(1), 10'000);
    timers.advance(50'000);
    const bus::SavedState saved = device->save();
    device.reset();
    auto restored = Hpet::restore(resources(), saved);
    ASSERT_TRUE(restored) << restored.error().message;
    device = std::move(*restored);
    EXPECT_EQ(device->save().fields, saved.fields);
    EXPECT_EQ(read(reg::counter), 5000u);
    timers.advance(50'000);
    EXPECT_EQ(pin21.rises(), 1u);
    bus::SavedState bad = saved;
    bad.fields["timers"][0]["configuration"] = 1;
    EXPECT_FALSE(Hpet::restore(resources(), bad));
    bad = saved;
    bad.fields["timers"].erase(0);
    EXPECT_FALSE(Hpet::restore(resources(), bad));
}

TEST_F(HpetTest, SurvivesAnything) {
    std::mt19937_64 random(1);
    for (int step = 0; step < 30'000; step++) {
        const unsigned width = random() % 4 ? 4u << random() % 2 : 1u << random() % 3;
        const u64 offset = random() % 8 ? random() % 0x170 & ~u64{width - 1} : random() % 0x400;
        if (random() % 2)
            device->write_io(offset, width, random() % 2 ? random() : random() % 0x2000);
        else
            (void)device->read_io(offset, width);
        timers.advance(random() % 5'000);
        if (step % 100) continue;
        const bus::SavedState saved = device->save();
        device.reset();
        auto restored = Hpet::restore(resources(), saved);
        ASSERT_TRUE(restored) << restored.error().message;
        device = std::move(*restored);
        ASSERT_EQ(device->save().fields, saved.fields);
    }
}

}  // namespace
}  // namespace softmetal::devices
