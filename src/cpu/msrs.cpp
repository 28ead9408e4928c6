// RDMSR and WRMSR (SDM vol. 4, ch. 2.1): the registers of x86/msrs.hpp, and a few that systems touch without
// asking CPUID first.
#include "x86/msrs.hpp"

#include "cpu/kvm_clock.hpp"
#include "cpu/system_registers.hpp"

#include <algorithm>
#include <optional>

namespace softmetal {

namespace {

namespace msr = x86::msr;

/// MTRRs: 8 variable pairs, fixed ranges, write-combining. Stored only: all guest RAM is cached by the host.
constexpr u64 mtrr_capabilities = 8 | bit(8) | bit(10);
constexpr u32 mtrr_variable_count = 16;
constexpr u64 microcode_revision = bit(32);                          // IA32_BIOS_SIGN_ID: revision 1
constexpr u64 spec_ctrl_valid = bit(0) | bit(1) | bit(2) | bit(10);  // IBRS, STIBP, SSBD, BHI_DIS_S
constexpr u64 feature_control_locked = bit(0);
constexpr u64 x2apic_enable = bit(10);  // of IA32_APIC_BASE

// Read as zero, writes ignored: present on every processor of their vendor, whatever CPUID says.
constexpr u32 debug_control = 0x1d9, platform_info = 0xce, smi_count = 0x34;
constexpr std::array amd_registers{0xc0010010u, 0xc001001au, 0xc001001du, 0xc001001fu, 0xc0010140u,
                                   0xc0010141u, 0xc0011020u, 0xc0011022u, 0xc0011023u};
constexpr u32 amd_hardware_configuration = 0xc0010015;
constexpr u64 tsc_counts_at_p0_frequency = bit(24);  // AMD PPR, MSRC001_0015[TscFreqSel]: read-only
constexpr u32 amd_decode_config = 0xc0011029;
constexpr u64 lfence_serializes = bit(1);

// The four performance counters of the K7 and their event selects; none counts here.
constexpr u32 amd_first_counter = 0xc0010000, amd_last_counter = 0xc0010007;

bool is_amd_register(const Vcpu& vcpu, u32 index) {
    return vcpu.model.shows_amd() && ((index >= amd_first_counter && index <= amd_last_counter) ||
                                      std::ranges::find(amd_registers, index) != amd_registers.end());
}

/// Place of a fixed-range MTRR in CpuState::mtrr_fixed; 250, 258, 259 and 268 to 26f are the registers.
std::optional<unsigned> fixed_mtrr(u32 index) {
    if (index == msr::mtrr_fix_64k) return 0;
    if (index == 0x258 || index == 0x259) return index - 0x257;
    if (index >= 0x268 && index <= 0x26f) return index - 0x265;
    return {};
}

/// Registers that came with a feature are not there without it.
void require_feature(const CpuModel& model, u32 index) {
    const CpuModel::Features& f = model.features();
    const bool present = [&] {
        switch (index) {
            case msr::efer: return model.supported_efer() != 0;
            case msr::star: return f.syscall;
            case msr::lstar:
            case msr::cstar:
            case msr::sfmask: return f.syscall && f.long_mode;
            case msr::fs_base:
            case msr::gs_base:
            case msr::kernel_gs_base: return f.long_mode;
            case msr::tsc_aux: return f.rdtscp || f.rdpid;
            case msr::tsc_adjust: return f.tsc_adjust;
            case msr::spec_ctrl:
            case msr::pred_cmd: return f.spec_ctrl;
            case msr::arch_capabilities: return f.arch_capabilities;
            case msr::tsc_deadline: return f.tsc_deadline;
            case amd_hardware_configuration:
            case amd_decode_config: return model.shows_amd();
            default: return index < msr::x2apic_first || index > msr::x2apic_last || f.x2apic;
        }
    }();
    if (!present) raise_gp();
}

bool valid_memory_type(u64 type) { return type <= 6 && type != 2 && type != 3; }

template <class Valid>
void require_each_byte(u64 value, Valid valid) {
    for (unsigned shift = 0; shift < 64; shift += 8)
        if (!valid(value >> shift & 0xff)) raise_gp();
}

void require_canonical(u64 value) {
    if (!is_canonical(value)) raise_gp();
}

void write_efer(Vcpu& vcpu, u64 value) {
    CpuState& state = vcpu.state;
    namespace efer = x86::efer;
    if (value & ~vcpu.model.supported_efer()) raise_gp();
    const u64 changed = state.efer ^ value;
    if (changed & efer::lme && state.paging()) raise_gp();
    state.efer = (value & ~efer::lma) | (state.efer & efer::lma);
    if (changed & efer::nxe) vcpu.mmu.flush_all();
}

void write_tsc_adjust(Vcpu& vcpu, u64 value) {
    vcpu.state.tsc_adjust = value;
    publish_kvm_system_time(vcpu);  // says what the TSC was at some moment
}

/// The APIC keeps time without IA32_TSC_ADJUST; zero means disarmed and stays zero.
u64 deadline_without_adjust(const Vcpu& vcpu, u64 value) {
    if (value == 0) return 0;
    const auto deadline = static_cast<i64>(value - vcpu.state.tsc_adjust);
    return deadline > 0 ? static_cast<u64>(deadline) : 1;
}

bool is_apic_register(u32 index) {
    return index == msr::tsc_deadline || (index >= msr::x2apic_first && index <= msr::x2apic_last);
}

u64 read_apic_register(Vcpu& vcpu, u32 index) {
    const auto value = vcpu.apic ? vcpu.apic->read_msr(index) : std::nullopt;
    if (!value) raise_gp();
    return index == msr::tsc_deadline && *value ? *value + vcpu.state.tsc_adjust : *value;
}

void write_apic_register(Vcpu& vcpu, u32 index, u64 value) {
    if (index == msr::tsc_deadline) value = deadline_without_adjust(vcpu, value);
    if (!vcpu.apic || !vcpu.apic->write_msr(index, value)) raise_gp();
}

}  // namespace

u64 read_msr(Vcpu& vcpu, u32 index) {
    const CpuState& state = vcpu.state;
    require_feature(vcpu.model, index);
    switch (index) {
        case msr::time_stamp_counter: return vcpu.time_stamp_counter();
        case msr::platform_id:
        case msr::bios_update_trigger:
        case msr::mcg_cap:
        case msr::mcg_status:
        case debug_control:
        case platform_info:
        case smi_count: return 0;
        case msr::apic_base:
            if (!vcpu.apic) raise_gp();
            return vcpu.apic->base();
        case msr::feature_control: return feature_control_locked;
        case msr::tsc_adjust: return state.tsc_adjust;
        case msr::spec_ctrl: return state.spec_ctrl;
        case msr::bios_signature: return microcode_revision;
        case msr::mtrr_cap: return mtrr_capabilities;
        case msr::arch_capabilities: return vcpu.model.arch_capabilities();
        case msr::sysenter_cs: return state.sysenter_cs;
        case msr::sysenter_esp: return state.sysenter_esp;
        case msr::sysenter_eip: return state.sysenter_eip;
        case msr::misc_enable: return state.misc_enable;
        case msr::pat: return state.pat;
        case msr::mtrr_def_type: return state.mtrr_def_type;
        case msr::efer: return state.efer;
        case msr::star: return state.star;
        case msr::lstar: return state.lstar;
        case msr::cstar: return state.cstar;
        case msr::sfmask: return state.sfmask;
        case msr::fs_base: return state.seg(x86::Segment::fs).base;
        case msr::gs_base: return state.seg(x86::Segment::gs).base;
        case msr::kernel_gs_base: return state.kernel_gs_base;
        case msr::tsc_aux: return state.tsc_aux;
        case msr::kvm_wall_clock: return state.kvm_wall_clock;
        case msr::kvm_system_time: return state.kvm_system_time;
        case amd_hardware_configuration: return tsc_counts_at_p0_frequency;
        case amd_decode_config: return lfence_serializes;
        default: break;
    }
    if (index - msr::mtrr_phys_base0 < mtrr_variable_count)
        return state.mtrr_variable[index - msr::mtrr_phys_base0];
    if (const auto fixed = fixed_mtrr(index)) return state.mtrr_fixed[*fixed];
    if (is_apic_register(index)) return read_apic_register(vcpu, index);
    if (is_amd_register(vcpu, index)) return 0;
    raise_gp();
}

void write_msr(Vcpu& vcpu, u32 index, u64 value) {
    CpuState& state = vcpu.state;
    require_feature(vcpu.model, index);
    switch (index) {
        case msr::time_stamp_counter:
            return write_tsc_adjust(vcpu, state.tsc_adjust + value - vcpu.time_stamp_counter());
        case msr::tsc_adjust: return write_tsc_adjust(vcpu, value);
        case msr::apic_base:
            if (value & x2apic_enable && !vcpu.model.features().x2apic) raise_gp();
            if (!vcpu.apic || !vcpu.apic->set_base(value)) raise_gp();
            return;
        case msr::spec_ctrl:
            if (value & ~spec_ctrl_valid) raise_gp();
            state.spec_ctrl = value;
            return;
        case msr::pred_cmd:
            if (value & ~u64{1}) raise_gp();
            return;
        case msr::bios_update_trigger:
        case msr::bios_signature:
        case msr::mcg_status: return;
        case debug_control:
            if (value & ~u64{3}) raise_gp();  // LBR and BTF, neither of which CPUID promises
            return;
        case msr::sysenter_cs: state.sysenter_cs = value & 0xffffffff; return;
        case msr::sysenter_esp:
            require_canonical(value);
            state.sysenter_esp = value;
            return;
        case msr::sysenter_eip:
            require_canonical(value);
            state.sysenter_eip = value;
            return;
        case msr::misc_enable: state.misc_enable = value; return;
        case msr::pat:
            // 7 is uncached-minus, which exists in the PAT only.
            require_each_byte(value, [](u64 type) { return type == 7 || valid_memory_type(type); });
            state.pat = value;
            return;
        case msr::mtrr_def_type:
            if (value & ~u64{0xcff} || !valid_memory_type(value & 0xff)) raise_gp();
            state.mtrr_def_type = value;
            return;
        case msr::efer: return write_efer(vcpu, value);
        case msr::star: state.star = value; return;
        case msr::lstar:
            require_canonical(value);
            state.lstar = value;
            return;
        case msr::cstar:
            require_canonical(value);
            state.cstar = value;
            return;
        case msr::sfmask: state.sfmask = value & 0xffffffff; return;
        case msr::fs_base:
            require_canonical(value);
            state.seg(x86::Segment::fs).base = value;
            return;
        case msr::gs_base:
            require_canonical(value);
            state.seg(x86::Segment::gs).base = value;
            return;
        case msr::kernel_gs_base:
            require_canonical(value);
            state.kernel_gs_base = value;
            return;
        case msr::tsc_aux:
            if (value >> 32) raise_gp();
            state.tsc_aux = value;
            return;
        case msr::kvm_wall_clock: state.kvm_wall_clock = value; return publish_kvm_wall_clock(vcpu);
        case msr::kvm_system_time: state.kvm_system_time = value; return publish_kvm_system_time(vcpu);
        case amd_hardware_configuration:
        case amd_decode_config: return;
        default: break;
    }
    if (const u32 n = index - msr::mtrr_phys_base0; n < mtrr_variable_count) {
        const bool is_mask = n % 2;
        const u64 low_valid = is_mask ? bit(11) : 0xff;
        if (value >> guest_physical_address_bits || value & low_bits(12) & ~low_valid) raise_gp();
        if (!is_mask && !valid_memory_type(value & 0xff)) raise_gp();
        state.mtrr_variable[n] = value;
        return;
    }
    if (const auto fixed = fixed_mtrr(index)) {
        require_each_byte(value, valid_memory_type);
        state.mtrr_fixed[*fixed] = value;
        return;
    }
    if (is_apic_register(index)) return write_apic_register(vcpu, index, value);
    if (is_amd_register(vcpu, index)) return;
    raise_gp();
}

}  // namespace softmetal
