#include "devices/pit8254/pit8254.hpp"

#include <algorithm>

namespace softmetal::devices {

namespace {

constexpr bus::Nanoseconds closest_edges = 25'000;

/// While it catches up, edges come at four times the programmed rate.
bus::Nanoseconds edge_spacing(const Pit8254Counter& counter) {
    return std::max(closest_edges, Pit8254Chip::rate.time_of(counter.period()) / 4);
}

}  // namespace

Pit8254::Pit8254(Resources resources) : Pit8254(resources, Pit8254State{Pit8254Chip().state(), 0, 0}) {}

Pit8254::Pit8254(Resources resources, const Pit8254State& state)
    : resources_(resources),
      chip_(state.chip),
      backlog_(state.backlog),
      earliest_edge_(state.earliest_edge),
      timer_(resources.timers, [this] { timer_fired(); }),
      interrupt_(resources.interrupt),
      ports_(*this, &Pit8254::read_channels, &Pit8254::write_channels),
      port_b_(*this, &Pit8254::read_system_control_b, &Pit8254::write_system_control_b) {
    {
        const std::lock_guard lock(mutex_);
        // The level as it was; what has become due since is update()'s.
        const Pit8254Counter& counter = chip_.counter(0);
        interrupt_.set(counter.periodic() || counter.output(counter.state().seen));
        update(resources_.clock.now());
    }
    interrupt_.flush();
}

Result<std::unique_ptr<Pit8254>> Pit8254::restore(Resources resources, const bus::SavedState& saved) {
    const auto state = load_pit8254(saved);
    if (!state) return std::unexpected(state.error());
    return std::unique_ptr<Pit8254>(new Pit8254(resources, *state));
}

void Pit8254::reset() {
    {
        const std::lock_guard lock(mutex_);
        const bus::Nanoseconds now = resources_.clock.now();
        chip_.reset(now);
        backlog_ = 0;
        earliest_edge_ = 0;
        update(now);
    }
    interrupt_.flush();
}

bus::SavedState Pit8254::save() const {
    const std::lock_guard lock(mutex_);
    return save_pit8254({chip_.state(), backlog_, earliest_edge_});
}

u8 Pit8254::read_channels(u64 offset) {
    if (offset >= pit::port_count) return BytePorts::undecoded;
    u8 value = 0;
    {
        const std::lock_guard lock(mutex_);
        const bus::Nanoseconds now = resources_.clock.now();
        value = chip_.read(static_cast<unsigned>(offset), now);
        update(now);
    }
    interrupt_.flush();
    return value;
}

void Pit8254::write_channels(u64 offset, u8 value) {
    if (offset >= pit::port_count) return;
    {
        const std::lock_guard lock(mutex_);
        const bus::Nanoseconds now = resources_.clock.now();
        update(now);
        chip_.write(static_cast<unsigned>(offset), value, now);
        // A new programming ends what the old one still owed. Only it takes the periodic counter's count
        // away, and lowers a one-shot's output.
        const Pit8254Counter& counter = chip_.counter(0);
        if (!counter.state().loaded || !(counter.periodic() || counter.output(Pit8254Chip::rate.ticks(now))))
            backlog_ = 0;
        update(now);
    }
    interrupt_.flush();
}

u8 Pit8254::read_system_control_b(u64 offset) {
    if (offset != 0) return BytePorts::undecoded;
    const std::lock_guard lock(mutex_);
    const bus::Nanoseconds now = resources_.clock.now();
    const u8 value = chip_.read_port_b(now);
    return timer2_.poll(value & pit::port_b::timer2_output, now)
               ? value
               : static_cast<u8>(value & ~pit::port_b::timer2_output);
}

void Pit8254::write_system_control_b(u64 offset, u8 value) {
    if (offset != 0) return;
    const std::lock_guard lock(mutex_);
    chip_.write_port_b(value, resources_.clock.now());
}

void Pit8254::timer_fired() {
    {
        const std::lock_guard lock(mutex_);
        timer_.fired();
        update(resources_.clock.now());
    }
    interrupt_.flush();
}

void Pit8254::update(bus::Nanoseconds now) {
    chip_.advance(now);
    Pit8254Counter& counter = chip_.counter(0);
    backlog_ = std::min(backlog_ + counter.take_rises(), pit8254_maximum_backlog);
    if (backlog_ > 0 && now >= earliest_edge_) {
        interrupt_.rise();
        --backlog_;
        earliest_edge_ = now + edge_spacing(counter);
    } else if (backlog_ == 0) {
        interrupt_.set(counter.periodic() || counter.output(Pit8254Chip::rate.ticks(now)));
    }
    if (backlog_ > 0)
        timer_.set(earliest_edge_);
    else if (const auto rise = counter.next_rise(Pit8254Chip::rate.ticks(now)))
        timer_.set(std::max(Pit8254Chip::rate.time_of(*rise), earliest_edge_));
    else
        timer_.set(std::nullopt);
}

}  // namespace softmetal::devices
