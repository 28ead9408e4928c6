// FXSAVE, FXRSTOR and the XSAVE family (SDM vol. 1, ch. 10.5 and 13): guest memory <-> CpuState::extended.
// CR0.TS/EM/CR4.OSFXSR/OSXSAVE checks and the alignment check are made here.
#pragma once

#include "cpu/vcpu.hpp"

namespace softmetal {

inline constexpr unsigned fxsave_alignment = 16, xsave_alignment = 64;

/// #UD and #NM, which come before all that the address may raise. The functions below check again.
void require_fxsave_enabled(const CpuState& state);
void require_xsave_enabled(const CpuState& state);

void fxsave(Vcpu& vcpu, GuestLinear area, bool rex_w);
void fxrstor(Vcpu& vcpu, GuestLinear area, bool rex_w);

enum class XsaveForm : u8 { xsave, xsaveopt, xsavec };
void xsave(Vcpu& vcpu, GuestLinear area, u64 requested_mask, XsaveForm form, bool rex_w);
void xrstor(Vcpu& vcpu, GuestLinear area, u64 requested_mask, bool rex_w);

/// #UD / #NM as an x87, MMX, SSE or AVX instruction meets them (SDM vol. 3, table 2-2 & ch. 14).
enum class ExtendedUnit : u8 { x87, wait, mmx, sse, avx };
void require_unit(const CpuState& state, ExtendedUnit unit);

}  // namespace softmetal
