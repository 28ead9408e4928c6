// Entering the guest's handlers (SDM vol. 3, ch. 6): exceptions, software and external interrupts, NMI, in
// real, protected, V86 and long mode; contributory faults, double fault, shutdown.
#pragma once

#include "cpu/vcpu.hpp"

namespace softmetal {

/// Delivers an exception at the present RIP. Faults during delivery become #DF, then Activity::shutdown;
/// never throws. Sets CR2, DR6, RF in the pushed flags as the architecture has it. #MF without CR0.NE goes to
/// the board instead: the vCPU halts, still before the instruction.
void deliver_exception(Vcpu& vcpu, GuestException exception);

/// INT n, INT3, INTO, INT1: gate privilege is checked. state.rip must already point behind the instruction;
/// on a fault it throws and the caller restores RIP.
enum class SoftwareInterrupt : u8 { int_n, int3, into, int1 };
void deliver_software_interrupt(Vcpu& vcpu, u8 vector, SoftwareInterrupt kind);

/// An external interrupt (or NMI, vector 2). Wakes from HLT, clears the shadow. Never throws.
void deliver_interrupt(Vcpu& vcpu, u8 vector);
void deliver_nmi(Vcpu& vcpu);

/// Takes one pending event where the flags and the shadow allow: INIT, SIPI, NMI, interrupt. True where state
/// changed. Call at an instruction boundary with attention != 0; leaves attention::stop alone.
/// attention::interrupt stays set while an interrupt waits for the end of a shadow: so engines run at least
/// one instruction whatever attention says. One that waits for IF is left to Vcpu::notice_interrupt_window().
bool take_pending_event(Vcpu& vcpu);

}  // namespace softmetal
