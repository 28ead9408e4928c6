// The subjects for fuzzing: what keeps time.
#include "device_subject.hpp"
#include "devices/acpi_pm/acpi_pm.hpp"
#include "devices/hpet/hpet.hpp"
#include "devices/pit8254/pit8254.hpp"
#include "devices/rtc/rtc.hpp"

namespace softmetal::fuzz {
namespace {

using namespace devices;
using namespace devices::testing;

class PitSubject final : public DeviceSubject<Pit8254> {
 public:
    PitSubject() { device = std::make_unique<Pit8254>(Pit8254::Resources{line, clock, timers}); }
    std::vector<bus::IoHandler*> registers() override {
        return {&device->ports(), &device->system_control_b()};
    }
    u64 register_bytes() const override { return 4; }
    void disturb(u8) override {}

 private:
    Result<std::unique_ptr<Pit8254>> make(const bus::SavedState& state) override {
        return Pit8254::restore({line, clock, timers}, state);
    }
};

class RtcSubject final : public DeviceSubject<Rtc> {
 public:
    RtcSubject() {
        device = std::make_unique<Rtc>(Rtc::Resources{line, clock, timers},
                                       1'700'000'000 * bus::nanoseconds_per_second);
    }
    std::vector<bus::IoHandler*> registers() override { return {device.get()}; }
    u64 register_bytes() const override { return 2; }
    void disturb(u8) override {}

 private:
    Result<std::unique_ptr<Rtc>> make(const bus::SavedState& state) override {
        return Rtc::restore({line, clock, timers}, state);
    }
};

class AcpiPmSubject final : public DeviceSubject<AcpiPm> {
 public:
    AcpiPmSubject() { device = std::make_unique<AcpiPm>(AcpiPm::Resources{line, platform, clock, timers}); }
    std::vector<bus::IoHandler*> registers() override {
        return {device.get(), &device->smi_command_port(), &device->reset_control_port()};
    }
    u64 register_bytes() const override { return 16; }
    void disturb(u8) override { device->press_power_button(); }

 private:
    Result<std::unique_ptr<AcpiPm>> make(const bus::SavedState& state) override {
        return AcpiPm::restore({line, platform, clock, timers}, state);
    }
};

class HpetSubject final : public DeviceSubject<Hpet> {
 public:
    HpetSubject() { device = std::make_unique<Hpet>(resources()); }
    std::vector<bus::IoHandler*> registers() override { return {device.get()}; }
    u64 register_bytes() const override {
        return hpet::reg::first_timer + hpet::timer_count * hpet::reg::timer_stride;
    }
    void disturb(u8) override { device->reset(); }

 private:
    Hpet::Resources resources() {
        return {line, second_line, third_line, {{2, &pins_[0]}, {8, &pins_[1]}}, clock, timers};
    }
    Result<std::unique_ptr<Hpet>> make(const bus::SavedState& state) override {
        return Hpet::restore(resources(), state);
    }
    std::array<FakeLine, 2> pins_;
};

}  // namespace

std::unique_ptr<Subject> make_pit() { return std::make_unique<PitSubject>(); }
std::unique_ptr<Subject> make_rtc() { return std::make_unique<RtcSubject>(); }
std::unique_ptr<Subject> make_acpi_pm() { return std::make_unique<AcpiPmSubject>(); }
std::unique_ptr<Subject> make_hpet() { return std::make_unique<HpetSubject>(); }

}  // namespace softmetal::fuzz
