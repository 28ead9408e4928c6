#include "cpu/extended_state.hpp"

#include "x86/xsave_area.hpp"

#include <algorithm>
#include <cstring>

namespace softmetal {

namespace {

namespace cr0 = x86::cr0;
namespace cr4 = x86::cr4;
namespace xcr0 = x86::xcr0;
using x86::Vector;

using namespace x86::xsave_area;

constexpr u32 mxcsr_initial = 0x1f80;

/// FCW to FDP as they lie in memory; the fields are 8 bytes of pointer each with REX.W, else an offset of 4
/// bytes and a selector, which this CPU saves as 0 (CPUID leaf 7, EBX bit 13).
struct ControlArea {
    u16 fcw, fsw;
    u8 ftw, reserved;
    u16 fop;
    u64 fip, fdp;
};
static_assert(sizeof(ControlArea) == control_size);

/// One area in guest memory: checked as a whole first, then accessed piece by piece, because saves leave the
/// bytes between the pieces alone.
class Area {
 public:
    Area(Vcpu& vcpu, GuestLinear start, unsigned size, Access access)
        : vcpu_(vcpu), start_(start), privilege_(vcpu.mmu.data_privilege()) {
        host_ = vcpu.linear.in_place(start, size, access, privilege_);
        if (host_) return;
        if (access == Access::write) {
            vcpu.linear.probe_write(start, size, privilege_);
        } else {
            // All of it, so that a fault in a later page comes before anything is loaded.
            vcpu.linear.read_bytes(start, std::span(copy_).first(size), privilege_);
            host_ = reinterpret_cast<u8*>(copy_.data());
        }
    }
    void put(unsigned offset, const void* from, unsigned size) {
        if (host_)
            std::memcpy(host_ + offset, from, size);
        else
            vcpu_.linear.write_bytes(start_ + offset, {static_cast<const std::byte*>(from), size},
                                     privilege_);
    }
    void get(unsigned offset, void* into, unsigned size) { std::memcpy(into, host_ + offset, size); }
    template <class T>
    [[nodiscard]] T get(unsigned offset) {
        T value;
        get(offset, &value, sizeof value);
        return value;
    }

