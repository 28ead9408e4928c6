#include "cpu/task_switch.hpp"

#include "cpu/event_delivery.hpp"
#include "cpu/stack_frame.hpp"

namespace softmetal {

namespace {

namespace flags = x86::flags;
namespace type = x86::system_type;
using x86::Segment;
using x86::Vector;

/// Where a TSS keeps things (SDM vol. 3, fig. 8-2 and 8-10).
struct TssLayout {
    unsigned slot;           // bytes of a register
    unsigned minimum_limit;  // bytes - 1
    unsigned rip, rflags, gpr, segments, ldt;
    unsigned segment_count;
    bool has_cr3_and_trap;
};
constexpr TssLayout tss32{4, 0x67, 0x20, 0x24, 0x28, 0x48, 0x60, 6, true};
constexpr TssLayout tss16{2, 0x2b, 0x0e, 0x10, 0x12, 0x22, 0x2a, 4, false};
constexpr unsigned cr3_offset = 0x1c, trap_offset = 0x64;
constexpr std::array segment_order{Segment::es, Segment::cs, Segment::ss,
                                   Segment::ds, Segment::fs, Segment::gs};

const TssLayout& layout_of(u32 system_descriptor_type) { return system_descriptor_type & 8 ? tss32 : tss16; }

constexpr u32 busy_bit = 2;  // of the descriptor's type

class Tss {
 public:
    Tss(Vcpu& vcpu, u64 base, const TssLayout& its_layout)
        : layout(its_layout), vcpu_(vcpu), base_(base), p_(vcpu.mmu.system_privilege()) {}

    const TssLayout& layout;

    [[nodiscard]] u32 read(unsigned offset, unsigned size) const {
        return size == 4 ? vcpu_.linear.read<u32>(at(offset), p_) : vcpu_.linear.read<u16>(at(offset), p_);
    }
    void write(unsigned offset, unsigned size, u64 value) const {
        if (size == 4)
            vcpu_.linear.write(at(offset), static_cast<u32>(value), p_);
        else
            vcpu_.linear.write(at(offset), static_cast<u16>(value), p_);
    }
    void probe() const { vcpu_.linear.probe_write(at(0), layout.minimum_limit + 1, p_); }

