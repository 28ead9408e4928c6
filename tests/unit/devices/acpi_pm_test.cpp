// ACPI fixed hardware: power button, SCI, timer, soft off, reset.
#include "devices/acpi_pm/acpi_pm.hpp"

#include "fakes.hpp"

#include <gtest/gtest.h>

namespace softmetal::devices {
namespace {

using namespace testing;
using namespace acpi;
using ::testing::Test;

struct Pm : Test {
    FakeClock clock;
    FakeTimerFactory timers{clock};
    FakeLine sci;
    FakePlatform platform;
    std::unique_ptr<AcpiPm> pm = std::make_unique<AcpiPm>(resources());

    AcpiPm::Resources resources(AcpiPmChip::Start start = AcpiPmChip::Start::acpi_mode) {
        return {sci, platform, clock, timers, start};
    }
    u64 read(u64 offset, unsigned width) { return pm->read_io(offset, width); }
    void write(u64 offset, unsigned width, u64 value) { pm->write_io(offset, width, value); }
    static constexpr u64 soft_off = u64{sleep_type_s5} << control::sleep_type_shift | control::sleep_enable;
};

TEST_F(Pm, PowerButtonRaisesTheSciUntilAcknowledged) {
    pm->press_power_button();
    EXPECT_EQ(read(pm1_status, 2), event::power_button);
    EXPECT_FALSE(sci.high());  // not enabled
    write(pm1_enable, 2, event::power_button);
    EXPECT_TRUE(sci.high());
    write(pm1_status, 2, event::timer_carry);  // another bit
    EXPECT_TRUE(sci.high());
    write(pm1_status, 2, event::power_button);
    EXPECT_FALSE(sci.high());
    EXPECT_EQ(read(pm1_status, 2), 0u);
    pm->press_power_button();
    EXPECT_TRUE(sci.high());
}

TEST_F(Pm, RegistersTakeAnyWidth) {
    write(pm1_status, 4, u64{0xffff} << 16);  // enables in the upper half
    EXPECT_EQ(read(pm1_enable, 2), event::enables);
    EXPECT_EQ(read(pm1_enable, 1), event::enables & 0xff);
    EXPECT_EQ(read(pm1_status, 4) >> 16, event::enables);
    write(pm1_enable + 1, 1, 0);
    EXPECT_EQ(read(pm1_enable, 2), event::enables & 0xff);
    pm->press_power_button();
    write(pm1_status + 1, 1, event::power_button >> 8);
    EXPECT_EQ(read(pm1_status, 2), 0u);
    EXPECT_EQ(read(block_size - 1, 2), 0xff00u);
    write(block_size + 4, 4, ~u64{0});
}

TEST_F(Pm, SoftOff) {
    write(pm1_control, 2, u64{sleep_type_s5} << control::sleep_type_shift);
    EXPECT_EQ(platform.power_offs, 0u);
    write(pm1_control, 2, soft_off);
    EXPECT_EQ(platform.power_offs, 1u);
    EXPECT_FALSE(read(pm1_control, 2) & control::sleep_enable);
    write(pm1_control, 2, control::sleep_enable | 1u << control::sleep_type_shift);
    EXPECT_EQ(platform.power_offs, 1u);  // no such sleep state
}

TEST_F(Pm, SoftOffByBytesAndDwords) {
    write(pm1_control + 1, 1, soft_off >> 8);
    EXPECT_EQ(platform.power_offs, 1u);
    write(pm1_control, 4, soft_off);
    EXPECT_EQ(platform.power_offs, 2u);
}

TEST_F(Pm, AcpiModeIsNotTheGuestsToLeaveByTheControlRegister) {
    EXPECT_EQ(read(pm1_control, 2), control::sci_enable);
    write(pm1_control, 2, control::bus_master_reload);
    EXPECT_EQ(read(pm1_control, 2), control::sci_enable | control::bus_master_reload);
}

TEST_F(Pm, SmiCommandsSwitchTheMode) {
    pm = std::make_unique<AcpiPm>(resources(AcpiPmChip::Start::legacy_mode));
    write(pm1_enable, 2, event::power_button);
    pm->press_power_button();
    EXPECT_FALSE(sci.high());
    out(pm->smi_command_port(), 0, smi_acpi_enable);
    EXPECT_TRUE(read(pm1_control, 2) & control::sci_enable);
    EXPECT_TRUE(sci.high());
    out(pm->smi_command_port(), 0, smi_acpi_disable);
    EXPECT_FALSE(sci.high());
    out(pm->smi_command_port(), 0, 0x55);
    EXPECT_EQ(in(pm->smi_command_port(), 0), 0x55);
    EXPECT_FALSE(read(pm1_control, 2) & control::sci_enable);
}

TEST_F(Pm, TimerRunsAtItsFrequency) {
    EXPECT_EQ(read(pm_timer, 4), 0u);
    clock.set(bus::nanoseconds_per_second);
    EXPECT_EQ(read(pm_timer, 4), timer_frequency);
    clock.set(100 * bus::nanoseconds_per_second);
    EXPECT_EQ(read(pm_timer, 4), 100 * timer_frequency);
    EXPECT_EQ(read(pm_timer + 1, 2), (100 * timer_frequency >> 8) & 0xffff);
    write(pm_timer, 4, 0);  // read only
    EXPECT_EQ(read(pm_timer, 4), 100 * timer_frequency);
    clock.set(AcpiPmChip::rate.time_of((u64{1} << 32) + 5));
    EXPECT_EQ(read(pm_timer, 4), 5u);
}

TEST_F(Pm, TimerCarryInterrupts) {
    EXPECT_FALSE(timers.next_deadline());
    write(pm1_enable, 2, event::timer_carry);
    const auto half = AcpiPmChip::rate.time_of(u64{1} << 31);
    ASSERT_EQ(timers.next_deadline(), half);
    timers.run_until(half - 1);
    EXPECT_FALSE(sci.high());
    timers.run_until(half);
    EXPECT_TRUE(sci.high());
    EXPECT_EQ(read(pm1_status, 2), event::timer_carry);
    write(pm1_status, 2, event::timer_carry);
    EXPECT_FALSE(sci.high());
    EXPECT_EQ(timers.next_deadline(), AcpiPmChip::rate.time_of(u64{1} << 32));
}

TEST_F(Pm, GeneralPurposeEvents) {
    pm->raise_general_event(3);
    pm->raise_general_event(9);
    EXPECT_EQ(read(gpe0_status, 2), 0x208u);
    write(gpe0_enable, 2, 1u << 9);
    EXPECT_TRUE(sci.high());
    write(gpe0_status, 2, 1u << 9);
    EXPECT_FALSE(sci.high());
    EXPECT_EQ(read(gpe0_status, 2), 8u);
    EXPECT_EQ(read(gpe0_enable, 2), 0x200u);
}

TEST_F(Pm, ResetControlResetsOnARise) {
    bus::IoHandler& port = pm->reset_control_port();
    out(port, 0, reset_control::system_reset);
    EXPECT_EQ(platform.resets, 0u);
    out(port, 0, reset_control::system_reset | reset_control::reset_processor);
    EXPECT_EQ(platform.resets, 1u);
    EXPECT_EQ(in(port, 0), 6);
    out(port, 0, reset_control::reset_processor);
    EXPECT_EQ(platform.resets, 1u);
    out(port, 0, 0xf0);
    EXPECT_EQ(in(port, 0), 0);
}

TEST_F(Pm, RestoresWithAnEventPending) {
    write(pm1_enable, 2, event::power_button | event::timer_carry);
    write(gpe0_enable, 2, 0x1234);
    pm->press_power_button();
    clock.set(5 * bus::nanoseconds_per_second);
    const bus::SavedState saved = pm->save();
    pm.reset();
    FakeLine line;
    auto restored = AcpiPm::restore({line, platform, clock, timers}, saved);
    ASSERT_TRUE(restored) << restored.error().message;
    pm = std::move(*restored);
    EXPECT_TRUE(line.high());
    EXPECT_EQ(read(gpe0_enable, 2), 0x1234u);
    EXPECT_EQ(read(pm_timer, 4), 5 * timer_frequency);
    EXPECT_EQ(timers.next_deadline(), AcpiPmChip::rate.time_of(u64{1} << 31));
    write(pm1_status, 2, event::power_button);
    EXPECT_FALSE(line.high());
}

TEST_F(Pm, RefusesImpossibleStates) {
    const bus::SavedState good = pm->save();
    const auto refuses = [&](const char* field, nlohmann::json value) {
        bus::SavedState bad = good;
        bad.fields[field] = std::move(value);
        return !AcpiPm::restore(resources(), bad).has_value();
    };
    EXPECT_TRUE(refuses("status", 2));
    EXPECT_TRUE(refuses("enable", event::wake));
    EXPECT_TRUE(refuses("control", control::sleep_enable));
    EXPECT_TRUE(refuses("reset_control", 0xff));
    EXPECT_TRUE(refuses("seen", ~u64{0}));
    EXPECT_FALSE(refuses("general_enable", 0xffff));
}

TEST_F(Pm, ResetClearsEventsButNotTheTimer) {
    write(pm1_enable, 2, event::power_button);
    pm->press_power_button();
    clock.set(AcpiPmChip::rate.time_of(u64{3} << 31));
    pm->reset();
    EXPECT_FALSE(sci.high());
    EXPECT_EQ(read(pm1_status, 4), 0u);
    EXPECT_EQ(read(pm1_control, 2), control::sci_enable);
    EXPECT_EQ(read(pm_timer, 4), u64{1} << 31);
}

}  // namespace
}  // namespace softmetal::devices
