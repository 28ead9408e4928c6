// Loads a kernel of whichever format it has: Linux bzImage, Multiboot2, Multiboot or PVH.
#pragma once

#include "machine/boot/boot_request.hpp"
#include "machine/boot/entry_state.hpp"

namespace softmetal::machine {

[[nodiscard]] Result<KernelEntry> load_kernel(GuestMemory& memory, const BootRequest& boot);

}  // namespace softmetal::machine
