// SYSCALL, SYSRET, SYSENTER and SYSEXIT (SDM vol. 2): flat segments without reading descriptors.
#include "cpu/far_transfer.hpp"

namespace softmetal {

namespace {

namespace attribute = x86::segment_attribute;
namespace flags = x86::flags;
using x86::Segment;
using x86::SegmentRegister;

enum class Width : u8 { code32, code64 };

constexpr u32 common = attribute::present | attribute::not_system | attribute::accessed |
                       attribute::writable_or_readable | attribute::granularity;

SegmentRegister flat_code(u32 selector, unsigned cpl, Width width) {
    const u32 size = width == Width::code64 ? attribute::long_mode : attribute::default_big;
    return {.selector = static_cast<u16>((selector & ~3u) | cpl),
            .attributes = common | attribute::code | size | cpl << attribute::dpl_shift,
            .limit = 0xffffffff};
}

SegmentRegister flat_stack(u32 selector, unsigned cpl) {
    return {.selector = static_cast<u16>((selector & ~3u) | cpl),
            .attributes = common | attribute::default_big | cpl << attribute::dpl_shift,
            .limit = 0xffffffff};
}

void enter(CpuState& state, u32 code_selector, u32 stack_selector, unsigned cpl, Width width) {
    state.seg(Segment::cs) = flat_code(code_selector, cpl, width);
    state.seg(Segment::ss) = flat_stack(stack_selector, cpl);
}

}  // namespace

void system_call(Vcpu& vcpu) {
    CpuState& state = vcpu.state;
    // Intel's exists in 64-bit mode only; AMD's in compatibility mode too, through CSTAR.
    const bool valid_mode = state.code64() || (state.long_mode_active() && vcpu.model.is_amd());
    if (!(state.efer & x86::efer::sce) || !valid_mode) raise_ud();
    vcpu.counters.system_calls++;
    state.gpr[x86::rcx] = state.rip;
    state.gpr[x86::r11] = state.rflags;
    state.rip = state.code64() ? state.lstar : state.cstar;
    state.rflags = (state.rflags & ~(state.sfmask | flags::rf)) | flags::always_one;
    const u32 base = static_cast<u32>(bits(state.star, 47, 32));
    enter(state, base, base + 8, 0, Width::code64);
}

void system_return(Vcpu& vcpu, unsigned operand_size) {
    CpuState& state = vcpu.state;
    if (!(state.efer & x86::efer::sce) || !state.code64()) raise_ud();
    const bool to_64bit = operand_size == 8;
    const u64 rip = state.gpr[x86::rcx];
    if (state.cpl() != 0 || (to_64bit && !is_canonical(rip))) raise_gp();
    const u32 base = static_cast<u32>(bits(state.star, 63, 48));
    constexpr u64 taken = flags::implemented & ~(flags::rf | flags::vm);
    state.rflags = (state.gpr[x86::r11] & taken) | flags::always_one;
    state.rip = to_64bit ? rip : rip & 0xffffffff;
    if (to_64bit)
        enter(state, base + 16, base + 8, 3, Width::code64);
    else
        enter(state, base, base + 8, 3, Width::code32);
}

void sysenter(Vcpu& vcpu) {
    CpuState& state = vcpu.state;
    const bool long_mode = state.long_mode_active();
    if (long_mode && vcpu.model.is_amd()) raise_ud();
    const u32 base = static_cast<u32>(state.sysenter_cs);
    if (state.real_mode() || (base & 0xfffc) == 0) raise_gp();
    vcpu.counters.system_calls++;
    state.rflags &= ~(flags::vm | flags::interrupt | flags::rf);
    const u64 mask = long_mode ? ~u64{0} : 0xffffffff;
    state.gpr[x86::rsp] = state.sysenter_esp & mask;
    state.rip = state.sysenter_eip & mask;
    enter(state, base, base + 8, 0, long_mode ? Width::code64 : Width::code32);
}

void sysexit(Vcpu& vcpu, unsigned operand_size) {
    CpuState& state = vcpu.state;
    if (state.long_mode_active() && vcpu.model.is_amd()) raise_ud();
    const u32 base = static_cast<u32>(state.sysenter_cs);
    if (state.real_mode() || (base & 0xfffc) == 0 || state.cpl() != 0) raise_gp();
    const u64 rip = state.gpr[x86::rdx], rsp = state.gpr[x86::rcx];
    if (operand_size == 8) {
        if (!is_canonical(rip) || !is_canonical(rsp)) raise_gp();
        enter(state, base + 32, base + 40, 3, Width::code64);
        state.rip = rip;
        state.gpr[x86::rsp] = rsp;
    } else {
        enter(state, base + 16, base + 24, 3, Width::code32);
        state.rip = rip & 0xffffffff;
        state.gpr[x86::rsp] = rsp & 0xffffffff;
    }
}

}  // namespace softmetal
