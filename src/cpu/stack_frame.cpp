#include "cpu/stack_frame.hpp"

#include <cstring>

namespace softmetal {

Stack Stack::current(const Vcpu& vcpu) {
    const CpuState& state = vcpu.state;
    return {.segment = state.seg(x86::Segment::ss),
            .pointer = state.gpr[x86::rsp],
            .width = state.stack_size(),
            .privilege = vcpu.mmu.data_privilege(),
            .check_alignment = alignment_checked(state)};
}

Stack Stack::inner(const Vcpu& vcpu, const x86::SegmentRegister& segment, u64 pointer, unsigned cpl) {
    Stack stack{.segment = segment,
                .pointer = pointer,
                .privilege = cpl == 3 ? Privilege::user : vcpu.mmu.system_privilege()};
    stack.width = stack.segment_width();
    return stack;
}

u64 Stack::cut(u64 value) const { return value & low_bits(width * 8); }

void Stack::set_pointer(u64 value) {
    pointer = width == 2 ? (pointer & ~u64{0xffff}) | (value & 0xffff) : cut(value);
}

GuestLinear Stack::address(u64 offset, unsigned size) const {
    if (width == 8) {
        if (!is_canonical(offset) || !is_canonical(offset + size - 1))
            raise(x86::Vector::stack_fault, fault_code);
    } else {
        offset = cut(offset);
        if (!segment.usable() || !within_limit(segment, offset, size))
            raise(x86::Vector::stack_fault, fault_code);
        offset = (segment.base + offset) & 0xffffffff;
    }
    if (check_alignment && offset & (size - 1)) raise(x86::Vector::alignment_check, 0);
    return {offset};
}

void FrameWriter::push(u64 value, unsigned size) {
    stack_.set_pointer(stack_.pointer - size);
    slots_[count_++] = {stack_.address(stack_.pointer, size), value, size};
}

void FrameWriter::commit() {
    if (count_ == 0) return;
    // The usual frame lies in one page of RAM without a wrap in between. What faults is what is pushed first.
    const Slot& top = slots_[0];
    const GuestLinear lowest = slots_[count_ - 1].where;
    if (lowest <= top.where && lowest.page() == top.where.page()) {
        if (u8* host = vcpu_.linear.in_place(top.where, top.size, Access::write, stack_.privilege)) {
            for (unsigned i = 0; i < count_; i++)
                std::memcpy(host - (top.where.value - slots_[i].where.value), &slots_[i].value,
                            slots_[i].size);
            return;
        }
    }
    for (unsigned i = 0; i < count_; i++)
        vcpu_.linear.probe_write(slots_[i].where, slots_[i].size, stack_.privilege);
    for (unsigned i = 0; i < count_; i++)
        vcpu_.linear.write_bytes(slots_[i].where,
                                 std::as_bytes(std::span(&slots_[i].value, 1)).first(slots_[i].size),
                                 stack_.privilege);
}

u64 FrameReader::pop(unsigned size) {
    const GuestLinear a = stack_.address(stack_.pointer, size);
    u64 value = 0;
    if (size == 8)
        value = vcpu_.linear.read<u64>(a, stack_.privilege);
    else if (size == 4)
        value = vcpu_.linear.read<u32>(a, stack_.privilege);
    else
        value = vcpu_.linear.read<u16>(a, stack_.privilege);
    skip(size);
    return value;
}

}  // namespace softmetal
