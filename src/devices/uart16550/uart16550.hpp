// A 16550A serial port wired to a byte stream.
//
// Input stays in the stream until the guest's FIFO has room and RTS is raised, so none is lost to a guest
// that is not there yet: the stream is a terminal that honours hardware handshake.
#pragma once

#include "bus/backends/byte_stream.hpp"
#include "bus/clock.hpp"
#include "bus/device.hpp"
#include "bus/interrupts.hpp"
#include "devices/byte_ports.hpp"
#include "devices/deadline_timer.hpp"
#include "devices/line_driver.hpp"
#include "devices/uart16550/uart16550_state.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace softmetal::devices {

class Uart16550 final : public BytePorts, public bus::Device {
 public:
    /// All outlive the device.
    struct Resources {
        bus::ByteStream& stream;
        bus::InterruptLine& interrupt;
        const bus::Clock& clock;
        bus::TimerFactory& timers;
        std::string name = "com1";
    };

    explicit Uart16550(Resources resources) : Uart16550(std::move(resources), {}, Uart16550Chip()) {}
    [[nodiscard]] static Result<std::unique_ptr<Uart16550>> restore(Resources resources,
                                                                    const bus::SavedState& saved);
    ~Uart16550() override;

    [[nodiscard]] std::string_view name() const override { return resources_.name; }
    void reset() override;
    [[nodiscard]] bus::SavedState save() const override;

 private:
    Uart16550(Resources resources, std::vector<u8> held_input, Uart16550Chip chip);

    u8 read_port(u64 offset) override;
    void write_port(u64 offset, u8 value) override;
    void pull_input();
    void timer_fired();
    void update_outputs();

    Resources resources_;
    mutable std::mutex
        pulling_;  // taken before mutex_; held while the stream is read, to keep bytes in order
    std::vector<u8> held_input_;  // guarded by pulling_: read from the stream when the FIFO shrank
    mutable std::mutex mutex_;
    Uart16550Chip chip_;
    DeadlineTimer timer_;
    LineDriver interrupt_;
};

}  // namespace softmetal::devices
