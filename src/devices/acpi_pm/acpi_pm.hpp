// ACPI fixed hardware wired to the SCI, the power button and the machine's power and reset.
#pragma once

#include "bus/address_space.hpp"
#include "bus/device.hpp"
#include "bus/interrupts.hpp"
#include "bus/platform.hpp"
#include "devices/acpi_pm/acpi_pm_chip.hpp"
#include "devices/byte_ports.hpp"
#include "devices/deadline_timer.hpp"
#include "devices/line_driver.hpp"

#include <memory>
#include <mutex>

namespace softmetal::devices {

/// Itself the register block of acpi::block_size ports, wherever the board puts it.
class AcpiPm final : public bus::IoHandler, public bus::Device {
 public:
    /// All outlive the device.
    struct Resources {
        bus::InterruptLine& sci;  // level triggered, active high
        bus::PlatformControl& platform;
        const bus::Clock& clock;
        bus::TimerFactory& timers;
        AcpiPmChip::Start start = AcpiPmChip::Start::acpi_mode;
    };

    explicit AcpiPm(Resources resources) : AcpiPm(resources, AcpiPmChip(resources.start)) {}
    [[nodiscard]] static Result<std::unique_ptr<AcpiPm>> restore(Resources resources,
                                                                 const bus::SavedState& saved);

    [[nodiscard]] bus::IoHandler& smi_command_port() { return smi_command_; }      // 1 port
    [[nodiscard]] bus::IoHandler& reset_control_port() { return reset_control_; }  // 0xcf9, 1 port

    // Any thread.
    void press_power_button();
    void raise_general_event(unsigned number);

    u64 read_io(u64 offset, unsigned width) override;
    void write_io(u64 offset, unsigned width, u64 value) override;

    [[nodiscard]] std::string_view name() const override { return "acpi_pm"; }
    void reset() override;
    [[nodiscard]] bus::SavedState save() const override;

 private:
    AcpiPm(Resources resources, AcpiPmChip chip);

    u8 read_smi_command(u64 offset);
    void write_smi_command(u64 offset, u8 value);
    u8 read_reset_control(u64 offset);
    void write_reset_control(u64 offset, u8 value);
    void timer_fired();
    void update_outputs();
    void obey(AcpiPmChip::Request request);

    Resources resources_;
    mutable std::mutex mutex_;
    AcpiPmChip chip_;
    DeadlineTimer timer_;
    LineDriver sci_;
    PortRange<AcpiPm> smi_command_, reset_control_;
};

}  // namespace softmetal::devices
