// The saved state of the ACPI fixed hardware.
#pragma once

#include "base/result.hpp"
#include "bus/saved_state.hpp"
#include "devices/acpi_pm/acpi_pm_chip.hpp"

namespace softmetal::devices {

[[nodiscard]] bus::SavedState save_acpi_pm(const AcpiPmChip::State& state);
[[nodiscard]] Result<AcpiPmChip::State> load_acpi_pm(const bus::SavedState& saved);

}  // namespace softmetal::devices
