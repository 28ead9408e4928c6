// The keyboard controller with keyboard and mouse, and system control port A, wired to IRQ 1 and 12, the A20
// gate and the reset line.
#pragma once

#include "bus/backends/input.hpp"
#include "bus/clock.hpp"
#include "bus/device.hpp"
#include "bus/interrupts.hpp"
#include "bus/platform.hpp"
#include "devices/byte_ports.hpp"
#include "devices/i8042/i8042_chip.hpp"
#include "devices/line_driver.hpp"

#include <deque>
#include <memory>
#include <mutex>

namespace softmetal::devices {

class I8042 final : public bus::Device, public bus::InputSink {
 public:
    /// All outlive the device.
    struct Resources {
        bus::InterruptLine& keyboard_interrupt;  // IRQ 1
        bus::InterruptLine& mouse_interrupt;     // IRQ 12
        bus::InterruptLine& a20;                 // high: addresses are not wrapped at 1 MiB
        bus::PlatformControl& platform;
        const bus::Clock& clock;
        bus::TimerFactory& timers;
    };
    /// How long a byte is on the wire: 11 bits at 12.5 kHz.
    static constexpr bus::Nanoseconds byte_time = 880'000;

    explicit I8042(Resources resources) : I8042(resources, I8042Chip()) {}
    [[nodiscard]] static Result<std::unique_ptr<I8042>> restore(Resources resources,
                                                                const bus::SavedState& saved);

    [[nodiscard]] bus::IoHandler& data_port() { return data_port_; }                // 0x60
    [[nodiscard]] bus::IoHandler& command_port() { return command_port_; }          // 0x64
    [[nodiscard]] bus::IoHandler& system_control_a() { return system_control_a_; }  // 0x92

    // bus::InputSink. Text comes faster than a keyboard can type it: keys wait here, which is the host's
    // side; saved state knows them only once they are typed.
    void key(bus::Key key, bool down) override;
    void pointer(const bus::PointerState& state) override;
    /// The mouse's driver is interrupted by a packet without movement. Any thread.
    void wake_mouse_driver();

    [[nodiscard]] std::string_view name() const override { return "i8042"; }
    void reset() override;
    [[nodiscard]] bus::SavedState save() const override;

 private:
    I8042(Resources resources, I8042Chip chip);

    u8 read_data(u64 offset);
    u8 read_status(u64 offset);
    u8 read_system_control_a(u64 offset);
    void write_data(u64 offset, u8 value) { write(offset, value, &I8042Chip::write_data); }
    void write_command(u64 offset, u8 value) { write(offset, value, &I8042Chip::write_command); }
    void write_system_control_a(u64 offset, u8 value) { write(offset, value, &I8042Chip::write_port_a); }
    void write(u64 offset, u8 value, void (I8042Chip::*to)(u8));
    void deliver();
    void type_waiting();
    void update_outputs();
    void flush_outputs();

    bus::PlatformControl& platform_;
    const bus::Clock& clock_;
    mutable std::mutex mutex_;
    I8042Chip chip_;
    LineDriver keyboard_interrupt_, mouse_interrupt_, a20_;
    PortRange<I8042> data_port_, command_port_, system_control_a_;
    struct KeyEvent {
        bus::Key key;
        bool down;
    };
    std::deque<KeyEvent> waiting_keys_;
    bool delivery_on_its_way_ = false;
    std::unique_ptr<bus::Timer> delivery_;  // last: its callback uses the rest
};

}  // namespace softmetal::devices
