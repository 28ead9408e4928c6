#include "devices/rtc/rtc.hpp"

#include "devices/rtc/rtc_state.hpp"

namespace softmetal::devices {

Rtc::Rtc(Resources resources, bus::Nanoseconds wall_clock, const RtcChip::Cmos& cmos)
    : Rtc(resources, RtcChip(cmos, wall_clock, 0)) {}

Rtc::Rtc(Resources resources, RtcChip chip)
    : resources_(resources),
      chip_(chip),
      timer_(resources.timers, [this] { timer_fired(); }),
      interrupt_(resources.interrupt) {
    {
        const std::lock_guard lock(mutex_);
        update_outputs();
    }
    interrupt_.flush();
}

Result<std::unique_ptr<Rtc>> Rtc::restore(Resources resources, const bus::SavedState& saved) {
    const auto state = load_rtc(saved);
    if (!state) return std::unexpected(state.error());
    return std::unique_ptr<Rtc>(new Rtc(resources, RtcChip(*state)));
}

bool Rtc::masks_nmi() const {
    const std::lock_guard lock(mutex_);
    return chip_.masks_nmi();
}

void Rtc::reset() {
    {
        const std::lock_guard lock(mutex_);
        chip_.advance(resources_.clock.now());
        chip_.reset();
        update_outputs();
    }
    interrupt_.flush();
}

bus::SavedState Rtc::save() const {
    const std::lock_guard lock(mutex_);
    return save_rtc(chip_.state());
}

u8 Rtc::read_port(u64 offset) {
    if (offset >= rtc::port_count) return undecoded;
    u8 value = 0;
    {
        const std::lock_guard lock(mutex_);
        value = chip_.read(static_cast<unsigned>(offset), resources_.clock.now());
        update_outputs();
    }
    interrupt_.flush();
    return value;
}

void Rtc::write_port(u64 offset, u8 value) {
    if (offset >= rtc::port_count) return;
    {
        const std::lock_guard lock(mutex_);
        chip_.write(static_cast<unsigned>(offset), value, resources_.clock.now());
        update_outputs();
    }
    interrupt_.flush();
}

void Rtc::timer_fired() {
    {
        const std::lock_guard lock(mutex_);
        timer_.fired();
        chip_.advance(resources_.clock.now());
        update_outputs();
    }
    interrupt_.flush();
}

void Rtc::update_outputs() {
    interrupt_.set(chip_.interrupt());
    timer_.set(chip_.next_event());
}

}  // namespace softmetal::devices
