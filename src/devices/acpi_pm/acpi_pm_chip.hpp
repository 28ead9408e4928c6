// ACPI fixed hardware: PM1 event and control registers, the power-management timer, one block of
// general-purpose events, the SMI command port and the reset control register.
#pragma once

#include "devices/acpi_pm/acpi_pm_registers.hpp"
#include "devices/tick_rate.hpp"

#include <optional>

namespace softmetal::devices {

class AcpiPmChip {
 public:
    /// Whether firmware hands the system over in ACPI mode (no SMI command port in the FADT) or the system
    /// switches to it.
    enum class Start : u8 { acpi_mode, legacy_mode };
    enum class Request : u8 { none, power_off, reset };

    struct State {
        u16 status = 0, enable = 0, control = 0;
        u16 general_status = 0, general_enable = 0;
        u8 smi_command = 0, reset_control = 0;
        bus::Nanoseconds seen = 0;  // up to here timer carries have been noticed
    };
    static constexpr TickRate rate{acpi::timer_frequency};

    explicit AcpiPmChip(Start start, bus::Nanoseconds now = 0);
    explicit AcpiPmChip(const State& state) : state_(state) {}

    void advance(bus::Nanoseconds now);

    [[nodiscard]] u8 read(unsigned offset, bus::Nanoseconds now);
    /// A write may be of any width: what it starts, it starts once, after its last byte.
    [[nodiscard]] Request write(unsigned offset, unsigned width, u64 value, bus::Nanoseconds now);
    [[nodiscard]] u8 read_smi_command() const { return state_.smi_command; }
    void write_smi_command(u8 value);
    [[nodiscard]] u8 read_reset_control() const { return state_.reset_control; }
    [[nodiscard]] Request write_reset_control(u8 value);

    void press_power_button() { state_.status |= acpi::event::power_button; }
    /// `number` below acpi::general_event_count.
    void raise_general_event(unsigned number);

    /// The system control interrupt; legacy mode makes SMIs instead, which nobody here would take.
    [[nodiscard]] bool interrupt() const;
    [[nodiscard]] std::optional<bus::Nanoseconds> next_event() const;

    [[nodiscard]] const State& state() const { return state_; }

 private:
    State state_;
};

}  // namespace softmetal::devices
