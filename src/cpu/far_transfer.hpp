// Control transfers that change CS (SDM vol. 2, CALL, JMP, RET, IRET; vol. 3, ch. 5.8): far jumps, calls
// through gates, returns to outer levels, IRET in every mode, task switches. They throw before changing
// anything, or complete.
#pragma once

#include "cpu/vcpu.hpp"

namespace softmetal {

/// Of the offset of a far pointer in memory, in bytes. AMD's processors know of none of 64 bits: with REX.W
/// it is still 32 bits long, and zero-extended (APM vol. 3, CALL (Far), LFS: READ_MEM.z).
[[nodiscard]] inline unsigned far_offset_size(const Vcpu& vcpu, unsigned operand_size) {
    return operand_size == 8 && vcpu.model.is_amd() ? 4 : operand_size;
}

/// `operand_size` is 2, 4 or 8 bytes. state.rip must already point behind the instruction (CALL pushes it).
void far_jump(Vcpu& vcpu, u16 selector, u64 offset, unsigned operand_size);
void far_call(Vcpu& vcpu, u16 selector, u64 offset, unsigned operand_size);
void far_return(Vcpu& vcpu, unsigned operand_size, u16 release_bytes);
void interrupt_return(Vcpu& vcpu, unsigned operand_size);

/// SYSCALL, SYSRET, SYSENTER, SYSEXIT (SDM vol. 2). state.rip already behind the instruction.
void system_call(Vcpu& vcpu);
void system_return(Vcpu& vcpu, unsigned operand_size);
void sysenter(Vcpu& vcpu);
void sysexit(Vcpu& vcpu, unsigned operand_size);

}  // namespace softmetal
