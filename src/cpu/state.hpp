// The architectural state of one virtual CPU: what a saved machine must contain, and nothing else.
// Standard layout: translated code addresses it by offset.
#pragma once

#include "x86/control_registers.hpp"
#include "x86/descriptors.hpp"
#include "x86/flags.hpp"
#include "x86/registers.hpp"

#include <array>
#include <type_traits>

namespace softmetal {

/// x87, SSE and AVX state as the host's XSAVE (standard format, components 0 to 2) lays it out (SDM vol. 1,
/// ch. 13.4).
struct alignas(64) ExtendedState {
    struct Bytes16 {
        u64 low, high;
    };
    u16 fcw = 0x37f, fsw = 0;
    u8 ftw = 0, reserved0 = 0;  // abridged tag word: one bit a register, 1 = in use
    u16 fop = 0;
    u64 fip = 0, fdp = 0;
    u32 mxcsr = 0x1f80, mxcsr_mask = 0xffff;
    std::array<Bytes16, 8> x87{};  // ST0..ST7 by stack position, 10 bytes each
    std::array<Bytes16, 16> xmm{};
    std::array<u8, 96> reserved1{};
    u64 xstate_bv = 7, xcomp_bv = 0;  // which components the host's XRSTOR takes from here: all, always
    std::array<u64, 6> reserved2{};
    std::array<Bytes16, 16> ymm_high{};

    /// FSW.ES: an unmasked exception waits to be reported (SDM vol. 1, ch. 8.1.3.3).
    [[nodiscard]] bool x87_exception_pending() const { return fsw & 1 << 7; }
};
static_assert(sizeof(ExtendedState) == 832);

/// What holds off events after an instruction (SDM vol. 3, ch. 6.8.3): interrupts, and NMIs as vol. 2 allows
/// it, after STI; also #DB after a load of SS. Lasts for one instruction.
enum class InterruptShadow : u8 { none, sti, mov_ss };

enum class Activity : u8 {
    running,
    halted,            // HLT: any interrupt resumes
    wait_for_startup,  // an application processor before its SIPI
    shutdown,          // triple fault
};

struct CpuState {
    std::array<u64, x86::gpr_count> gpr{};
    u64 rip = 0;
    u64 rflags = x86::flags::always_one;

    std::array<x86::SegmentRegister, x86::segment_count> segment{};
    x86::SegmentRegister ldtr{}, tr{};
    x86::DescriptorTableRegister gdtr{}, idtr{};

    u64 cr0 = x86::cr0::et, cr2 = 0, cr3 = 0, cr4 = 0;
    u64 efer = 0;
    u64 xcr0 = 1;
    std::array<u64, 4> dr{};
    u64 dr6 = 0xffff0ff0, dr7 = 0x400;
    std::array<u64, 4> pdpte{};  // PAE paging's page-directory-pointer registers (SDM vol. 3, ch. 4.4.1)

    u64 star = 0, lstar = 0, cstar = 0, sfmask = 0, kernel_gs_base = 0;
    u64 sysenter_cs = 0, sysenter_esp = 0, sysenter_eip = 0;
    u64 pat = 0x0007040600070406;
    u64 tsc_adjust = 0;
    u64 tsc_aux = 0;
    u64 misc_enable = 1;  // fast strings
    u64 spec_ctrl = 0;
    u64 kvm_wall_clock = 0, kvm_system_time = 0;
    u64 mtrr_def_type = 0;
    std::array<u64, 16> mtrr_variable{};  // base0, mask0, base1, ...
    std::array<u64, 11> mtrr_fixed{};

    InterruptShadow shadow = InterruptShadow::none;
    Activity activity = Activity::running;
    bool nmi_blocked = false;        // until the next IRET
    u64 held_breakpoints = 0;        // DR6 bits of a load of SS that wait for the end of its shadow
    bool ignores_x87_error = false;  // IGNNE#, until the exception that is pending now has been cleared

    ExtendedState extended{};

    [[nodiscard]] x86::SegmentRegister& seg(x86::Segment s) { return segment[static_cast<unsigned>(s)]; }
    [[nodiscard]] const x86::SegmentRegister& seg(x86::Segment s) const {
        return segment[static_cast<unsigned>(s)];
    }
    /// SS.DPL is the current privilege level in protected mode; 0 in real mode, 3 in V86 (SDM vol. 3,
    /// ch. 5.5).
    [[nodiscard]] unsigned cpl() const {
        if (!(cr0 & x86::cr0::pe)) return 0;
        return rflags & x86::flags::vm ? 3 : seg(x86::Segment::ss).dpl();
    }
    /// Would an x87 instruction that waits report an exception of an earlier one?
    [[nodiscard]] bool reports_x87_error() const {
        return extended.x87_exception_pending() && !ignores_x87_error;
    }
    /// The operand that WRMSR, XSETBV, XSAVE and XRSTOR take from two registers.
    [[nodiscard]] u64 edx_eax() const { return (gpr[x86::rax] & 0xffffffff) | gpr[x86::rdx] << 32; }
    [[nodiscard]] bool long_mode_active() const { return efer & x86::efer::lma; }
    [[nodiscard]] bool real_mode() const { return !(cr0 & x86::cr0::pe); }
    [[nodiscard]] bool v86_mode() const { return !real_mode() && rflags & x86::flags::vm; }
    [[nodiscard]] bool paging() const { return cr0 & x86::cr0::pg; }
    /// 64-bit submode of long mode, as opposed to compatibility mode.
    [[nodiscard]] bool code64() const {
        return long_mode_active() && seg(x86::Segment::cs).attributes & x86::segment_attribute::long_mode;
    }
    /// Default operand and address size of the code segment, in bytes: 2, 4 or 8 (8 stands for 64-bit mode).
    [[nodiscard]] unsigned code_size() const {
        if (code64()) return 8;
        return seg(x86::Segment::cs).attributes & x86::segment_attribute::default_big ? 4 : 2;
    }
    /// Where the next instruction lies.
    [[nodiscard]] u64 linear_rip() const {
        return code64() ? rip : (seg(x86::Segment::cs).base + rip) & 0xffffffff;
    }
    /// Width of the stack pointer, in bytes: 2, 4 or 8.
    [[nodiscard]] unsigned stack_size() const {
        if (code64()) return 8;
        return seg(x86::Segment::ss).attributes & x86::segment_attribute::default_big ? 4 : 2;
    }
};
static_assert(std::is_standard_layout_v<CpuState>);

}  // namespace softmetal
