#include "cpu/system_registers.hpp"

namespace softmetal {

namespace {

namespace attribute = x86::segment_attribute;
namespace cr0 = x86::cr0;
namespace cr4 = x86::cr4;
using x86::Segment;

void set_efer_lma(CpuState& state, bool on) {
    state.efer = on ? state.efer | x86::efer::lma : state.efer & ~x86::efer::lma;
}

bool pae_paging(const CpuState& state) {
    return state.paging() && !state.long_mode_active() && state.cr4 & cr4::pae;
}

/// Runs `change` and loads the PDPTEs; where those are bad, puts `state`'s registers back.
template <class Change>
void change_with_pdptes(Vcpu& vcpu, Change change) {
    CpuState& state = vcpu.state;
    const u64 old_cr0 = state.cr0, old_cr4 = state.cr4, old_efer = state.efer;
    change();
    if (!pae_paging(state)) return;
    try {
        vcpu.mmu.load_pdptes();
    } catch (...) {
        state.cr0 = old_cr0;
        state.cr4 = old_cr4;
        state.efer = old_efer;
        throw;
    }
}

void write_cr0(Vcpu& vcpu, u64 value) {
    CpuState& state = vcpu.state;
    if (value >> 32) raise_gp();
    value = (value & cr0::implemented) | cr0::et;
    if ((value & cr0::pg && !(value & cr0::pe)) || (value & cr0::nw && !(value & cr0::cd))) raise_gp();
    const u64 changed = state.cr0 ^ value;
    bool lma = state.long_mode_active();
    if (changed & cr0::pg) {
        if (value & cr0::pg && state.efer & x86::efer::lme) {
            const bool long_code = state.seg(Segment::cs).attributes & attribute::long_mode;
            const bool tss16 = state.tr.usable() && !(state.tr.attributes & 8);
            if (!(state.cr4 & cr4::pae) || long_code || tss16) raise_gp();
            lma = true;
        } else if (!(value & cr0::pg)) {
            if (state.code64() || state.cr4 & cr4::pcide) raise_gp();
            lma = false;
        }
    }
    const auto apply = [&] {
        state.cr0 = value;
        set_efer_lma(state, lma);
    };
    if (changed & (cr0::pg | cr0::cd | cr0::nw))
        change_with_pdptes(vcpu, apply);
    else
        apply();
    if (changed & cr0::pe && value & cr0::pe) {
        // Real mode runs at level 0 whatever SS holds; protected mode takes the level from SS.
        state.seg(Segment::ss).attributes &= ~attribute::dpl;
        state.seg(Segment::cs).attributes &= ~attribute::dpl;
    }
    if (changed & (cr0::pg | cr0::pe))
        vcpu.mmu.flush_all();
    else if (changed & cr0::wp)
        vcpu.mmu.rights_changed();
}

void write_cr3(Vcpu& vcpu, u64 value) {
    CpuState& state = vcpu.state;
    bool keep = false;
    if (state.long_mode_active()) {
        if (state.cr4 & cr4::pcide) {
            keep = value & x86::cr3::no_flush;
            value &= ~x86::cr3::no_flush;
        }
        if (value >> guest_physical_address_bits) raise_gp();
    } else {
        value &= 0xffffffff;
    }
    const u64 old_value = state.cr3;
    state.cr3 = value;
    try {
        vcpu.mmu.cr3_loaded(keep);
    } catch (...) {
        state.cr3 = old_value;
        throw;
    }
}

void write_cr4(Vcpu& vcpu, u64 value) {
    CpuState& state = vcpu.state;
    if (value & ~vcpu.model.supported_cr4()) raise_gp();
    const u64 changed = state.cr4 ^ value;
    if (changed & cr4::pae && state.long_mode_active()) raise_gp();
    if (changed & cr4::pcide && value & cr4::pcide &&
        (!state.long_mode_active() || state.cr3 & x86::cr3::pcid))
        raise_gp();
    const auto apply = [&] { state.cr4 = value; };
    if (changed & (cr4::pae | cr4::pge | cr4::pse | cr4::smep))
        change_with_pdptes(vcpu, apply);
    else
        apply();
    // SDM vol. 3, ch. 4.10.4.1.
    if (changed & (cr4::pse | cr4::pae | cr4::pge | cr4::pcide))
        vcpu.mmu.flush_all();
    else if (changed & (cr4::smep | cr4::smap))
        vcpu.mmu.rights_changed();
}

}  // namespace

u64 read_control_register(Vcpu& vcpu, unsigned number) {
    const CpuState& state = vcpu.state;
    switch (number) {
        case 0: return state.cr0;
        case 2: return state.cr2;
        case 3: return state.cr3;
        case 4: return state.cr4;
        case 8: return vcpu.apic ? vcpu.apic->task_priority() >> 4 : 0;
        default: raise_ud();
    }
}

void write_control_register(Vcpu& vcpu, unsigned number, u64 value) {
    switch (number) {
        case 0: return write_cr0(vcpu, value);
        case 2: vcpu.state.cr2 = value; return;
        case 3: return write_cr3(vcpu, value);
        case 4: return write_cr4(vcpu, value);
        case 8:
            if (value >> 4) raise_gp();
            if (!vcpu.apic) return;
            vcpu.apic->set_task_priority(static_cast<u8>(value << 4));
            vcpu.request(attention::interrupt);  // a lower priority may let one through
            return;
        default: raise_ud();
    }
}

void load_machine_status_word(Vcpu& vcpu, u16 value) {
    // PE can be set by it, not cleared (SDM vol. 2, LMSW).
    constexpr u64 taken = cr0::mp | cr0::em | cr0::ts;
    const u64 old_value = vcpu.state.cr0;
    write_cr0(vcpu, (old_value & ~taken) | (value & (taken | cr0::pe)));
}

u64 read_extended_control_register(Vcpu& vcpu, u32 index) {
    if (!(vcpu.state.cr4 & cr4::osxsave)) raise_ud();
    if (index == 0) return vcpu.state.xcr0;
    // ECX = 1: XCR0 & XINUSE; all components count as in use.
    if (index == 1 && vcpu.model.features().xgetbv1) return vcpu.state.xcr0;
    raise_gp();
}

void write_extended_control_register(Vcpu& vcpu, u32 index, u64 value) {
    namespace xcr0 = x86::xcr0;
    if (!(vcpu.state.cr4 & cr4::osxsave)) raise_ud();
    const bool valid = index == 0 && !(value & ~vcpu.model.supported_xcr0()) && value & xcr0::x87 &&
                       !(value & xcr0::avx && !(value & xcr0::sse));
    if (!valid) raise_gp();
    vcpu.state.xcr0 = value;
}

void invalidate_pcid(Vcpu& vcpu, u64 kind, u64 descriptor_low, u64 descriptor_high) {
    enum : u64 { address, single_context, all, all_non_global };
    if (kind > all_non_global) raise_gp();
    const u16 pcid = static_cast<u16>(descriptor_low & x86::cr3::pcid);
    if (kind <= single_context) {
        if (descriptor_low & ~x86::cr3::pcid) raise_gp();
        if (pcid && !(vcpu.state.cr4 & cr4::pcide)) raise_gp();
    }
    switch (kind) {
        case address:
            if (!is_canonical(descriptor_high)) raise_gp();
            return vcpu.mmu.invalidate_page(GuestLinear{descriptor_high}, pcid);
        case single_context: return vcpu.mmu.flush_pcid(pcid);
        case all: return vcpu.mmu.flush_all();
        default: return vcpu.mmu.flush_non_global_all_pcids();
    }
}

void check_port_permission(Vcpu& vcpu, u16 port, unsigned width) {
    const CpuState& state = vcpu.state;
    if (state.real_mode()) return;
    const unsigned iopl = static_cast<unsigned>(state.rflags >> x86::flags::iopl_shift & 3);
    if (!state.v86_mode() && state.cpl() <= iopl) return;

    constexpr unsigned bitmap_pointer = 0x66;
    const x86::SegmentRegister& tr = state.tr;
    const bool wide_tss = tr.usable() && (tr.attributes & 0xd) == x86::system_type::tss_available;
    if (!wide_tss || bitmap_pointer + 1 > tr.limit) raise_gp();
    const Privilege p = vcpu.mmu.system_privilege();
    const unsigned bitmap = vcpu.linear.read<u16>({tr.base + bitmap_pointer}, p);
    // Two bytes are always read: the ports of one access may lie in both.
    const unsigned first = bitmap + port / 8;
    if (first + 1 > tr.limit) raise_gp();
    const unsigned denied = vcpu.linear.read<u16>({tr.base + first}, p) >> (port % 8);
    if (denied & low_bits(width)) raise_gp();
}

}  // namespace softmetal