 private:
    Vcpu& vcpu_;
    GuestLinear start_;
    Privilege privilege_;
    u8* host_ = nullptr;
    std::array<std::byte, sizeof(ExtendedState)> copy_;
};

unsigned visible_xmm(const CpuState& state) { return state.code64() ? 16 : 8; }

bool is_zero(const ExtendedState::Bytes16& b) { return (b.low | b.high) == 0; }

template <class Range>
bool all_zero(const Range& values, unsigned count) {
    return std::all_of(values.begin(), values.begin() + count, is_zero);
}

/// XINUSE: the components that are not in their initial configuration (SDM vol. 1, ch. 13.6).
u64 components_in_use(const CpuState& state) {
    const ExtendedState& e = state.extended;
    const bool x87_initial = e.fcw == 0x37f && e.fsw == 0 && e.ftw == 0 && e.fop == 0 && e.fip == 0 &&
                             e.fdp == 0 && all_zero(e.x87, 8);
    const unsigned registers = visible_xmm(state);
    return (x87_initial ? 0 : xcr0::x87) | (all_zero(e.xmm, registers) ? 0 : xcr0::sse) |
           (all_zero(e.ymm_high, registers) ? 0 : xcr0::avx);
}

// --- components, memory <- registers

void put_x87(Area& area, const Vcpu& vcpu, bool rex_w) {
    const ExtendedState& e = vcpu.state.extended;
    ControlArea c{e.fcw, e.fsw, e.ftw, 0, e.fop, e.fip, e.fdp};
    // AMD's processors save the pointers of a pending exception only (APM vol. 2, ch. 11.5.3).
    if (vcpu.model.is_amd() && !e.x87_exception_pending()) c.fop = 0, c.fip = c.fdp = 0;
    if (!rex_w) {
        c.fip &= 0xffffffff;
        c.fdp &= 0xffffffff;
    }
    area.put(control_offset, &c, sizeof c);
    area.put(x87_offset, e.x87.data(), sizeof e.x87);
}

void put_mxcsr(Area& area, const Vcpu& vcpu) {
    const std::array<u32, 2> value{vcpu.state.extended.mxcsr, vcpu.model.mxcsr_mask()};
    area.put(mxcsr_offset, value.data(), sizeof value);
}

void put_xmm(Area& area, const CpuState& state) {
    area.put(xmm_offset, state.extended.xmm.data(), visible_xmm(state) * 16);
}

void put_avx(Area& area, const CpuState& state) {
    area.put(avx_offset, state.extended.ymm_high.data(), visible_xmm(state) * 16);
}

// --- components, registers <- memory

void get_x87(Area& area, ExtendedState& e, bool rex_w) {
    const auto c = area.get<ControlArea>(control_offset);
    constexpr u16 fcw_always = 0x40, fcw_valid = 0x1f7f, fop_valid = 0x7ff;
    e.fcw = (c.fcw & fcw_valid) | fcw_always;
    e.fsw = c.fsw;
    e.ftw = c.ftw;
    e.fop = c.fop & fop_valid;
    e.fip = rex_w ? c.fip : c.fip & 0xffffffff;
    e.fdp = rex_w ? c.fdp : c.fdp & 0xffffffff;
    area.get(x87_offset, e.x87.data(), sizeof e.x87);
    for (ExtendedState::Bytes16& r : e.x87) r.high &= 0xffff;  // 10 bytes each
}

void reset_x87(ExtendedState& e) {
    const ExtendedState initial;
    e.fcw = initial.fcw;
    e.fsw = initial.fsw;
    e.ftw = initial.ftw;
    e.fop = initial.fop;
    e.fip = initial.fip;
    e.fdp = initial.fdp;
    e.x87 = {};
}

u32 get_mxcsr(Area& area, const CpuModel& model) {
    const u32 value = area.get<u32>(mxcsr_offset);
    if (value & ~model.mxcsr_mask()) raise_gp();
    return value;
}

void get_xmm(Area& area, CpuState& state) {
    area.get(xmm_offset, state.extended.xmm.data(), visible_xmm(state) * 16);
}

// --- checks

void require_fxsave(Vcpu& vcpu, GuestLinear area) {
    require_fxsave_enabled(vcpu.state);
    if (area.value & (fxsave_alignment - 1)) raise_gp();
}

void require_xsave(Vcpu& vcpu, GuestLinear area) {
    require_xsave_enabled(vcpu.state);
    if (area.value & (xsave_alignment - 1)) raise_gp();
}

unsigned area_size(u64 components) { return components & xcr0::avx ? sizeof(ExtendedState) : avx_offset; }

}  // namespace

void require_fxsave_enabled(const CpuState& state) {
    if (state.cr0 & (cr0::em | cr0::ts)) raise(Vector::device_not_available);
}

void require_xsave_enabled(const CpuState& state) {
    if (!(state.cr4 & cr4::osxsave)) raise_ud();
    if (state.cr0 & cr0::ts) raise(Vector::device_not_available);
}

void fxsave(Vcpu& vcpu, GuestLinear where, bool rex_w) {
    require_fxsave(vcpu, where);
    Area area(vcpu, where, header_offset, Access::write);
    put_x87(area, vcpu, rex_w);
    put_mxcsr(area, vcpu);
    if (vcpu.state.cr4 & cr4::osfxsr) put_xmm(area, vcpu.state);
}

void fxrstor(Vcpu& vcpu, GuestLinear where, bool rex_w) {
    require_fxsave(vcpu, where);
    Area area(vcpu, where, header_offset, Access::read);
    const u32 mxcsr = get_mxcsr(area, vcpu.model);
    get_x87(area, vcpu.state.extended, rex_w);
    vcpu.state.extended.mxcsr = mxcsr;
    if (vcpu.state.cr4 & cr4::osfxsr) get_xmm(area, vcpu.state);
}

void xsave(Vcpu& vcpu, GuestLinear where, u64 requested_mask, XsaveForm form, bool rex_w) {
    require_xsave(vcpu, where);
    const CpuState& state = vcpu.state;
    const u64 requested = requested_mask & state.xcr0;
    u64 in_use = components_in_use(state);
    // XSAVEC treats MXCSR as part of SSE state (SDM vol. 1, ch. 13.10).
    if (form == XsaveForm::xsavec && state.extended.mxcsr != mxcsr_initial) in_use |= xcr0::sse;
    // Plain XSAVE writes initial configurations too; the others leave their bytes alone.
    const u64 written = form == XsaveForm::xsave ? requested : requested & in_use;

    const u64 spanned = form == XsaveForm::xsave ? requested : written;
    Area area(vcpu, where, area_size(spanned), Access::write);
    if (written & xcr0::x87) put_x87(area, vcpu, rex_w);
    const u64 mxcsr_with =
        form == XsaveForm::xsavec ? written & xcr0::sse : requested & (xcr0::sse | xcr0::avx);
    if (mxcsr_with) put_mxcsr(area, vcpu);
    if (written & xcr0::sse) put_xmm(area, state);
    if (written & xcr0::avx) put_avx(area, state);

    if (form == XsaveForm::xsavec) {
        const std::array<u64, 2> header{requested & in_use, requested | compacted};
        area.put(header_offset, header.data(), sizeof header);
    } else {
        const u64 old_value = vcpu.linear.read<u64>(where + header_offset, vcpu.mmu.data_privilege());
        const u64 xstate_bv = (old_value & ~requested) | (requested & in_use);
        area.put(header_offset, &xstate_bv, sizeof xstate_bv);
    }
}

void xrstor(Vcpu& vcpu, GuestLinear where, u64 requested_mask, bool rex_w) {
    require_xsave(vcpu, where);
    CpuState& state = vcpu.state;
    ExtendedState& e = state.extended;
    const u64 requested = requested_mask & state.xcr0;
    Area area(vcpu, where, area_size(requested), Access::read);

    const auto header = area.get<Header>(header_offset);
    const bool is_compacted = header.xcomp_bv & compacted;
    const u64 described = header.xcomp_bv & ~compacted;
    if (is_compacted) {
        const bool bad = described & ~state.xcr0 || header.xstate_bv & ~described ||
                         std::ranges::any_of(header.reserved, [](u64 r) { return r != 0; });
        if (bad || !vcpu.model.features().xsavec) raise_gp();
    } else if (header.xcomp_bv || header.xstate_bv & ~state.xcr0 || header.reserved[0]) {
        raise_gp();
    }
    const u64 present = requested & header.xstate_bv, initial = requested & ~header.xstate_bv;
    // The standard format has MXCSR outside its components (SDM vol. 1, ch. 13.8.1 and 13.8.2).
    const bool loads_mxcsr = is_compacted ? present & xcr0::sse : requested & (xcr0::sse | xcr0::avx);
    const u32 mxcsr = loads_mxcsr ? get_mxcsr(area, vcpu.model) : e.mxcsr;

    if (present & xcr0::x87) get_x87(area, e, rex_w);
    if (initial & xcr0::x87) reset_x87(e);
    if (present & xcr0::sse) get_xmm(area, state);
    if (initial & xcr0::sse) std::fill_n(e.xmm.begin(), visible_xmm(state), ExtendedState::Bytes16{});
    e.mxcsr = is_compacted && initial & xcr0::sse ? mxcsr_initial : mxcsr;
    if (present & xcr0::avx) area.get(avx_offset, e.ymm_high.data(), visible_xmm(state) * 16);
    if (initial & xcr0::avx) std::fill_n(e.ymm_high.begin(), visible_xmm(state), ExtendedState::Bytes16{});
}

void require_unit(const CpuState& state, ExtendedUnit unit) {
    const bool ts = state.cr0 & cr0::ts, em = state.cr0 & cr0::em;
    switch (unit) {
        case ExtendedUnit::x87:
            if (ts || em) raise(Vector::device_not_available);
            return;
        case ExtendedUnit::wait:
            if (ts && state.cr0 & cr0::mp) raise(Vector::device_not_available);
            return;
        case ExtendedUnit::mmx:
            if (em) raise_ud();
            break;
        case ExtendedUnit::sse:
            if (em || !(state.cr4 & cr4::osfxsr)) raise_ud();
            break;
        case ExtendedUnit::avx: {
            constexpr u64 needed = xcr0::sse | xcr0::avx;
            if (state.real_mode() || state.v86_mode() || !(state.cr4 & cr4::osxsave) ||
                (state.xcr0 & needed) != needed)
                raise_ud();
            break;
        }
    }
    if (ts) raise(Vector::device_not_available);
}

}  // namespace softmetal
