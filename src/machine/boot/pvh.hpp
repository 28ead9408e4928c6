// PVH kernels: ELF files whose Xen note names a 32-bit entry point (Xen: docs/misc/pvh.pandoc,
// xen/include/public/arch-x86/hvm/start_info.h), entered with hvm_start_info in EBX.
#pragma once

#include "machine/boot/boot_request.hpp"
#include "machine/boot/elf_image.hpp"
#include "machine/boot/entry_state.hpp"

#include <optional>

namespace softmetal::machine {

/// None where the image has no such note.
[[nodiscard]] std::optional<u64> pvh_entry(const ElfImage& image);

[[nodiscard]] Result<KernelEntry> load_pvh(GuestMemory& memory, const BootRequest& boot,
                                           const ElfImage& image, u64 entry);

}  // namespace softmetal::machine
