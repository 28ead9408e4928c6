// The board's ACPI tables (ACPI 6.5, ch. 5.2): RSDP, RSDT, XSDT, FADT, FACS, MADT, HPET, DSDT and an SSDT of
// the processors.
#pragma once

#include "base/address.hpp"
#include "base/result.hpp"
#include "bus/dma.hpp"

#include <vector>

namespace softmetal::machine::acpi {

/// All tables as they lie in memory from `base` on, the RSDP first.
[[nodiscard]] std::vector<std::byte> build_tables(GuestPhysical base, unsigned cpus);

/// Writes them where firmware keeps them; yields the RSDP's address.
[[nodiscard]] Result<GuestPhysical> install_tables(bus::DmaView& memory, unsigned cpus);

}  // namespace softmetal::machine::acpi
