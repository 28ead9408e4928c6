// Puts a kernel, its initrd and command line into guest memory and describes them in boot_params, as a boot
// loader does (Linux Documentation/arch/x86/boot.rst, zero-page.rst).
#pragma once

#include "machine/boot/boot_request.hpp"
#include "machine/boot/kernel_image.hpp"
#include "memory/guest_memory.hpp"

namespace softmetal::machine {

/// Where the loader's own structures lie, in conventional memory that the kernel copies from and then reuses.
namespace boot_address {
inline constexpr u64 gdt = 0x6000;
inline constexpr u64 boot_params = 0x7000;
inline constexpr u64 stack_top = 0x9000;
inline constexpr u64 page_tables = 0x9000;    // PML4, PDPT and four page directories
inline constexpr u64 command_line = 0x10000;  // up to conventional memory's end
}  // namespace boot_address

[[nodiscard]] Result<KernelEntry> load_linux(GuestMemory& memory, const BootRequest& boot);

}  // namespace softmetal::machine
