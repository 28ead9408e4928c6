#include "interpreter/operands.hpp"

#include "cpu/segmentation.hpp"
#include "cpu/stack_frame.hpp"

namespace softmetal::interpreter {

namespace {

namespace attribute = x86::segment_attribute;
using x86::Segment;
using x86::Vector;

[[noreturn]] void raise_segment_fault(Segment segment) {
    raise(segment == Segment::ss ? Vector::stack_fault : Vector::general_protection, 0);
}

/// Rights of a segment by its type (SDM vol. 3, ch. 5.5 and 3.4.5.1).
bool type_allows(u32 attributes, Access access) {
    const bool extra_right = attributes & attribute::writable_or_readable;
    if (attributes & attribute::code) return access == Access::read && extra_right;
    return access == Access::read || extra_right;
}

GuestLinear linear_address_legacy(const CpuState& state, Segment segment, u64 offset, unsigned size,
                                  Access access) {
    const x86::SegmentRegister& s = state.seg(segment);
    if (!s.usable()) raise_segment_fault(segment);
    if (!state.real_mode() && !type_allows(s.attributes, access)) raise_segment_fault(segment);
    if (!within_limit(s, offset, size)) raise_segment_fault(segment);
    return {(s.base + offset) & 0xffffffff};
}

GuestLinear linear_address64(const CpuState& state, Segment segment, u64 offset, unsigned size) {
    if (segment >= Segment::fs) offset += state.seg(segment).base;
    if (!is_canonical(offset) || !is_canonical(offset + size - 1)) [[unlikely]]
        raise_segment_fault(segment);
    return {offset};
}

}  // namespace

u64 read_gpr(const CpuState& state, unsigned index, unsigned size, bool high_byte) {
    return with_word(size, [&]<Word T>() -> u64 { return read_word<T>(state, index, high_byte); });
}

void write_gpr(CpuState& state, unsigned index, unsigned size, u64 value, bool high_byte) {
    with_word(size, [&]<Word T>() { write_word<T>(state, index, static_cast<T>(value), high_byte); });
}

GuestLinear linear_address_unaligned(Vcpu& vcpu, Segment segment, u64 offset, unsigned size, Access access) {
    const CpuState& state = vcpu.state;
    return state.code64() ? linear_address64(state, segment, offset, size)
                          : linear_address_legacy(state, segment, offset, size, access);
}

GuestLinear linear_address(Vcpu& vcpu, Segment segment, u64 offset, unsigned size, Access access) {
    const GuestLinear a = linear_address_unaligned(vcpu, segment, offset, size, access);
    // Operands that are no power of two in size (descriptor-table and x87 images) count as their parts, which
    // are at least words; vectors of 16 bytes and more are checked on AMD's processors, by 16 bytes (SDM
    // vol. 3, ch. 6.15, and APM vol. 2, ch. 8.2.18, #AC).
    if (alignment_checked(vcpu.state)) [[unlikely]] {
        unsigned needed = size <= 8 && std::has_single_bit(size) ? size : size == 10 ? 8 : 1;
        if ((size == 16 || size == 32) && vcpu.model.is_amd()) needed = 16;
        if (a.value & (needed - 1)) raise(Vector::alignment_check, 0);
    }
    return a;
}

GuestLinear linear_address_of_parts(Vcpu& vcpu, Segment segment, u64 offset, unsigned part, unsigned size,
                                    Access access) {
    static_cast<void>(linear_address_unaligned(vcpu, segment, offset, size, access));
    return linear_address(vcpu, segment, offset, part, access);
}

GuestLinear memory_address(Vcpu& vcpu, const Instruction& i, Access access) {
    return linear_address(vcpu, i.memory.segment, effective_offset(vcpu.state, i),
                          i.memory.size ? i.memory.size : 1, access);
}

u64 read_operand(Vcpu& vcpu, const Instruction& i, const Operand& operand) {
    switch (operand.kind) {
        case OperandKind::gpr: return read_gpr(vcpu.state, operand.index, operand.size, operand.high_byte);
        case OperandKind::segment: return vcpu.state.segment[operand.index].selector;
        case OperandKind::memory:
            return with_word(operand.size, [&]<Word T>() -> u64 { return load<T>(vcpu, i); });
        default: return i.immediate & low_bits(operand.size * 8u);
    }
}

void write_operand(Vcpu& vcpu, const Instruction& i, const Operand& operand, u64 value) {
    if (operand.kind == OperandKind::gpr)
        write_gpr(vcpu.state, operand.index, operand.size, value, operand.high_byte);
    else
        with_word(operand.size, [&]<Word T>() { store<T>(vcpu, i, static_cast<T>(value)); });
}

// --- the stack

void adjust_stack_pointer(CpuState& state, u64 delta) {
    const unsigned width = state.stack_size();
    write_gpr(state, x86::rsp, width, read_gpr(state, x86::rsp, width) + delta);
}

GuestLinear stack_address(Vcpu& vcpu, u64 delta, unsigned size, Access access) {
    const u64 offset = (vcpu.state.gpr[x86::rsp] + delta) & low_bits(vcpu.state.stack_size() * 8);
    return linear_address(vcpu, Segment::ss, offset, size, access);
}

void push(Vcpu& vcpu, u64 value, unsigned size) {
    const GuestLinear a = stack_address(vcpu, u64{0} - size, size, Access::write);
    const Privilege p = vcpu.mmu.data_privilege();
    with_word(size, [&]<Word T>() { vcpu.linear.write<T>(a, static_cast<T>(value), p); });
    adjust_stack_pointer(vcpu.state, u64{0} - size);
}

u64 pop(Vcpu& vcpu, unsigned size) {
    const GuestLinear a = stack_address(vcpu, 0, size, Access::read);
    const Privilege p = vcpu.mmu.data_privilege();
    return with_word(size, [&]<Word T>() -> u64 { return vcpu.linear.read<T>(a, p); });
}

u8* atomic_pointer(Vcpu& vcpu, GuestLinear a, unsigned size) {
    const Privilege p = vcpu.mmu.data_privilege();
    if (u8* host = vcpu.linear.in_place(a, size, Access::write, p)) return host;
    if (a.offset() + size > page_size) return nullptr;
    const auto place = vcpu.mmu.fill(a, Access::write, p);
    if (!place) throw place.error();
    u8* ram = vcpu.memory.writable_pointer(place->physical);
    if (!ram || ram != vcpu.memory.pointer(place->physical)) return nullptr;
    vcpu.memory.about_to_write(place->physical, size);  // a code page: in place, but announced
    vcpu.note_access(a, size, Access::write);           // or one that a debugger watches
    return ram;
}

void check_branch_target(const CpuState& state, u64 target) {
    if (state.code64() ? !is_canonical(target) : target > state.seg(Segment::cs).limit) raise_gp();
}

}  // namespace softmetal::interpreter
