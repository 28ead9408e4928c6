// The high precision event timer wired to its page of memory, virtual time and interrupt lines.
#pragma once

#include "base/result.hpp"
#include "bus/address_space.hpp"
#include "bus/device.hpp"
#include "bus/interrupts.hpp"
#include "devices/deadline_timer.hpp"
#include "devices/hpet/hpet_chip.hpp"
#include "devices/line_driver.hpp"

#include <deque>
#include <memory>
#include <mutex>
#include <vector>

namespace softmetal::devices {

class Hpet final : public bus::IoHandler, public bus::Device {
 public:
    struct Route {
        unsigned input;  // of the I/O APIC
        bus::InterruptLine* line;
    };
    /// All outlive the device.
    struct Resources {
        bus::InterruptLine& legacy_timer;        // in the PIT's place
        bus::InterruptLine& legacy_clock;        // in the RTC's
        bus::InterruptLine& legacy_replacement;  // high: PIT and RTC are cut off
        std::vector<Route> routes;
        const bus::Clock& clock;
        bus::TimerFactory& timers;
    };

    explicit Hpet(Resources resources) : Hpet(std::move(resources), {}) {}
    [[nodiscard]] static Result<std::unique_ptr<Hpet>> restore(Resources resources,
                                                               const bus::SavedState& saved);

    [[nodiscard]] u64 read_io(u64 offset, unsigned width) override;
    void write_io(u64 offset, unsigned width, u64 value) override;

    [[nodiscard]] std::string_view name() const override { return "hpet"; }
    void reset() override;
    [[nodiscard]] bus::SavedState save() const override;

 private:
    Hpet(Resources resources, const HpetChip::State& state);

    void timer_fired();
    /// With the lock held: `edges` are the timers with an edge to show.
    void update_outputs(unsigned edges);
    void flush_outputs();
    [[nodiscard]] LineDriver* output(unsigned timer);

    Resources resources_;
    mutable std::mutex mutex_;
    HpetChip chip_;
    bus::Nanoseconds last_edge_ = 0;
    LineDriver legacy_timer_, legacy_clock_, legacy_replacement_;
    std::deque<LineDriver> pins_;  // as resources_.routes
    DeadlineTimer timer_;          // last: its callback uses the rest
};

}  // namespace softmetal::devices
