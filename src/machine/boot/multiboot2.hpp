// Multiboot2 kernels (Multiboot2 Specification 2.0): the header says by tags what the kernel needs, the boot
// information says by tags what it gets. Entered in 32-bit protected mode with the information in EBX.
#pragma once

#include "machine/boot/boot_request.hpp"
#include "machine/boot/entry_state.hpp"

#include <optional>

namespace softmetal::machine {

/// The offset of the Multiboot2 header; none where the file has no valid one.
[[nodiscard]] std::optional<u64> find_multiboot2_header(std::span<const std::byte> file);

/// `header` is what find_multiboot2_header() has yielded.
[[nodiscard]] Result<KernelEntry> load_multiboot2(GuestMemory& memory, const BootRequest& boot, u64 header);

}  // namespace softmetal::machine
