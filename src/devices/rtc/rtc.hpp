// The real-time clock and CMOS memory wired to ports 0x70 and 0x71, IRQ 8 and virtual time.
#pragma once

#include "bus/device.hpp"
#include "bus/interrupts.hpp"
#include "devices/byte_ports.hpp"
#include "devices/deadline_timer.hpp"
#include "devices/line_driver.hpp"
#include "devices/rtc/rtc_chip.hpp"

#include <memory>
#include <mutex>

namespace softmetal::devices {

class Rtc final : public BytePorts, public bus::Device {
 public:
    /// All outlive the device.
    struct Resources {
        bus::InterruptLine& interrupt;  // IRQ 8
        const bus::Clock& clock;
        bus::TimerFactory& timers;
    };

    /// `wall_clock` is nanoseconds since 1970 at virtual time 0; `cmos` the memory as firmware set it up. Its
    /// clock registers (0 to 0x0d, 0x32) do not count.
    Rtc(Resources resources, bus::Nanoseconds wall_clock, const RtcChip::Cmos& cmos = {});
    [[nodiscard]] static Result<std::unique_ptr<Rtc>> restore(Resources resources,
                                                              const bus::SavedState& saved);

    /// The NMI mask that shares port 0x70.
    [[nodiscard]] bool masks_nmi() const;

    [[nodiscard]] std::string_view name() const override { return "rtc"; }
    void reset() override;
    [[nodiscard]] bus::SavedState save() const override;

 private:
    Rtc(Resources resources, RtcChip chip);

    u8 read_port(u64 offset) override;
    void write_port(u64 offset, u8 value) override;
    void timer_fired();
    void update_outputs();

    Resources resources_;
    mutable std::mutex mutex_;
    RtcChip chip_;
    DeadlineTimer timer_;
    LineDriver interrupt_;
};

}  // namespace softmetal::devices