 private:
    [[nodiscard]] GuestLinear at(unsigned offset) const { return {(base_ + offset) & 0xffffffff}; }
    Vcpu& vcpu_;
    u64 base_;
    Privilege p_;
};

/// The new task's registers as its TSS holds them.
struct TaskImage {
    u32 cr3 = 0, rip = 0, rflags = 0;
    std::array<u32, 8> gpr{};
    std::array<u16, 6> segments{};
    u16 ldt = 0;
    bool trap = false;
};

TaskImage read_image(const Tss& tss) {
    const TssLayout& l = tss.layout;
    TaskImage t;
    if (l.has_cr3_and_trap) {
        t.cr3 = tss.read(cr3_offset, 4);
        t.trap = tss.read(trap_offset, 2) & 1;
    }
    t.rip = tss.read(l.rip, l.slot);
    t.rflags = tss.read(l.rflags, l.slot);
    // Where the TSS has 16 bits the manual leaves the upper halves open; processors set them.
    const u32 upper = l.slot == 2 ? 0xffff0000 : 0;
    for (unsigned i = 0; i < t.gpr.size(); i++) t.gpr[i] = tss.read(l.gpr + i * l.slot, l.slot) | upper;
    for (unsigned i = 0; i < l.segment_count; i++)
        t.segments[i] = static_cast<u16>(tss.read(l.segments + i * l.slot, 2));
    t.ldt = static_cast<u16>(tss.read(l.ldt, 2));
    return t;
}

void save_image(const Tss& tss, const CpuState& state, u64 rflags) {
    const TssLayout& l = tss.layout;
    tss.write(l.rip, l.slot, state.rip);
    tss.write(l.rflags, l.slot, rflags);
    for (unsigned i = 0; i < 8; i++) tss.write(l.gpr + i * l.slot, l.slot, state.gpr[i]);
    for (unsigned i = 0; i < l.segment_count; i++)
        tss.write(l.segments + i * l.slot, 2, state.seg(segment_order[i]).selector);
}

void set_busy(Vcpu& vcpu, u16 selector, bool busy) {
    const GuestLinear type_byte{vcpu.state.gdtr.base + x86::selector::offset(selector) + 5};
    const Privilege p = vcpu.mmu.system_privilege();
    const u8 old_value = vcpu.linear.read<u8>(type_byte, p);
    vcpu.linear.write(type_byte, static_cast<u8>(busy ? old_value | busy_bit : old_value & ~busy_bit), p);
}

/// One data or stack segment of the new task; its faults are #TS unless it is just not present.
void load_task_segment(Vcpu& vcpu, Segment segment, u16 selector, unsigned cpl) {
    const u32 code = selector_error(selector);
    const bool stack = segment == Segment::ss;
    if (x86::selector::is_null(selector)) {
        if (stack) raise(Vector::invalid_tss, code);
        vcpu.state.seg(segment) = null_segment(selector);
        return;
    }
    Descriptor d = read_descriptor(vcpu, selector, Vector::invalid_tss);
    const unsigned rpl = x86::selector::rpl(selector);
    const bool fits = stack
                          ? d.is_writable_data() && d.dpl() == cpl && rpl == cpl
                          : d.is_readable() && (d.is_conforming_code() || (d.dpl() >= cpl && d.dpl() >= rpl));
    if (!fits) raise(Vector::invalid_tss, code);
    if (!d.present()) raise(stack ? Vector::stack_fault : Vector::segment_not_present, code);
    mark_accessed(vcpu, selector, d);
    vcpu.state.seg(segment) = d.as_segment(selector);
}

void load_task_code(Vcpu& vcpu, u16 selector, unsigned cpl) {
    const u32 code = selector_error(selector);
    if (x86::selector::is_null(selector)) raise(Vector::invalid_tss, code);
    Descriptor d = read_descriptor(vcpu, selector, Vector::invalid_tss);
    const bool fits = d.is_conforming_code() ? d.dpl() <= cpl : d.dpl() == cpl;
    if (!d.is_code() || !fits) raise(Vector::invalid_tss, code);
    if (!d.present()) raise(Vector::segment_not_present, code);
    mark_accessed(vcpu, selector, d);
    vcpu.state.seg(Segment::cs) = d.as_segment(selector);
}

void load_task_ldt(Vcpu& vcpu, u16 selector) {
    vcpu.state.ldtr = null_segment(selector);
    if (x86::selector::is_null(selector)) return;
    const u32 code = selector_error(selector);
    if (x86::selector::in_ldt(selector)) raise(Vector::invalid_tss, code);
    const Descriptor d = read_descriptor(vcpu, selector, Vector::invalid_tss);
    if (!d.is_system() || d.type() != type::ldt || !d.present()) raise(Vector::invalid_tss, code);
    vcpu.state.ldtr = d.as_segment(selector);
}

/// What may still fault once the new task is current.
void complete_task(Vcpu& vcpu, const TaskImage& task, bool load_cr3, unsigned slot,
                   std::optional<u32> error_code) {
    CpuState& state = vcpu.state;
    if (load_cr3) {
        state.cr3 = task.cr3;
        vcpu.mmu.cr3_loaded(false);
    }
    load_task_ldt(vcpu, task.ldt);
    if (state.rflags & flags::vm) {
        for (unsigned i = 0; i < segment_order.size(); i++)
            load_real_mode_segment(state, segment_order[i], task.segments[i]);
    } else {
        const unsigned cpl = x86::selector::rpl(task.segments[1]);
        load_task_segment(vcpu, Segment::ss, task.segments[2], cpl);
        load_task_code(vcpu, task.segments[1], cpl);
        for (const unsigned i : {0u, 3u, 4u, 5u})
            load_task_segment(vcpu, segment_order[i], task.segments[i], cpl);
    }
    if (state.rip > state.seg(Segment::cs).limit) raise_gp();
    if (error_code) {
        FrameWriter frame(vcpu, Stack::current(vcpu));
        frame.push(*error_code, slot);
        frame.commit();
        state.gpr[x86::rsp] = frame.pointer();
    }
    if (task.trap) throw GuestException{.vector = Vector::debug, .trap = true, .dr6 = bit(15)};
}

}  // namespace

void switch_task(Vcpu& vcpu, u16 selector, TaskSwitch kind, std::optional<u32> error_code) {
    CpuState& state = vcpu.state;
    const bool returning = kind == TaskSwitch::iret;
    const bool nesting = kind == TaskSwitch::call || kind == TaskSwitch::event;
    const Vector wrong = returning ? Vector::invalid_tss : Vector::general_protection;
    const u32 code = selector_error(selector);
    if (x86::selector::is_null(selector) || x86::selector::in_ldt(selector)) raise(wrong, code);
    Descriptor d = read_descriptor(vcpu, selector, wrong);
    const u32 wide = d.type() & 8;
    if (!d.is_system() || d.type() != (wide | (returning ? type::tss16_busy : type::tss16_available)))
        raise(wrong, code);
    if (!d.present()) raise(Vector::segment_not_present, code);
    if (d.limit() < layout_of(d.type()).minimum_limit) raise(Vector::invalid_tss, code);

    const u16 old_selector = state.tr.selector;
    const Tss old_task(vcpu, state.tr.base, layout_of(state.tr.attributes));
    const Tss new_task(vcpu, d.base(), layout_of(d.type()));
    if (!state.tr.usable() || state.tr.limit < old_task.layout.minimum_limit)
        raise(Vector::invalid_tss, selector_error(old_selector));
    old_task.probe();
    new_task.probe();
    const TaskImage task = read_image(new_task);

    if (!nesting) set_busy(vcpu, old_selector, false);
    save_image(old_task, state, returning ? state.rflags & ~flags::nt : state.rflags);
    if (nesting) new_task.write(0, 2, old_selector);
    if (!returning) set_busy(vcpu, selector, true);

    const bool load_cr3 = state.paging() && new_task.layout.has_cr3_and_trap;
    d.low |= u64{busy_bit} << 40;
    state.tr = d.as_segment(selector);
    state.cr0 |= x86::cr0::ts;
    constexpr u64 local_breakpoints = 0x155;
    state.dr7 &= ~local_breakpoints;
    state.rip = task.rip;
    state.rflags = (task.rflags & flags::implemented) | flags::always_one | (nesting ? flags::nt : 0);
    for (unsigned i = 0; i < task.gpr.size(); i++) state.gpr[i] = task.gpr[i];
    for (unsigned i = 0; i < segment_order.size(); i++)
        state.seg(segment_order[i]) = null_segment(task.segments[i]);
    state.seg(Segment::ss) = null_segment(task.segments[2], x86::selector::rpl(task.segments[1]));

    try {
        complete_task(vcpu, task, load_cr3, new_task.layout.slot, error_code);
    } catch (const GuestException& e) {
        if (kind == TaskSwitch::event) throw;
        deliver_exception(vcpu, e);
    }
}

void return_from_task(Vcpu& vcpu) {
    const x86::SegmentRegister& tr = vcpu.state.tr;
    const u16 link = vcpu.linear.read<u16>({tr.base}, vcpu.mmu.system_privilege());
    switch_task(vcpu, link, TaskSwitch::iret);
}

}  // namespace softmetal
