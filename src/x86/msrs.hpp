// Model-specific registers the virtual CPU has (SDM vol. 4, ch. 2.1).
#pragma once

#include "base/integers.hpp"

namespace softmetal::x86::msr {

inline constexpr u32 time_stamp_counter = 0x10;
inline constexpr u32 platform_id = 0x17;
inline constexpr u32 apic_base = 0x1b;
inline constexpr u32 feature_control = 0x3a;
inline constexpr u32 tsc_adjust = 0x3b;
inline constexpr u32 spec_ctrl = 0x48;
inline constexpr u32 pred_cmd = 0x49;
inline constexpr u32 bios_update_trigger = 0x79;
inline constexpr u32 bios_signature = 0x8b;
inline constexpr u32 mtrr_cap = 0xfe;
inline constexpr u32 arch_capabilities = 0x10a;
inline constexpr u32 sysenter_cs = 0x174;
inline constexpr u32 sysenter_esp = 0x175;
inline constexpr u32 sysenter_eip = 0x176;
inline constexpr u32 mcg_cap = 0x179;
inline constexpr u32 mcg_status = 0x17a;
inline constexpr u32 misc_enable = 0x1a0;
inline constexpr u32 mtrr_phys_base0 = 0x200;  // then mask0, base1, ...
inline constexpr u32 mtrr_fix_64k = 0x250;
inline constexpr u32 pat = 0x277;
inline constexpr u32 mtrr_def_type = 0x2ff;
inline constexpr u32 tsc_deadline = 0x6e0;
inline constexpr u32 x2apic_first = 0x800;
inline constexpr u32 x2apic_last = 0x8ff;
inline constexpr u32 efer = 0xc0000080;
inline constexpr u32 star = 0xc0000081;
inline constexpr u32 lstar = 0xc0000082;
inline constexpr u32 cstar = 0xc0000083;
inline constexpr u32 sfmask = 0xc0000084;
inline constexpr u32 fs_base = 0xc0000100;
inline constexpr u32 gs_base = 0xc0000101;
inline constexpr u32 kernel_gs_base = 0xc0000102;
inline constexpr u32 tsc_aux = 0xc0000103;

// KVM's, in the range that hardware leaves to hypervisors (Linux: Documentation/virt/kvm/x86/msr.rst).
inline constexpr u32 kvm_wall_clock = 0x4b564d00;
inline constexpr u32 kvm_system_time = 0x4b564d01;

}  // namespace softmetal::x86::msr
