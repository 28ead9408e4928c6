// The ACPI tables as files of the firmware configuration device: firmware finds room for them, and a script
// of commands tells it which fields then need an address or a checksum (QEMU: docs/specs/fw_cfg,
// bios-linker-loader).
#pragma once

#include "machine/acpi/tables.hpp"

namespace softmetal::machine::acpi {

inline constexpr const char* tables_file = "etc/acpi/tables";
inline constexpr const char* rsdp_file = "etc/acpi/rsdp";
inline constexpr const char* loader_file = "etc/table-loader";

/// What is in loader_file.
[[nodiscard]] std::vector<std::byte> loader_script(const TableImage& image);

}  // namespace softmetal::machine::acpi
