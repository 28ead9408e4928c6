#include "devices/hpet/hpet.hpp"

#include "base/bits.hpp"
#include "devices/hpet/hpet_state.hpp"

#include <algorithm>

namespace softmetal::devices {
namespace {

/// Edges come no faster, whatever period a guest programs: they would keep the event loop from all else.
constexpr bus::Nanoseconds least_interval = 25'000;

u32 routes_mask(const std::vector<Hpet::Route>& routes) {
    u64 mask = 0;
    for (const Hpet::Route& route : routes) mask |= bit(route.input);
    return static_cast<u32>(mask);
}

bool decodes(u64 offset, unsigned width) {
    return (width == 4 || width == 8) && offset % width == 0 && offset < hpet::size;
}

}  // namespace

Hpet::Hpet(Resources resources, const HpetChip::State& state)
    : resources_(std::move(resources)),
      chip_(routes_mask(resources_.routes), state),
      legacy_timer_(resources_.legacy_timer),
      legacy_clock_(resources_.legacy_clock),
      legacy_replacement_(resources_.legacy_replacement),
      timer_(resources_.timers, [this] { timer_fired(); }) {
    for (const Route& route : resources_.routes) pins_.emplace_back(*route.line);
    {
        const std::lock_guard lock(mutex_);
        update_outputs(0);
    }
    flush_outputs();
}

Result<std::unique_ptr<Hpet>> Hpet::restore(Resources resources, const bus::SavedState& saved) {
    const auto state = load_hpet(saved);
    if (!state) return std::unexpected(state.error());
    return std::unique_ptr<Hpet>(new Hpet(std::move(resources), *state));
}

u64 Hpet::read_io(u64 offset, unsigned width) {
    if (!decodes(offset, width)) return low_bits(8 * width);
    u64 value = 0;
    {
        const std::lock_guard lock(mutex_);
        const auto now = resources_.clock.now();
        update_outputs(chip_.advance(now));
        value = chip_.read(offset, width, now);
    }
    flush_outputs();
    return value;
}

void Hpet::write_io(u64 offset, unsigned width, u64 value) {
    if (!decodes(offset, width)) return;
    {
        const std::lock_guard lock(mutex_);
        const auto now = resources_.clock.now();
        const unsigned edges = chip_.advance(now);
        update_outputs(edges);
        chip_.write(offset, width, value, now);
        update_outputs(chip_.advance(now));
    }
    flush_outputs();
}

void Hpet::reset() {
    {
        const std::lock_guard lock(mutex_);
        chip_.reset();
        update_outputs(0);
    }
    flush_outputs();
}

bus::SavedState Hpet::save() const {
    const std::lock_guard lock(mutex_);
    return save_hpet(chip_.state());
}

void Hpet::timer_fired() {
    {
        const std::lock_guard lock(mutex_);
        timer_.fired();
        update_outputs(chip_.advance(resources_.clock.now()));
    }
    flush_outputs();
}

LineDriver* Hpet::output(unsigned timer) {
    if (chip_.replaces_legacy() && timer < 2) return timer == 0 ? &legacy_timer_ : &legacy_clock_;
    for (std::size_t i = 0; i < pins_.size(); i++)
        if (resources_.routes[i].input == chip_.route(timer)) return &pins_[i];
    return nullptr;
}

void Hpet::update_outputs(unsigned edges) {
    const auto now = resources_.clock.now();
    legacy_replacement_.set(chip_.replaces_legacy());
    // A line stays high behind an edge, so that an 8259 still sees it when it is asked; it falls when level
    // triggering has nothing to say.
    for (unsigned i = 0; i < hpet::timer_count; i++) {
        LineDriver* line = output(i);
        if (!line) continue;
        if (edges & 1u << i) {
            line->rise();
            last_edge_ = now;
        } else if (chip_.is_level_triggered(i)) {
            bool high = false;
            for (unsigned other = 0; other < hpet::timer_count; other++)
                high |= output(other) == line && chip_.asserts(other);
            line->set(high);
        }
    }
    auto next = chip_.next_match(now);
    if (next && last_edge_ != 0) next = std::max(*next, last_edge_ + least_interval);
    timer_.set(next);
}

void Hpet::flush_outputs() {
    legacy_replacement_.flush();
    legacy_timer_.flush();
    legacy_clock_.flush();
    for (LineDriver& pin : pins_) pin.flush();
}

}  // namespace softmetal::devices
