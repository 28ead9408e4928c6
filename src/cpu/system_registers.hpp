// Control, debug, model-specific and extended control registers, with the checks and side effects of writing
// them (SDM vol. 3, ch. 2.5; vol. 2, MOV to/from control and debug registers, RDMSR, WRMSR, XSETBV).
// Privilege (CPL) is the caller's to check; everything else is checked here and raised as #GP or #UD.
#pragma once

#include "cpu/vcpu.hpp"

namespace softmetal {

[[nodiscard]] u64 read_control_register(Vcpu& vcpu, unsigned number);
void write_control_register(Vcpu& vcpu, unsigned number, u64 value);
[[nodiscard]] u64 read_debug_register(Vcpu& vcpu, unsigned number);
void write_debug_register(Vcpu& vcpu, unsigned number, u64 value);
[[nodiscard]] u64 read_msr(Vcpu& vcpu, u32 index);
void write_msr(Vcpu& vcpu, u32 index, u64 value);
[[nodiscard]] u64 read_extended_control_register(Vcpu& vcpu, u32 index);
void write_extended_control_register(Vcpu& vcpu, u32 index, u64 value);
void load_machine_status_word(Vcpu& vcpu, u16 value);
/// INVPCID with its descriptor already read.
void invalidate_pcid(Vcpu& vcpu, u64 type, u64 descriptor_low, u64 descriptor_high);

/// I/O permission: IOPL, or the bitmap of the TSS; raises #GP(0) where neither allows (SDM vol. 1, ch. 19.5).
void check_port_permission(Vcpu& vcpu, u16 port, unsigned width);

}  // namespace softmetal
