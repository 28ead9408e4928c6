// FXSAVE, FXRSTOR, the XSAVE family, LDMXCSR, STMXCSR.
#include "cpu/extended_state.hpp"

#include "interpreter/operands.hpp"
#include "interpreter/semantics.hpp"

#include <Zydis/Zydis.h>

namespace softmetal::interpreter {
namespace {

constexpr unsigned legacy_area_size = 512;

[[nodiscard]] bool rex_w(const Instruction& i) { return i.layout.rex & 8; }

// An area that is misaligned at an address that is not canonical, by RBP or RSP, is #SS; but for XSAVE and
// its like on AMD's processors, which see the alignment first and raise #GP. The manuals leave it open.

[[nodiscard]] GuestLinear fxsave_area(Vcpu& vcpu, const Instruction& i, Access access) {
    require_fxsave_enabled(vcpu.state);
    return linear_address_unaligned(vcpu, i.memory.segment, effective_offset(vcpu.state, i), legacy_area_size,
                                    access);
}
[[nodiscard]] GuestLinear xsave_area(Vcpu& vcpu, const Instruction& i, Access access) {
    require_xsave_enabled(vcpu.state);
    const u64 offset = effective_offset(vcpu.state, i);
    const u64 base = segment_base(vcpu.state, i.memory.segment);
    if (vcpu.model.is_amd() && (offset + base) & (xsave_alignment - 1)) raise_gp();
    return linear_address_unaligned(vcpu, i.memory.segment, offset, legacy_area_size, access);
}

void save_legacy(Vcpu& vcpu, const Instruction& i, void*) {
    fxsave(vcpu, fxsave_area(vcpu, i, Access::write), rex_w(i));
}
void restore_legacy(Vcpu& vcpu, const Instruction& i, void*) {
    fxrstor(vcpu, fxsave_area(vcpu, i, Access::read), rex_w(i));
}

template <XsaveForm form>
void save(Vcpu& vcpu, const Instruction& i, void*) {
    xsave(vcpu, xsave_area(vcpu, i, Access::write), vcpu.state.edx_eax(), form, rex_w(i));
}
void restore(Vcpu& vcpu, const Instruction& i, void*) {
    xrstor(vcpu, xsave_area(vcpu, i, Access::read), vcpu.state.edx_eax(), rex_w(i));
}

void load_mxcsr(Vcpu& vcpu, const Instruction& i, void*) {
    const u32 value = load<u32>(vcpu, i);
    if (value & ~vcpu.model.mxcsr_mask()) raise_gp();
    vcpu.state.extended.mxcsr = value;
}
void store_mxcsr(Vcpu& vcpu, const Instruction& i, void*) { store<u32>(vcpu, i, vcpu.state.extended.mxcsr); }

}  // namespace

Semantics extended_state_semantics(const Instruction& i) {
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_FXSAVE:
        case ZYDIS_MNEMONIC_FXSAVE64: return save_legacy;
        case ZYDIS_MNEMONIC_FXRSTOR:
        case ZYDIS_MNEMONIC_FXRSTOR64: return restore_legacy;
        case ZYDIS_MNEMONIC_XSAVE:
        case ZYDIS_MNEMONIC_XSAVE64: return save<XsaveForm::xsave>;
        case ZYDIS_MNEMONIC_XSAVEOPT:
        case ZYDIS_MNEMONIC_XSAVEOPT64: return save<XsaveForm::xsaveopt>;
        case ZYDIS_MNEMONIC_XSAVEC:
        case ZYDIS_MNEMONIC_XSAVEC64: return save<XsaveForm::xsavec>;
        case ZYDIS_MNEMONIC_XRSTOR:
        case ZYDIS_MNEMONIC_XRSTOR64: return restore;
        case ZYDIS_MNEMONIC_LDMXCSR:
        case ZYDIS_MNEMONIC_VLDMXCSR: return load_mxcsr;
        case ZYDIS_MNEMONIC_STMXCSR:
        case ZYDIS_MNEMONIC_VSTMXCSR: return store_mxcsr;
        default: return nullptr;
    }
}

}  // namespace softmetal::interpreter
