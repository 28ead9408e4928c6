// Multiboot kernels (Multiboot Specification 0.6.96): loaded by their ELF headers or by the addresses in
// their Multiboot header, entered in 32-bit protected mode with the Multiboot information in EBX.
#pragma once

#include "machine/boot/boot_request.hpp"
#include "machine/boot/entry_state.hpp"

#include <optional>

namespace softmetal::machine {

/// The offset of the Multiboot header; none where the file has no valid one.
[[nodiscard]] std::optional<u64> find_multiboot_header(std::span<const std::byte> file);

/// `header` is what find_multiboot_header() has yielded.
[[nodiscard]] Result<KernelEntry> load_multiboot(GuestMemory& memory, const BootRequest& boot, u64 header);

}  // namespace softmetal::machine
