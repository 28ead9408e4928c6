// The processor as a boot protocol hands it over to a kernel: flat segments, interrupts off.
#pragma once

#include "base/result.hpp"
#include "cpu/state.hpp"
#include "machine/boot/boot_memory.hpp"
#include "memory/guest_memory.hpp"

namespace softmetal::machine {

enum class EntryMode {
    protected_mode,  // 32-bit, paging off
    long_mode,       // 64-bit, the first 4 GiB mapped to themselves
};

/// Where and how a loaded kernel begins; registers that are not named here are 0.
struct KernelEntry {
    GuestPhysical address{};
    EntryMode mode = EntryMode::protected_mode;
    GuestPhysical gdt{};  // where its descriptor table is to lie: gdt_size bytes
    u32 eax = 0, ebx = 0, esi = 0, esp = 0;
    bool may_return_to_real_mode = false;  // and finds there what a BIOS would have left
};
inline constexpr u64 gdt_size = 32;

/// Writes a GDT, and page tables for long mode, into guest memory and sets `state` up to begin at `entry`.
[[nodiscard]] Result<> enter_kernel(GuestMemory& memory, CpuState& state, const KernelEntry& entry);

/// An entry in 32-bit mode with EAX and EBX as Multiboot and PVH have them; its GDT gets a free place.
[[nodiscard]] Result<KernelEntry> enter_flat_32(BootMemory& memory, u64 address, u32 eax, GuestPhysical ebx);

}  // namespace softmetal::machine
