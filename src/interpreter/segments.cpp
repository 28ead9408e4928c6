// Segment registers and descriptor tables: MOV, PUSH and POP of segment registers, LDS & co., LGDT .. SGDT,
// LLDT, LTR, SLDT, STR, LAR, LSL, VERR, VERW, SWAPGS, RD/WRFSBASE & co. (SDM vol. 2).
#include "cpu/far_transfer.hpp"
#include "cpu/segmentation.hpp"
#include "interpreter/host_flags.hpp"
#include "interpreter/semantics.hpp"

#include <Zydis/Zydis.h>

namespace softmetal::interpreter {
namespace {

using x86::Segment;

Segment segment_operand(const Instruction& i, unsigned number) {
    return static_cast<Segment>(i.operands[number].index);
}

// --- segment registers

void mov_to_segment(Vcpu& vcpu, const Instruction& i, void*) {
    const Segment segment = segment_operand(i, 0);
    if (segment == Segment::cs) raise_ud();
    const u16 selector = i.has_memory ? load<u16>(vcpu, i) : RegisterOperand::read<u16>(vcpu, i, 1);
    load_segment(vcpu, segment, selector);
    if (segment == Segment::ss) vcpu.state.shadow = InterruptShadow::mov_ss;
}

void mov_from_segment(Vcpu& vcpu, const Instruction& i, void*) {
    const u16 selector = vcpu.state.seg(segment_operand(i, 1)).selector;
    if (i.has_memory)
        store<u16>(vcpu, i, selector);
    else
        write_gpr(vcpu.state, i.operands[0].index, i.operands[0].size, selector);
}

void push_segment(Vcpu& vcpu, const Instruction& i, void*) {
    push(vcpu, vcpu.state.seg(segment_operand(i, 0)).selector, i.operand_size);
}

void pop_segment(Vcpu& vcpu, const Instruction& i, void*) {
    const Segment segment = segment_operand(i, 0);
    const auto selector = static_cast<u16>(pop(vcpu, i.operand_size));
    const unsigned stack_size = vcpu.state.stack_size();
    load_segment(vcpu, segment, selector);
    // In the width of the stack popped from, whatever SS is now.
    CpuState& state = vcpu.state;
    write_gpr(state, x86::rsp, stack_size, read_gpr(state, x86::rsp, stack_size) + i.operand_size);
    if (segment == Segment::ss) state.shadow = InterruptShadow::mov_ss;
}

/// The offset is read before the selector is looked at: a page fault of the one comes before the segment's
/// limit that the other lies behind.
template <Segment segment>
void load_far_pointer(Vcpu& vcpu, const Instruction& i, void*) {
    const unsigned size = far_offset_size(vcpu, i.operand_size);
    const Segment from = i.memory.segment;
    const u64 at = effective_offset(vcpu.state, i);
    const Privilege p = vcpu.mmu.data_privilege();
    const GuestLinear first = linear_address(vcpu, from, at, size, Access::read);
    const u64 offset = with_word(size, [&]<Word T>() -> u64 { return vcpu.linear.read<T>(first, p); });
    const GuestLinear second = linear_address_unaligned(vcpu, from, at + size, 2, Access::read);
    load_segment(vcpu, segment, vcpu.linear.read<u16>(second, p));
    write_gpr(vcpu.state, i.operands[0].index, i.operand_size, offset);
}

// --- table registers

void check_umip(const CpuState& state) {
    if (state.cr4 & x86::cr4::umip && state.cpl() != 0) raise_gp();
}

template <x86::DescriptorTableRegister CpuState::*table>
void store_table(Vcpu& vcpu, const Instruction& i, void*) {
    check_umip(vcpu.state);
    const auto& value = vcpu.state.*table;
    const unsigned base_size = i.mode == 8 ? 8 : 4;
    std::array<std::byte, 10> image;
    std::memcpy(image.data(), &value.limit, 2);
    std::memcpy(image.data() + 2, &value.base, base_size);
    const GuestLinear a =
        linear_address(vcpu, i.memory.segment, effective_offset(vcpu.state, i), 2 + base_size, Access::write);
    vcpu.linear.write_bytes(a, std::span(image).first(2 + base_size), vcpu.mmu.data_privilege());
}

template <x86::DescriptorTableRegister CpuState::*table>
void load_table(Vcpu& vcpu, const Instruction& i, void*) {
    const unsigned base_size = i.mode == 8 ? 8 : 4;
    std::array<std::byte, 10> image{};
    const GuestLinear a =
        linear_address(vcpu, i.memory.segment, effective_offset(vcpu.state, i), 2 + base_size, Access::read);
    vcpu.linear.read_bytes(a, std::span(image).first(2 + base_size), vcpu.mmu.data_privilege());
    x86::DescriptorTableRegister value;
    std::memcpy(&value.limit, image.data(), 2);
    std::memcpy(&value.base, image.data() + 2, 8);
    if (i.mode != 8 && i.operand_size == 2) value.base &= 0xffffff;
    if (i.mode == 8 && !is_canonical(value.base)) raise_gp();
    vcpu.state.*table = value;
}

template <x86::SegmentRegister CpuState::*reg>
void store_selector(Vcpu& vcpu, const Instruction& i, void*) {
    check_umip(vcpu.state);
    const u16 selector = (vcpu.state.*reg).selector;
    if (i.has_memory)
        store<u16>(vcpu, i, selector);
    else
        write_gpr(vcpu.state, i.operands[0].index, i.operands[0].size, selector);
}

[[nodiscard]] u16 selector_source(Vcpu& vcpu, const Instruction& i, unsigned number) {
    return i.has_memory ? load<u16>(vcpu, i) : RegisterOperand::read<u16>(vcpu, i, number);
}

void lldt(Vcpu& vcpu, const Instruction& i, void*) { load_ldtr(vcpu, selector_source(vcpu, i, 0)); }
void ltr(Vcpu& vcpu, const Instruction& i, void*) { load_task_register(vcpu, selector_source(vcpu, i, 0)); }

// --- looking at descriptors

void set_zf(CpuState& state, bool value) {
    set_status(state.rflags, value ? x86::flags::zf : 0, x86::flags::zf);
}

template <std::optional<u32> (*look)(Vcpu&, u16)>
void load_descriptor_part(Vcpu& vcpu, const Instruction& i, void*) {
    const std::optional<u32> value = look(vcpu, selector_source(vcpu, i, 1));
    if (value) write_gpr(vcpu.state, i.operands[0].index, i.operands[0].size, *value);
    set_zf(vcpu.state, value.has_value());
}

template <bool for_write>
void verify(Vcpu& vcpu, const Instruction& i, void*) {
    set_zf(vcpu.state, verify_segment(vcpu, selector_source(vcpu, i, 0), for_write));
}

// --- FS and GS bases

void swapgs(Vcpu& vcpu, const Instruction&, void*) {
    std::swap(vcpu.state.seg(Segment::gs).base, vcpu.state.kernel_gs_base);
}

void check_fsgsbase(const CpuState& state) {
    if (!(state.cr4 & x86::cr4::fsgsbase)) raise_ud();
}

template <Segment segment>
void read_base(Vcpu& vcpu, const Instruction& i, void*) {
    check_fsgsbase(vcpu.state);
    write_gpr(vcpu.state, i.operands[0].index, i.operands[0].size, vcpu.state.seg(segment).base);
}

template <Segment segment>
void write_base(Vcpu& vcpu, const Instruction& i, void*) {
    check_fsgsbase(vcpu.state);
    const u64 value = read_gpr(vcpu.state, i.operands[0].index, i.operands[0].size);
    if (!is_canonical(value)) raise_gp();
    vcpu.state.seg(segment).base = value;
}

}  // namespace

Semantics segment_semantics(const Instruction& i) {
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_MOV:
            if (i.operands[0].kind == OperandKind::segment) return mov_to_segment;
            return i.operands[1].kind == OperandKind::segment ? mov_from_segment : nullptr;
        case ZYDIS_MNEMONIC_PUSH: return i.operands[0].kind == OperandKind::segment ? push_segment : nullptr;
        case ZYDIS_MNEMONIC_POP: return i.operands[0].kind == OperandKind::segment ? pop_segment : nullptr;
        case ZYDIS_MNEMONIC_LDS: return load_far_pointer<Segment::ds>;
        case ZYDIS_MNEMONIC_LES: return load_far_pointer<Segment::es>;
        case ZYDIS_MNEMONIC_LFS: return load_far_pointer<Segment::fs>;
        case ZYDIS_MNEMONIC_LGS: return load_far_pointer<Segment::gs>;
        case ZYDIS_MNEMONIC_LSS: return load_far_pointer<Segment::ss>;
        case ZYDIS_MNEMONIC_SGDT: return store_table<&CpuState::gdtr>;
        case ZYDIS_MNEMONIC_SIDT: return store_table<&CpuState::idtr>;
        case ZYDIS_MNEMONIC_LGDT: return load_table<&CpuState::gdtr>;
        case ZYDIS_MNEMONIC_LIDT: return load_table<&CpuState::idtr>;
        case ZYDIS_MNEMONIC_SLDT: return store_selector<&CpuState::ldtr>;
        case ZYDIS_MNEMONIC_STR: return store_selector<&CpuState::tr>;
        case ZYDIS_MNEMONIC_LLDT: return lldt;
        case ZYDIS_MNEMONIC_LTR: return ltr;
        case ZYDIS_MNEMONIC_LAR: return load_descriptor_part<load_access_rights>;
        case ZYDIS_MNEMONIC_LSL: return load_descriptor_part<load_segment_limit>;
        case ZYDIS_MNEMONIC_VERR: return verify<false>;
        case ZYDIS_MNEMONIC_VERW: return verify<true>;
        case ZYDIS_MNEMONIC_SWAPGS: return swapgs;
        case ZYDIS_MNEMONIC_RDFSBASE: return read_base<Segment::fs>;
        case ZYDIS_MNEMONIC_RDGSBASE: return read_base<Segment::gs>;
        case ZYDIS_MNEMONIC_WRFSBASE: return write_base<Segment::fs>;
        case ZYDIS_MNEMONIC_WRGSBASE: return write_base<Segment::gs>;
        default: return nullptr;
    }
}

}  // namespace softmetal::interpreter
