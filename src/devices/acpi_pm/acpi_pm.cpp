#include "devices/acpi_pm/acpi_pm.hpp"

#include "devices/acpi_pm/acpi_pm_state.hpp"

namespace softmetal::devices {

AcpiPm::AcpiPm(Resources resources, AcpiPmChip chip)
    : resources_(resources),
      chip_(chip),
      timer_(resources.timers, [this] { timer_fired(); }),
      sci_(resources.sci),
      smi_command_(*this, &AcpiPm::read_smi_command, &AcpiPm::write_smi_command),
      reset_control_(*this, &AcpiPm::read_reset_control, &AcpiPm::write_reset_control) {
    {
        const std::lock_guard lock(mutex_);
        update_outputs();
    }
    sci_.flush();
}

Result<std::unique_ptr<AcpiPm>> AcpiPm::restore(Resources resources, const bus::SavedState& saved) {
    const auto state = load_acpi_pm(saved);
    if (!state) return std::unexpected(state.error());
    return std::unique_ptr<AcpiPm>(new AcpiPm(resources, AcpiPmChip(*state)));
}

void AcpiPm::press_power_button() {
    {
        const std::lock_guard lock(mutex_);
        chip_.press_power_button();
        update_outputs();
    }
    sci_.flush();
}

void AcpiPm::raise_general_event(unsigned number) {
    {
        const std::lock_guard lock(mutex_);
        chip_.raise_general_event(number);
        update_outputs();
    }
    sci_.flush();
}

u64 AcpiPm::read_io(u64 offset, unsigned width) {
    u64 value = 0;
    {
        const std::lock_guard lock(mutex_);
        const bus::Nanoseconds now = resources_.clock.now();  // one moment for all bytes of the timer
        for (unsigned i = 0; i < width; ++i) {
            const u64 at = offset + i;
            const u8 byte =
                at < acpi::block_size ? chip_.read(static_cast<unsigned>(at), now) : BytePorts::undecoded;
            value |= u64{byte} << (8 * i);
        }
        update_outputs();
    }
    sci_.flush();
    return value;
}

void AcpiPm::write_io(u64 offset, unsigned width, u64 value) {
    if (offset >= acpi::block_size) return;
    AcpiPmChip::Request request = AcpiPmChip::Request::none;
    {
        const std::lock_guard lock(mutex_);
        request = chip_.write(static_cast<unsigned>(offset), width, value, resources_.clock.now());
        update_outputs();
    }
    sci_.flush();
    obey(request);
}

void AcpiPm::reset() {
    {
        const std::lock_guard lock(mutex_);
        chip_ = AcpiPmChip(resources_.start, resources_.clock.now());  // the timer runs on
        update_outputs();
    }
    sci_.flush();
}

bus::SavedState AcpiPm::save() const {
    const std::lock_guard lock(mutex_);
    return save_acpi_pm(chip_.state());
}

u8 AcpiPm::read_smi_command(u64 offset) {
    if (offset != 0) return BytePorts::undecoded;
    const std::lock_guard lock(mutex_);
    return chip_.read_smi_command();
}

void AcpiPm::write_smi_command(u64 offset, u8 value) {
    if (offset != 0) return;
    {
        const std::lock_guard lock(mutex_);
        chip_.write_smi_command(value);
        update_outputs();
    }
    sci_.flush();
}

u8 AcpiPm::read_reset_control(u64 offset) {
    if (offset != 0) return BytePorts::undecoded;
    const std::lock_guard lock(mutex_);
    return chip_.read_reset_control();
}

void AcpiPm::write_reset_control(u64 offset, u8 value) {
    if (offset != 0) return;
    AcpiPmChip::Request request = AcpiPmChip::Request::none;
    {
        const std::lock_guard lock(mutex_);
        request = chip_.write_reset_control(value);
    }
    obey(request);
}

void AcpiPm::timer_fired() {
    {
        const std::lock_guard lock(mutex_);
        timer_.fired();
        chip_.advance(resources_.clock.now());
        update_outputs();
    }
    sci_.flush();
}

void AcpiPm::update_outputs() {
    sci_.set(chip_.interrupt());
    timer_.set(chip_.next_event());
}

void AcpiPm::obey(AcpiPmChip::Request request) {
    switch (request) {
        case AcpiPmChip::Request::none: return;
        case AcpiPmChip::Request::power_off: resources_.platform.request_power_off(); return;
        case AcpiPmChip::Request::reset: resources_.platform.request_reset(); return;
    }
}

}  // namespace softmetal::devices
