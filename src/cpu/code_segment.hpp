// Checks of a code segment that control is about to be transferred to, shared by the far transfers.
#pragma once

#include "cpu/segmentation.hpp"

namespace softmetal {

/// Where control goes: CS and RIP, checked.
struct CodeTarget {
    x86::SegmentRegister cs;
    u64 rip = 0;
};

/// Common to all: code, L and D not both set, present, RIP canonical or within the limit. `selector` gets
/// `cpl` as its RPL.
[[nodiscard]] CodeTarget code_target(Vcpu& vcpu, u16 selector, Descriptor& code, u64 rip, unsigned cpl);

/// The target of a far return or IRET to the level in the selector's RPL (SDM vol. 2, RET, IRET).
[[nodiscard]] CodeTarget return_target(Vcpu& vcpu, u16 selector, u64 rip);

/// SS of a return to an outer level, or of any IRET in 64-bit mode; `cs` is where it goes.
[[nodiscard]] x86::SegmentRegister return_stack_segment(Vcpu& vcpu, u16 selector,
                                                        const x86::SegmentRegister& cs);

/// rSP as a return sets it: a 16-bit stack takes 16 bits and keeps the rest.
void set_returned_stack_pointer(CpuState& state, u64 value);

/// After a return to an outer level: data segments it may not use become null, and null selectors 0 (SDM vol.
/// 2, IRET).
void drop_inner_segments(CpuState& state);

}  // namespace softmetal
