// System instructions: CPUID, time stamps, control, debug and model-specific registers, TLB and caches, HLT,
// random numbers (SDM vol. 1, ch. 5.20; vol. 2). Privilege has been checked already.
#include "cpu/system_registers.hpp"
#include "interpreter/host_flags.hpp"
#include "interpreter/semantics.hpp"

#include <Zydis/Zydis.h>

namespace softmetal::interpreter {
namespace {

namespace flags = x86::flags;

void set_edx_eax(CpuState& state, u64 value) {
    state.gpr[x86::rax] = value & 0xffffffff;
    state.gpr[x86::rdx] = value >> 32;
}
[[nodiscard]] u32 ecx(const CpuState& state) { return static_cast<u32>(state.gpr[x86::rcx]); }

void cpuid(Vcpu& vcpu, const Instruction&, void*) {
    CpuState& state = vcpu.state;
    constexpr u64 apic_global_enable = bit(11);
    const bool apic_enabled = vcpu.apic && vcpu.apic->base() & apic_global_enable;
    const CpuidLeaf leaf =
        vcpu.model.cpuid(static_cast<u32>(state.gpr[x86::rax]), ecx(state), state, vcpu.index, apic_enabled);
    state.gpr[x86::rax] = leaf.eax;
    state.gpr[x86::rbx] = leaf.ebx;
    state.gpr[x86::rcx] = leaf.ecx;
    state.gpr[x86::rdx] = leaf.edx;
}

// --- time stamps

void read_time_stamp(Vcpu& vcpu) {
    if (vcpu.state.cr4 & x86::cr4::tsd && vcpu.state.cpl() != 0) raise_gp();
    set_edx_eax(vcpu.state, vcpu.time_stamp_counter());
}

void rdtsc(Vcpu& vcpu, const Instruction&, void*) { read_time_stamp(vcpu); }

void rdtscp(Vcpu& vcpu, const Instruction&, void*) {
    read_time_stamp(vcpu);
    vcpu.state.gpr[x86::rcx] = vcpu.state.tsc_aux & 0xffffffff;
}

void rdpid(Vcpu& vcpu, const Instruction& i, void*) {
    write_gpr(vcpu.state, i.operands[0].index, i.operands[0].size, vcpu.state.tsc_aux & 0xffffffff);
}

void rdpmc(Vcpu&, const Instruction&, void*) { raise_gp(); }  // the model reports no counters

// --- registers

void mov_control_debug(Vcpu& vcpu, const Instruction& i, void*) {
    const Operand &to = i.operands[0], &from = i.operands[1];
    const unsigned size = i.mode == 8 ? 8 : 4;
    if (to.kind == OperandKind::control)
        write_control_register(vcpu, to.index, read_gpr(vcpu.state, from.index, size));
    else if (to.kind == OperandKind::debug)
        write_debug_register(vcpu, to.index, read_gpr(vcpu.state, from.index, size));
    else if (from.kind == OperandKind::control)
        write_gpr(vcpu.state, to.index, size, read_control_register(vcpu, from.index));
    else
        write_gpr(vcpu.state, to.index, size, read_debug_register(vcpu, from.index));
}

[[nodiscard]] bool moves_control_or_debug(const Instruction& i) {
    const auto special = [](const Operand& o) {
        return o.kind == OperandKind::control || o.kind == OperandKind::debug;
    };
    return special(i.operands[0]) || special(i.operands[1]);
}

void smsw(Vcpu& vcpu, const Instruction& i, void*) {
    const CpuState& state = vcpu.state;
    if (state.cr4 & x86::cr4::umip && state.cpl() != 0) raise_gp();
    write_operand(vcpu, i, i.operands[0], state.cr0);
}

void lmsw(Vcpu& vcpu, const Instruction& i, void*) {
    load_machine_status_word(vcpu, static_cast<u16>(read_operand(vcpu, i, i.operands[0])));
}

void clts(Vcpu& vcpu, const Instruction&, void*) { vcpu.state.cr0 &= ~x86::cr0::ts; }

void rdmsr(Vcpu& vcpu, const Instruction&, void*) {
    set_edx_eax(vcpu.state, read_msr(vcpu, ecx(vcpu.state)));
}
void wrmsr(Vcpu& vcpu, const Instruction&, void*) { write_msr(vcpu, ecx(vcpu.state), vcpu.state.edx_eax()); }

void xgetbv(Vcpu& vcpu, const Instruction&, void*) {
    set_edx_eax(vcpu.state, read_extended_control_register(vcpu, ecx(vcpu.state)));
}
void xsetbv(Vcpu& vcpu, const Instruction&, void*) {
    write_extended_control_register(vcpu, ecx(vcpu.state), vcpu.state.edx_eax());
}

void clac(Vcpu& vcpu, const Instruction&, void*) { vcpu.state.rflags &= ~flags::ac; }
void stac(Vcpu& vcpu, const Instruction&, void*) { vcpu.state.rflags |= flags::ac; }

// --- TLB and caches

void invlpg(Vcpu& vcpu, const Instruction& i, void*) {
    // Neither limits nor canonical form are checked (SDM vol. 2, INVLPG).
    GuestLinear a{effective_offset(vcpu.state, i)};
    if (i.mode != 8)
        a.value = (a.value + vcpu.state.seg(i.memory.segment).base) & 0xffffffff;
    else if (i.memory.segment >= x86::Segment::fs)
        a.value += vcpu.state.seg(i.memory.segment).base;
    if (is_canonical(a.value)) vcpu.mmu.invalidate_page(a);
}

void invpcid(Vcpu& vcpu, const Instruction& i, void*) {
    constexpr unsigned size = 16;
    const GuestLinear a =
        linear_address_unaligned(vcpu, i.memory.segment, effective_offset(vcpu.state, i), size, Access::read);
    const Privilege p = vcpu.mmu.data_privilege();
    const u64 low = vcpu.linear.read<u64>(a, p), high = vcpu.linear.read<u64>(a + 8, p);
    invalidate_pcid(vcpu, read_gpr(vcpu.state, i.operands[0].index, i.mode == 8 ? 8 : 4), low, high);
}

/// CLFLUSH & co. do nothing here, but fault as a read of the byte would.
void flush_line(Vcpu& vcpu, const Instruction& i, void*) {
    const GuestLinear a =
        linear_address_unaligned(vcpu, i.memory.segment, effective_offset(vcpu.state, i), 1, Access::read);
    const auto place = vcpu.mmu.translate(a, Access::read, vcpu.mmu.data_privilege());
    if (!place) throw place.error();
}

void nothing(Vcpu&, const Instruction&, void*) {}
void pause(Vcpu& vcpu, const Instruction&, void*) { vcpu.spin_wait(); }
void full_fence(Vcpu&, const Instruction&, void*) { asm volatile("mfence" ::: "memory"); }

void halt(Vcpu& vcpu, const Instruction&, void*) {
    vcpu.counters.halts++;
    vcpu.state.activity = Activity::halted;
}

// --- random numbers: the host's own

template <Word T>
void rdrand(Vcpu& vcpu, const Instruction& i, void*) {
    T value;
    bool valid;
    asm volatile("rdrand %0\n\tsetc %1" : "=r"(value), "=qm"(valid)::"cc");
    RegisterOperand::write<T>(vcpu, i, 0, value);
    set_status(vcpu.state.rflags, valid ? flags::cf : 0);
}
template <Word T>
void rdseed(Vcpu& vcpu, const Instruction& i, void*) {
    T value;
    bool valid;
    asm volatile("rdseed %0\n\tsetc %1" : "=r"(value), "=qm"(valid)::"cc");
    RegisterOperand::write<T>(vcpu, i, 0, value);
    set_status(vcpu.state.rflags, valid ? flags::cf : 0);
}

Semantics random_semantics(const Instruction& i) {
    const bool seed = i.mnemonic == ZYDIS_MNEMONIC_RDSEED;
    switch (i.operands[0].size) {
        case 2: return seed ? rdseed<u16> : rdrand<u16>;
        case 4: return seed ? rdseed<u32> : rdrand<u32>;
        default: return seed ? rdseed<u64> : rdrand<u64>;
    }
}

/// Each vendor's instruction calls the monitor under it, as this one is. It offers no calls, and says so as
/// KVM does, whose signature is in CPUID (Linux: Documentation/virt/kvm/x86/hypercalls.rst).
void hypercall(Vcpu& vcpu, const Instruction& i, void*) {
    const bool amd_form = i.mnemonic == ZYDIS_MNEMONIC_VMMCALL;
    if (amd_form != vcpu.model.is_amd()) raise_ud();
    constexpr i64 not_permitted = -1, no_such_call = -1000;
    const auto answer = static_cast<u64>(vcpu.state.cpl() == 0 ? no_such_call : not_permitted);
    vcpu.state.gpr[x86::rax] = i.mode == 8 ? answer : static_cast<u32>(answer);
}

}  // namespace

Semantics system_semantics(const Instruction& i) {
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_CPUID: return cpuid;
        case ZYDIS_MNEMONIC_RDTSC: return rdtsc;
        case ZYDIS_MNEMONIC_RDTSCP: return rdtscp;
        case ZYDIS_MNEMONIC_RDPID: return rdpid;
        case ZYDIS_MNEMONIC_RDPMC: return rdpmc;
        case ZYDIS_MNEMONIC_MOV: return moves_control_or_debug(i) ? mov_control_debug : nullptr;
        case ZYDIS_MNEMONIC_SMSW: return smsw;
        case ZYDIS_MNEMONIC_LMSW: return lmsw;
        case ZYDIS_MNEMONIC_CLTS: return clts;
        case ZYDIS_MNEMONIC_RDMSR: return rdmsr;
        case ZYDIS_MNEMONIC_WRMSR: return wrmsr;
        case ZYDIS_MNEMONIC_XGETBV: return xgetbv;
        case ZYDIS_MNEMONIC_XSETBV: return xsetbv;
        case ZYDIS_MNEMONIC_CLAC: return clac;
        case ZYDIS_MNEMONIC_STAC: return stac;
        case ZYDIS_MNEMONIC_INVLPG: return invlpg;
        case ZYDIS_MNEMONIC_INVPCID: return invpcid;
        case ZYDIS_MNEMONIC_CLFLUSH:
        case ZYDIS_MNEMONIC_CLFLUSHOPT:
        case ZYDIS_MNEMONIC_CLWB: return flush_line;
        case ZYDIS_MNEMONIC_WBINVD:  // WBNOINVD too: the decoder takes its prefix for none
        case ZYDIS_MNEMONIC_INVD:    // guest RAM is always coherent
        case ZYDIS_MNEMONIC_CLDEMOTE:
        case ZYDIS_MNEMONIC_PREFETCH:
        case ZYDIS_MNEMONIC_PREFETCHW: return nothing;
        case ZYDIS_MNEMONIC_PAUSE: return pause;
        case ZYDIS_MNEMONIC_MFENCE:
        case ZYDIS_MNEMONIC_LFENCE:
        case ZYDIS_MNEMONIC_SFENCE:
        case ZYDIS_MNEMONIC_SERIALIZE: return full_fence;
        case ZYDIS_MNEMONIC_HLT: return halt;
        case ZYDIS_MNEMONIC_VMCALL:
        case ZYDIS_MNEMONIC_VMMCALL: return hypercall;
        case ZYDIS_MNEMONIC_RDRAND:
        case ZYDIS_MNEMONIC_RDSEED: return random_semantics(i);
        default: return nullptr;
    }
}

}  // namespace softmetal::interpreter
