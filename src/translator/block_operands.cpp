// The memory an instruction works on: its address, the segment's limits, the look-up in the TLB, the stack.
#include "translator/block_emitter.hpp"
#include "translator/look_up_tables.hpp"

#include <algorithm>

namespace softmetal::translator {
namespace {

constexpr u32 tlb_index_mask = (tlb_entries - 1) << log2_entry;

}  // namespace

void BlockEmitter::effective_address(const Instruction& i) {
    const MemoryOperand& m = i.memory;
    constexpr u8 none = MemoryOperand::no_register;
    const jit::Gp result = m.address_size == 8 ? address_register : address_register.r32();
    if (m.base == none && m.index == none) {
        u64 offset = static_cast<u64>(m.displacement) + (m.rip_relative ? current_->next_rip() : 0);
        if (m.address_size == 4) offset = static_cast<u32>(offset);
        if (m.address_size == 2) offset = static_cast<u16>(offset);
        if (m.rip_relative)
            load_guest_address(address_register, offset);
        else
            load_constant(address_register, offset);
    } else {
        // LEA takes any base, index, scale and 32-bit displacement; asmjit names the index's shift.
        const i32 displacement = static_cast<i32>(m.displacement);
        const u32 shift = static_cast<u32>(std::countr_zero(m.scale));
        if (m.index == none) {
            a.lea(result, jit::ptr(read_register(m.base, address_register), displacement));
        } else if (m.base == none) {
            a.lea(result,
                  jit::ptr(static_cast<u64>(i64{displacement}), read_register(m.index, temporary), shift));
        } else {
            const jit::Gp base = read_register(m.base, address_register);
            a.lea(result, jit::ptr(base, read_register(m.index, temporary), shift, displacement));
        }
        if (m.address_size == 2) cut_address(address_register, 2);
    }
}

void BlockEmitter::cut_address(const jit::Gp& from, unsigned bytes) {
    switch (bytes) {
        case 2: a.movzx(address_register.r32(), from.r16()); break;
        case 4: a.mov(address_register.r32(), from.r32()); break;
        default: a.mov(address_register, from); break;
    }
}

void BlockEmitter::linear_address(const Instruction& i) {
    effective_address(i);
    add_segment(i.memory.segment, i.memory.size, i.memory.written ? Access::write : Access::read);
}

void BlockEmitter::add_segment(x86::Segment segment, unsigned size, Access access) {
    if (!mode.legacy) {
        if (segment != x86::Segment::fs && segment != x86::Segment::gs) return;
        a.mov(temporary, segment_base(segment));
        a.lea(address_register, jit::ptr(address_register, temporary));
        return;
    }
    const bool flat =
        segment == x86::Segment::ds || segment == x86::Segment::es || segment == x86::Segment::ss;
    if (!mode.segmented && flat) return;
    using Reach = TranslatedCodeArea::Reach;
    const std::size_t end =
        SOFTMETAL_AREA(reach) + static_cast<unsigned>(segment) * sizeof(Reach) +
        (access == Access::write ? offsetof(Reach, write_end) : offsetof(Reach, read_end));
    const asmjit::Label outside = a.newLabel();
    release_flags(current_->live_before());
    a.lea(temporary, jit::ptr(address_register, static_cast<i32>(std::max(size, 1u))));
    a.cmp(temporary, block_field(end));
    a.ja(outside);
    interpret_where(outside);
    a.add(address_register.r32(), segment_base(segment, 4));
}

void BlockEmitter::host_address(unsigned size, Access access) {
    const std::size_t table = tlb_table(access, mode.privilege);
    const jit::Mem tag = block_field(temporary, table + offsetof(TlbEntry, tag));
    const asmjit::Label retry = a.newLabel(), slow = a.newLabel(), found = a.newLabel();
    a.bind(retry);
    a.mov(temporary, address_register);
    a.shr(temporary, page_shift - log2_entry);
    a.and_(temporary.r32(), tlb_index_mask);
    a.xor_(address_register, tag);
    a.cmp(address_register, static_cast<i32>(page_size - size));
    a.ja(slow);
    a.add(address_register, block_field(temporary, table + offsetof(TlbEntry, host)));
    a.bind(found);
    const u32 site = new_site(retry, found);
    table_.sites[site].access = access;
    table_.sites[site].size = static_cast<u8>(size);
    cold([this, slow, tag, site] {
        a.bind(slow);
        a.xor_(address_register, tag);  // the linear address again
        load_site(site);
        jump_to_stub(stubs_.tlb_miss);
    });
}

// --- the stack
// --------------------------------------------------------------------------------------------------------

void BlockEmitter::find_pushed(unsigned bytes) {
    a.lea(sized(address_register), jit::ptr(guest_rsp, -static_cast<i32>(bytes)));
    if (mode.stack16) cut_address(address_register, 2);
    if (mode.segmented) add_segment(x86::Segment::ss, bytes, Access::write);
    release_flags(current_->live_before());
    host_address(bytes, Access::write);
}

void BlockEmitter::find_on_stack(const jit::Gp& pointer, unsigned bytes) {
    cut_address(pointer, mode.stack16 ? 2 : mode.address_bytes());
    if (mode.segmented) add_segment(x86::Segment::ss, bytes, Access::read);
    release_flags(current_->live_before());
    host_address(bytes, Access::read);
}

void BlockEmitter::move_stack_pointer(const jit::Gp& from, i32 distance) {
    if (mode.stack16) {
        a.lea(temporary.r32(), jit::ptr(from, distance));
        a.mov(guest_rsp.r16(), temporary.r16());
    } else {
        a.lea(sized(guest_rsp), jit::ptr(from, distance));
    }
}

void BlockEmitter::load_slot(const jit::Gp& into, unsigned bytes) {
    a.mov(low_part(into, bytes), jit::ptr(address_register, 0, bytes));
}

void BlockEmitter::store_slot(const jit::Gp& from, unsigned bytes) {
    a.mov(jit::ptr(address_register, 0, bytes), low_part(from, bytes));
}

}  // namespace softmetal::translator
