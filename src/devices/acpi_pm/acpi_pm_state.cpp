#include "devices/acpi_pm/acpi_pm_state.hpp"

#include "devices/state_reader.hpp"

namespace softmetal::devices {

using namespace acpi;

bus::SavedState save_acpi_pm(const AcpiPmChip::State& state) {
    return {"acpi_pm",
            1,
            {{"status", state.status},
             {"enable", state.enable},
             {"control", state.control},
             {"general_status", state.general_status},
             {"general_enable", state.general_enable},
             {"smi_command", state.smi_command},
             {"reset_control", state.reset_control},
             {"seen", state.seen}}};
}

Result<AcpiPmChip::State> load_acpi_pm(const bus::SavedState& saved) {
    StateReader read(saved, "acpi_pm", 1);
    AcpiPmChip::State state;
    state.status = read.number<u16>("status");
    state.enable = read.number<u16>("enable");
    state.control = read.number<u16>("control");
    read.require((state.status & ~event::statuses) == 0, "status bits that do not exist");
    read.require((state.enable & ~event::enables) == 0, "enable bits that do not exist");
    read.require((state.control & ~(control::kept | control::sci_enable)) == 0,
                 "control bits that are not kept");
    state.general_status = read.number<u16>("general_status");
    state.general_enable = read.number<u16>("general_enable");
    state.smi_command = read.number<u8>("smi_command");
    state.reset_control = read.number<u8>("reset_control", reset_control::kept);
    state.seen = read.number<u64>("seen", ~u64{0} / 2);
    if (const auto outcome = read.finish(); !outcome) return std::unexpected(outcome.error());
    return state;
}

}  // namespace softmetal::devices
