// KVM's paravirtual clock: two registers by which a guest asks what the TSC is worth, and what date virtual
// time began at (Linux: Documentation/virt/kvm/x86/msr.rst).
//
// An answer is written when it is asked for, and again when the guest moves its TSC. It stays right
// meanwhile, since the TSC counts virtual time (docs/decisions/0019-kvm-clock.md).
#pragma once

#include "cpu/vcpu.hpp"

namespace softmetal {

/// How a guest makes nanoseconds of ticks: (ticks << shift) * multiplier >> 32, a negative shift to the
/// right.
struct TickScale {
    u32 multiplier;
    i8 shift;
};
/// The one with most digits; `hz` is not 0.
[[nodiscard]] TickScale tick_scale(u64 hz);

/// Writes what state.kvm_system_time asks for: nothing where it is disabled or names no memory. KVM is as
/// silent then.
void publish_kvm_system_time(Vcpu& vcpu);
/// The same for state.kvm_wall_clock.
void publish_kvm_wall_clock(Vcpu& vcpu);

}  // namespace softmetal
