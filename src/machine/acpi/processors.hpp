// An SSDT that names the processors, as many as the board has. The rest of the namespace is dsdt.asl.
#pragma once

#include <cstddef>
#include <vector>

namespace softmetal::machine::acpi {

[[nodiscard]] std::vector<std::byte> processor_table(unsigned cpus);

}  // namespace softmetal::machine::acpi
