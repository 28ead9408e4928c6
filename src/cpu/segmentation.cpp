#include "cpu/segmentation.hpp"

namespace softmetal {

namespace {

namespace attribute = x86::segment_attribute;
namespace type = x86::system_type;
using x86::Segment;
using x86::SegmentRegister;
using x86::Vector;

constexpr u64 descriptor_accessed = bit(40);
constexpr u64 descriptor_tss_busy = bit(41);

/// Linear address of a selector's descriptor; none where its table does not reach that far.
std::optional<GuestLinear> descriptor_address(const CpuState& state, u16 selector, unsigned size) {
    const unsigned offset = x86::selector::offset(selector);
    if (x86::selector::in_ldt(selector)) {
        if (!state.ldtr.usable() || offset + size - 1 > state.ldtr.limit) return {};
        return GuestLinear{state.ldtr.base + offset};
    }
    if (offset + size - 1 > state.gdtr.limit) return {};
    return GuestLinear{state.gdtr.base + offset};
}

Descriptor read_at(Vcpu& vcpu, GuestLinear a, bool system_16_bytes) {
    const Privilege p = vcpu.mmu.system_privilege();
    Descriptor d{.low = vcpu.linear.read<u64>(a, p)};
    if (system_16_bytes) d.high = vcpu.linear.read<u64>(a + 8, p);
    return d;
}

/// For LAR, LSL, VERR and VERW, which report instead of raising. Page faults are raised all the same.
std::optional<Descriptor> look_up(Vcpu& vcpu, u16 selector) {
    if (x86::selector::is_null(selector)) return {};
    const auto a = descriptor_address(vcpu.state, selector, 8);
    if (!a) return {};
    return read_at(vcpu, *a, false);
}

bool visible(const Vcpu& vcpu, const Descriptor& d, u16 selector) {
    if (d.is_conforming_code()) return true;
    return d.dpl() >= vcpu.state.cpl() && d.dpl() >= x86::selector::rpl(selector);
}

SegmentRegister load_stack_segment(Vcpu& vcpu, u16 selector) {
    const CpuState& state = vcpu.state;
    const unsigned cpl = state.cpl(), rpl = x86::selector::rpl(selector);
    if (x86::selector::is_null(selector)) {
        if (!state.code64() || cpl == 3 || rpl != cpl) raise_gp();
        return null_segment(selector, cpl);
    }
    Descriptor d = read_descriptor(vcpu, selector, Vector::general_protection);
    if (rpl != cpl || !d.is_writable_data() || d.dpl() != cpl) raise_gp(selector_error(selector));
    if (!d.present()) raise(Vector::stack_fault, selector_error(selector));
    mark_accessed(vcpu, selector, d);
    return d.as_segment(selector);
}

SegmentRegister load_data_segment(Vcpu& vcpu, u16 selector) {
    if (x86::selector::is_null(selector)) return null_segment(selector);
    Descriptor d = read_descriptor(vcpu, selector, Vector::general_protection);
    if (!d.is_readable() || !visible(vcpu, d, selector)) raise_gp(selector_error(selector));
    if (!d.present()) raise(Vector::segment_not_present, selector_error(selector));
    mark_accessed(vcpu, selector, d);
    return d.as_segment(selector);
}

}  // namespace

bool within_limit(const SegmentRegister& segment, u64 offset, unsigned size) {
    const u32 a = segment.attributes;
    const bool expand_down = !(a & attribute::code) && a & attribute::expand_down_or_conforming;
    const u64 last = offset + size - 1;
    if (!expand_down) return last <= segment.limit;
    return offset > segment.limit && last <= (a & attribute::default_big ? 0xffffffff : 0xffff);
}

Descriptor read_descriptor(Vcpu& vcpu, u16 selector, Vector vector, bool system_16_bytes) {
    const auto a = descriptor_address(vcpu.state, selector, system_16_bytes ? 16 : 8);
    if (!a) raise(vector, selector_error(selector));
    return read_at(vcpu, *a, system_16_bytes);
}

void mark_accessed(Vcpu& vcpu, u16 selector, Descriptor& descriptor) {
    if (descriptor.low & descriptor_accessed) return;
    descriptor.low |= descriptor_accessed;
    const auto a = descriptor_address(vcpu.state, selector, 8);
    const GuestLinear type_byte = *a + 5;
    const Privilege p = vcpu.mmu.system_privilege();
    vcpu.linear.write<u8>(type_byte, static_cast<u8>(descriptor.low >> 40), p);
}

void load_segment(Vcpu& vcpu, Segment segment, u16 selector) {
    CpuState& state = vcpu.state;
    if (state.real_mode() || state.v86_mode()) return load_real_mode_segment(state, segment, selector);
    state.seg(segment) =
        segment == Segment::ss ? load_stack_segment(vcpu, selector) : load_data_segment(vcpu, selector);
}

void load_ldtr(Vcpu& vcpu, u16 selector) {
    if (x86::selector::is_null(selector)) {
        vcpu.state.ldtr = null_segment(selector);
        return;
    }
    if (x86::selector::in_ldt(selector)) raise_gp(selector_error(selector));
    const bool wide = vcpu.state.long_mode_active();
    const Descriptor d = read_descriptor(vcpu, selector, Vector::general_protection, wide);
    if (!d.is_system() || d.type() != type::ldt) raise_gp(selector_error(selector));
    if (!d.present()) raise(Vector::segment_not_present, selector_error(selector));
    if (wide && !is_canonical(d.base())) raise_gp(selector_error(selector));
    vcpu.state.ldtr = d.as_segment(selector);
}

void load_task_register(Vcpu& vcpu, u16 selector) {
    if (x86::selector::is_null(selector)) raise_gp();
    if (x86::selector::in_ldt(selector)) raise_gp(selector_error(selector));
    const bool wide = vcpu.state.long_mode_active();
    Descriptor d = read_descriptor(vcpu, selector, Vector::general_protection, wide);
    const bool available =
        d.is_system() && (d.type() == type::tss_available || (!wide && d.type() == type::tss16_available));
    if (!available) raise_gp(selector_error(selector));
    if (!d.present()) raise(Vector::segment_not_present, selector_error(selector));
    if (wide && !is_canonical(d.base())) raise_gp(selector_error(selector));
    d.low |= descriptor_tss_busy;
    const GuestLinear type_byte = *descriptor_address(vcpu.state, selector, 8) + 5;
    vcpu.linear.write<u8>(type_byte, static_cast<u8>(d.low >> 40), vcpu.mmu.system_privilege());
    vcpu.state.tr = d.as_segment(selector);
}

// --- LAR, LSL, VERR, VERW (SDM vol. 2): which system descriptors have rights or a limit to show

std::optional<u32> load_access_rights(Vcpu& vcpu, u16 selector) {
    const auto d = look_up(vcpu, selector);
    if (!d) return {};
    if (d->is_system()) {
        constexpr u32 everywhere =
            1u << type::ldt | 1u << type::tss_available | 1u << type::tss_busy | 1u << type::call_gate;
        constexpr u32 not_in_long_mode = 1u << type::tss16_available | 1u << type::tss16_busy |
                                         1u << type::call_gate16 | 1u << type::task_gate;
        const u32 valid = everywhere | (vcpu.state.long_mode_active() ? 0 : not_in_long_mode);
        if (!(valid >> d->type() & 1)) return {};
    }
    if (!visible(vcpu, *d, selector)) return {};
    return static_cast<u32>(d->low >> 32) & 0x00ffff00;
}

std::optional<u32> load_segment_limit(Vcpu& vcpu, u16 selector) {
    const auto d = look_up(vcpu, selector);
    if (!d) return {};
    if (d->is_system()) {
        constexpr u32 everywhere = 1u << type::ldt | 1u << type::tss_available | 1u << type::tss_busy;
        constexpr u32 not_in_long_mode = 1u << type::tss16_available | 1u << type::tss16_busy;
        const u32 valid = everywhere | (vcpu.state.long_mode_active() ? 0 : not_in_long_mode);
        if (!(valid >> d->type() & 1)) return {};
    }
    if (!visible(vcpu, *d, selector)) return {};
    return d->limit();
}

bool verify_segment(Vcpu& vcpu, u16 selector, bool for_write) {
    const auto d = look_up(vcpu, selector);
    if (!d || d->is_system() || !visible(vcpu, *d, selector)) return false;
    return for_write ? d->is_writable_data() : d->is_readable();
}

}  // namespace softmetal
