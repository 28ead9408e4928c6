// The interval timer wired to IRQ 0 and to virtual time.
//
// IRQ 0 gets one rising edge for each rise of channel 0's output. Where the event loop was late, the missed
// edges follow one by one, faster than they are due, up to a limit. In the periodic modes the line falls only
// just before it rises again, not when the output does: a processor that is late must still find its request.
// Edges come no closer than 25 us apart, whatever a guest programs: a timer may not occupy the host.
#pragma once

#include "bus/clock.hpp"
#include "bus/device.hpp"
#include "bus/interrupts.hpp"
#include "devices/byte_ports.hpp"
#include "devices/deadline_timer.hpp"
#include "devices/line_driver.hpp"
#include "devices/pit8254/pit8254_state.hpp"
#include "devices/pit8254/polled_output.hpp"

#include <memory>
#include <mutex>

namespace softmetal::devices {

class Pit8254 final : public bus::Device {
 public:
    /// All outlive the device.
    struct Resources {
        bus::InterruptLine& interrupt;  // IRQ 0
        const bus::Clock& clock;
        bus::TimerFactory& timers;
    };

    explicit Pit8254(Resources resources);
    [[nodiscard]] static Result<std::unique_ptr<Pit8254>> restore(Resources resources,
                                                                  const bus::SavedState& saved);

    [[nodiscard]] bus::IoHandler& ports() { return ports_; }              // 0x40, 4 ports
    [[nodiscard]] bus::IoHandler& system_control_b() { return port_b_; }  // 0x61, 1 port

    [[nodiscard]] std::string_view name() const override { return "pit8254"; }
    void reset() override;
    [[nodiscard]] bus::SavedState save() const override;

 private:
    Pit8254(Resources resources, const Pit8254State& state);

    u8 read_channels(u64 offset);
    void write_channels(u64 offset, u8 value);
    u8 read_system_control_b(u64 offset);
    void write_system_control_b(u64 offset, u8 value);
    void timer_fired();
    void update(bus::Nanoseconds now);

    Resources resources_;
    mutable std::mutex mutex_;
    Pit8254Chip chip_;
    u64 backlog_;                     // edges that are due
    bus::Nanoseconds earliest_edge_;  // when the next may be delivered
    PolledOutput timer2_;             // not saved: what it knows is worth one poll
    DeadlineTimer timer_;
    LineDriver interrupt_;
    PortRange<Pit8254> ports_, port_b_;
};

}  // namespace softmetal::devices
