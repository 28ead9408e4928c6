// The fixed pieces of host code around translations: the way in, the way out, and the calls into the monitor.
//
// Every stub stores the guest's registers to the vCPU block before it calls C++. "Light" calls keep vector
// state in the registers: what they call is compiled without vector instructions, allocates nothing and never
// throws. "Heavy" calls save it with XSAVE first.
#pragma once

#include "host/code_memory.hpp"
#include "translator/register_plan.hpp"

namespace softmetal::translator {

/// What the stubs call. Each answers the host address to continue at, or 0 to leave translated code; state is
/// complete in the vCPU block but for RIP (the call sets it before leaving) and status flags (in
/// saved_flags).
struct MonitorCalls {
    void* context = nullptr;
    u64 (*tlb_miss)(void* context, u64 linear, u64 site) = nullptr;         // light
    u64 (*resolve_link)(void* context, u64 unused, u64 link) = nullptr;     // light
    u64 (*resolve_indirect)(void* context, u64 rip, u64 unused) = nullptr;  // light
    u64 (*fast_call)(void* context, u64 unused, u64 site) = nullptr;        // light
    u64 (*interpret)(void* context, u64 unused, u64 site) = nullptr;        // heavy
    u64 (*leave)(void* context, u64 unused, u64 site) = nullptr;            // light; always 0
};

struct Stubs {
    /// enter(code): runs translated code from `code`, which takes its flags from saved_flags. Returns when it
    /// leaves.
    void (*enter)(const u8* code) = nullptr;
    // Jumped to with R10 = address or RIP, R11 = site or link number, flags saved.
    u64 tlb_miss = 0, resolve_link = 0, resolve_indirect = 0, fast_call = 0, interpret = 0, leave = 0;
    /// Jumped to by the fault handler with the site number in the block's exit_value: flags still in the
    /// host's RFLAGS, or already saved. Continue as `interpret`.
    u64 fault_flags_in_host = 0, fault_flags_saved = 0;
    u32 bytes = 0;  // used at the start of the code memory
};

/// Emits them at the start of `memory` for one vCPU.
[[nodiscard]] Stubs emit_stubs(host::CodeMemory& memory, VcpuBlock& block, const MonitorCalls& calls);

/// Status flags <-> the layout LAHF and SETO leave in AX.
[[nodiscard]] constexpr u64 pack_flags(u64 rflags) { return (rflags & 0xd5) << 8 | (rflags >> 11 & 1); }
[[nodiscard]] constexpr u64 unpack_flags(u64 saved) { return (saved >> 8 & 0xd5) | (saved & 1) << 11; }

/// RAX is kept in the temporary register meanwhile.
void emit_save_flags(jit::Assembler& a);
void emit_restore_flags(jit::Assembler& a);

}  // namespace softmetal::translator
