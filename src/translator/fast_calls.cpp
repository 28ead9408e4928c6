// Compiled without vector instructions; nothing here allocates or throws.
#include "translator/fast_calls.hpp"

#include "cpu/segmentation.hpp"
#include "translator/block.hpp"

#include <Zydis/Zydis.h>
#include <algorithm>

namespace softmetal::translator {
namespace {

namespace attribute = x86::segment_attribute;
namespace flags = x86::flags;
using x86::Segment;

/// Elements a call moves at the most, so that events are noticed in between.
constexpr u64 most_bytes_per_call = 256 * 1024;

/// Loads of CS and SS have more to them.
bool is_data_segment(const Operand& operand) {
    return operand.kind == OperandKind::segment && operand.index != static_cast<u8>(Segment::cs) &&
           operand.index != static_cast<u8>(Segment::ss);
}

/// In 32-bit code FS and GS have limits, which are compared with what the decoder knows of the operand.
bool lies_in_flat_segment(const Instruction& i) { return i.mode == 8 || i.memory.segment < Segment::fs; }

bool by_memory(const Instruction& i) { return i.operands[0].kind == OperandKind::memory; }

/// Real and V86 mode, 16-bit code and segments that are not flat have some of their own.
FastCall segmented_call_of(const Instruction& i) {
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_JMP:
            if (!is_far_branch(i)) return FastCall::none;
            return by_memory(i) ? FastCall::far_jump_by_memory : FastCall::far_jump;
        case ZYDIS_MNEMONIC_CALL:
            if (!is_far_branch(i)) return FastCall::none;
            return by_memory(i) ? FastCall::far_call_by_memory : FastCall::far_call;
        case ZYDIS_MNEMONIC_RET: {
            const u8 opcode = i.bytes[i.layout.opcode];
            return opcode == 0xca || opcode == 0xcb ? FastCall::far_return : FastCall::none;
        }
        case ZYDIS_MNEMONIC_INT: return FastCall::software_interrupt;
        case ZYDIS_MNEMONIC_IRET: return FastCall::real_mode_return;
        case ZYDIS_MNEMONIC_LDS:
        case ZYDIS_MNEMONIC_LES:
        case ZYDIS_MNEMONIC_LFS:
        case ZYDIS_MNEMONIC_LGS: return FastCall::load_far_pointer;
        default: return FastCall::none;
    }
}
/// And of the others what is frequent there.
bool is_for_segmented(FastCall call) {
    switch (call) {
        case FastCall::read_time_stamp:
        case FastCall::read_time_stamp_and_id:
        case FastCall::spin_wait:
        case FastCall::pop_flags:
        case FastCall::load_segment:
        case FastCall::pop_segment:
        case FastCall::move_string:
        case FastCall::store_string: return true;
        default: return false;
    }
}

Segment far_pointer_segment(const Instruction& i) {
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_LDS: return Segment::ds;
        case ZYDIS_MNEMONIC_LES: return Segment::es;
        case ZYDIS_MNEMONIC_LFS: return Segment::fs;
        default: return Segment::gs;
    }
}

FastCall call_of(const Instruction& i, bool segmented) {
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_RDTSC: return FastCall::read_time_stamp;
        case ZYDIS_MNEMONIC_RDTSCP: return FastCall::read_time_stamp_and_id;
        case ZYDIS_MNEMONIC_POPF: return segmented ? FastCall::pop_flags : FastCall::none;
        case ZYDIS_MNEMONIC_POPFD:
        case ZYDIS_MNEMONIC_POPFQ: return FastCall::pop_flags;
        case ZYDIS_MNEMONIC_XSAVEC:
        case ZYDIS_MNEMONIC_XSAVEC64:
            return lies_in_flat_segment(i) ? FastCall::save_extended : FastCall::none;
        case ZYDIS_MNEMONIC_XRSTOR:
        case ZYDIS_MNEMONIC_XRSTOR64:
            return lies_in_flat_segment(i) ? FastCall::restore_extended : FastCall::none;
        case ZYDIS_MNEMONIC_MOV:
            return is_data_segment(i.operands[0]) ? FastCall::load_segment : FastCall::none;
        case ZYDIS_MNEMONIC_POP:
            return is_data_segment(i.operands[0]) && (segmented || i.operand_size == i.mode)
                       ? FastCall::pop_segment
                       : FastCall::none;
        case ZYDIS_MNEMONIC_SYSENTER: return FastCall::sysenter;
        case ZYDIS_MNEMONIC_SYSEXIT: return i.operand_size == 4 ? FastCall::sysexit : FastCall::none;
        case ZYDIS_MNEMONIC_IRETD: return i.mode == 4 ? FastCall::interrupt_return32 : FastCall::none;
        case ZYDIS_MNEMONIC_SYSCALL: return i.mode == 8 ? FastCall::system_call : FastCall::none;
        case ZYDIS_MNEMONIC_SYSRET: return i.operand_size == 8 ? FastCall::system_return : FastCall::none;
        case ZYDIS_MNEMONIC_IRETQ: return FastCall::interrupt_return;
        case ZYDIS_MNEMONIC_SWAPGS: return FastCall::swap_gs;
        case ZYDIS_MNEMONIC_PAUSE: return FastCall::spin_wait;
        case ZYDIS_MNEMONIC_MOVSB:
        case ZYDIS_MNEMONIC_MOVSW:
        case ZYDIS_MNEMONIC_MOVSD:
        case ZYDIS_MNEMONIC_MOVSQ:
            // MOVSD is also an SSE2 instruction.
            if (i.category != ZYDIS_CATEGORY_STRINGOP) return FastCall::none;
            return segmented || (i.address_size == i.mode && i.memory.segment < Segment::fs)
                       ? FastCall::move_string
                       : FastCall::none;
        case ZYDIS_MNEMONIC_STOSB:
        case ZYDIS_MNEMONIC_STOSW:
        case ZYDIS_MNEMONIC_STOSD:
        case ZYDIS_MNEMONIC_STOSQ:
            return segmented || i.address_size == i.mode ? FastCall::store_string : FastCall::none;
        default: return FastCall::none;
    }
}

}  // namespace

bool is_far_branch(const Instruction& i) {
    if (i.operands[0].kind == OperandKind::far_pointer) return true;
    return by_memory(i) && i.memory.size != i.operand_size;
}

u64 constant_of(const Instruction& i) {
    if (i.operands[0].kind == OperandKind::far_pointer)
        return (i.immediate2 & 0xffff) << 32 | cut(i.immediate, i.operand_size);
    if (i.mnemonic == ZYDIS_MNEMONIC_INT) return i.immediate & 0xff;
    return i.operands[0].kind == OperandKind::immediate ? i.immediate & 0xffff : 0;
}

FastCallSite fast_call_of(const Instruction& i, const Mode& mode) {
    FastCall call = call_of(i, mode.segmented);
    if (mode.segmented && !is_for_segmented(call)) call = segmented_call_of(i);
    if (call == FastCall::none) return {};
    const bool names_segment = call == FastCall::load_segment || call == FastCall::pop_segment;
    return {.call = call,
            .size = names_segment                        ? i.operands[0].index
                    : call == FastCall::load_far_pointer ? static_cast<u8>(far_pointer_segment(i))
                                                         : i.operand_size,
            .slot = mode.segmented ? i.operand_size : i.mode,
            .address_size = i.address_size,
            .repeated = i.rep || i.repne,
            .segmented = mode.segmented,
            .target = i.operands[0].index,
            .source = i.memory.segment};
}

FastCalls::FarPointer FastCalls::unpack(u64 operand) {
    return {.selector = static_cast<u16>(operand >> 32), .offset = operand & 0xffff'ffff};
}

bool FastCalls::run(const FastCallSite& site, u64 next, u64 operand) {
    switch (site.call) {
        case FastCall::system_call: return system_call(next);
        case FastCall::system_return: return system_return();
        case FastCall::interrupt_return: return interrupt_return();
        case FastCall::swap_gs: return swap_gs(next);
        case FastCall::move_string: return string(true, next, site);
        case FastCall::store_string: return string(false, next, site);
        case FastCall::read_time_stamp: return read_time_stamp(next, false);
        case FastCall::read_time_stamp_and_id: return read_time_stamp(next, true);
        case FastCall::pop_flags: return pop_flags(next, site);
        case FastCall::load_segment:
            return load_segment(static_cast<Segment>(site.size), static_cast<u16>(operand), next);
        case FastCall::pop_segment: return pop_segment(static_cast<Segment>(site.size), next, site);
        case FastCall::sysenter: return sysenter(next);
        case FastCall::sysexit: return sysexit();
        case FastCall::interrupt_return32: return interrupt_return32();
        case FastCall::save_extended: return save_extended(operand, next, site);
        case FastCall::restore_extended: return restore_extended(operand, next, site);
        case FastCall::spin_wait: return spin_wait(next);
        case FastCall::far_jump: return far_jump(unpack(operand));
        case FastCall::far_call: return far_call(unpack(operand), next, site);
        case FastCall::far_jump_by_memory: {
            const auto target = read_far_pointer(operand, site);
            return target && far_jump(*target);
        }
        case FastCall::far_call_by_memory: {
            const auto target = read_far_pointer(operand, site);
            return target && far_call(*target, next, site);
        }
        case FastCall::far_return: return far_return(operand, site);
        case FastCall::software_interrupt: return software_interrupt(operand, next, site);
        case FastCall::real_mode_return: return real_mode_return(site);
        case FastCall::load_far_pointer: return load_far_pointer(operand, next, site);
        case FastCall::none: break;
    }
    return false;
}

bool FastCalls::spin_wait(u64 next) {
    vcpu_.spin_wait();
    vcpu_.state.rip = next;
    return true;
}

bool FastCalls::read_time_stamp(u64 next, bool with_id) {
    CpuState& s = vcpu_.state;
    if (s.cr4 & x86::cr4::tsd && s.cpl() != 0) return false;
    const u64 value = vcpu_.time_stamp_counter();
    s.gpr[x86::rax] = value & 0xffffffff;
    s.gpr[x86::rdx] = value >> 32;
    if (with_id) s.gpr[x86::rcx] = s.tsc_aux & 0xffffffff;
    s.rip = next;
    return true;
}

bool FastCalls::pop_flags(u64 next, const FastCallSite& site) {
    CpuState& s = vcpu_.state;
    if (s.v86_mode()) return false;  // asks for IOPL
    const u8* top = top_of_stack(site);
    if (!top) return false;
    u64 image = 0;
    switch (site.slot) {
        case 2: __builtin_memcpy(&image, top, 2); break;
        case 4: __builtin_memcpy(&image, top, 4); break;
        default: __builtin_memcpy(&image, top, 8); break;
    }
    if (image & flags::tf) return false;  // the interpreter single-steps
    u64 changeable = flags::status | flags::df | flags::nt | flags::ac | flags::id;
    const unsigned cpl = s.cpl();
    if (cpl == 0) changeable |= flags::iopl;
    if (cpl <= (s.rflags >> flags::iopl_shift & 3)) changeable |= flags::interrupt;
    if (site.slot == 2) changeable &= 0xffff;
    s.rflags = (s.rflags & ~(changeable | flags::rf)) | (image & changeable);
    drop_slot(site);
    s.rip = next;
    return true;
}

// --- memory
// -------------------------------------------------------------------------------------------------------------

u8* FastCalls::host(GuestLinear a, unsigned size, Access access, Privilege p) {
    const auto& tables = access == Access::write ? vcpu_.block.tlb.write : vcpu_.block.tlb.read;
    if (u8* found = tables[static_cast<unsigned>(p)].find(a, size)) return found;
    if (!is_canonical(a.value) || a.offset() + size > page_size) return nullptr;
    const auto fill = vcpu_.mmu.fill(a, access, p, CodeWrites::refused);
    return fill ? fill->host : nullptr;
}

std::optional<GuestLinear> FastCalls::linear(const FastCallSite& site, Segment segment, u64 offset, u64 size,
                                             Access access) const {
    if (!site.segmented) return GuestLinear{offset};
    const TranslatedCodeArea::Reach& reach = vcpu_.block.translated.reach[static_cast<unsigned>(segment)];
    if (offset + size > (access == Access::write ? reach.write_end : reach.read_end)) return {};
    return GuestLinear{(vcpu_.state.seg(segment).base + offset) & 0xffff'ffff};
}

const u8* FastCalls::top_of_stack(const FastCallSite& site, unsigned slots) {
    const u64 pointer = cut(vcpu_.state.gpr[x86::rsp], vcpu_.state.stack_size());
    const unsigned bytes = slots * site.slot;
    const auto where = linear(site, Segment::ss, pointer, bytes, Access::read);
    return where ? host(*where, bytes, Access::read, vcpu_.mmu.data_privilege()) : nullptr;
}

void FastCalls::drop_slot(const FastCallSite& site) {
    u64& rsp = vcpu_.state.gpr[x86::rsp];
    set_part(rsp, rsp + site.slot, vcpu_.state.stack_size());
}

bool FastCalls::string(bool moves, u64 next, const FastCallSite& site) {
    CpuState& s = vcpu_.state;
    if (s.rflags & flags::df) return false;
    const Privilege p = vcpu_.mmu.data_privilege();
    const unsigned element = site.size;
    const bool repeated = site.repeated;
    const unsigned width = site.address_size;
    u64 count = cut(s.gpr[x86::rcx], width);
    u64 left = repeated ? std::min(count, most_bytes_per_call / element) : 1;
    while (left) {
        const u64 destination = cut(s.gpr[x86::rdi], width), source = cut(s.gpr[x86::rsi], width);
        // Where not all that is left fits its segment, the interpreter finds out how far it goes.
        const auto into = linear(site, Segment::es, destination, left * element, Access::write);
        const auto out_of =
            moves ? linear(site, site.source, source, left * element, Access::read) : GuestLinear{};
        if (!into || !out_of) return false;
        u64 room = page_size - into->offset();
        if (moves) room = std::min(room, page_size - out_of->offset());
        const u64 elements = std::min(left, room / element);
        if (elements == 0) return false;  // straddles
        u8* to = host(*into, 1, Access::write, p);
        const u8* from = moves ? host(*out_of, 1, Access::read, p) : nullptr;
        if (!to || (moves && !from)) return false;
        const u64 bytes = elements * element;
        u64 n = elements;
        if (moves) {
            set_part(s.gpr[x86::rsi], source + bytes, width);
            switch (element) {
                case 1: asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory"); break;
                case 2: asm volatile("rep movsw" : "+D"(to), "+S"(from), "+c"(n) : : "memory"); break;
                case 4: asm volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(n) : : "memory"); break;
                default: asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n) : : "memory"); break;
            }
        } else {
            const u64 value = s.gpr[x86::rax];
            switch (element) {
                case 1: asm volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory"); break;
                case 2: asm volatile("rep stosw" : "+D"(to), "+c"(n) : "a"(value) : "memory"); break;
                case 4: asm volatile("rep stosl" : "+D"(to), "+c"(n) : "a"(value) : "memory"); break;
                default: asm volatile("rep stosq" : "+D"(to), "+c"(n) : "a"(value) : "memory"); break;
            }
        }
        set_part(s.gpr[x86::rdi], destination + bytes, width);
        if (repeated) set_part(s.gpr[x86::rcx], count -= elements, width);
        left -= elements;
    }
    if (!repeated || count == 0) s.rip = next;
    return true;
}

// --- segments
// -----------------------------------------------------------------------------------------------------------

std::optional<x86::SegmentRegister> FastCalls::segment_of(u16 selector) {
    const CpuState& s = vcpu_.state;
    const bool local = x86::selector::in_ldt(selector);
    if (x86::selector::is_null(selector) || (local && !s.ldtr.usable())) return {};
    const unsigned offset = x86::selector::offset(selector);
    if (offset + 7 > (local ? s.ldtr.limit : s.gdtr.limit)) return {};
    const GuestLinear where{(local ? s.ldtr.base : s.gdtr.base) + offset};
    const u8* raw = host(where, 8, Access::read, vcpu_.mmu.system_privilege());
    if (!raw) return {};
    Descriptor descriptor;
    __builtin_memcpy(&descriptor.low, raw, 8);
    x86::SegmentRegister segment = descriptor.as_segment(selector);
    constexpr u32 ready = attribute::present | attribute::not_system | attribute::accessed;
    if ((segment.attributes & ready) != ready) return {};
    return segment;
}

bool FastCalls::load_segment(Segment name, u16 selector, u64 next) {
    CpuState& s = vcpu_.state;
    if (s.real_mode() || s.v86_mode()) {
        load_real_mode_segment(s, name, selector);
    } else if (x86::selector::is_null(selector)) {
        s.seg(name) = null_segment(selector);
    } else {
        const auto segment = segment_of(selector);
        if (!segment || segment->attributes & attribute::code) return false;
        if (segment->dpl() < std::max(s.cpl(), x86::selector::rpl(selector))) return false;
        s.seg(name) = *segment;
    }
    s.rip = next;
    return true;
}

bool FastCalls::pop_segment(Segment name, u64 next, const FastCallSite& site) {
    const u8* top = top_of_stack(site);
    u16 selector;
    if (!top) return false;
    __builtin_memcpy(&selector, top, 2);
    if (!load_segment(name, selector, next)) return false;
    drop_slot(site);
    return true;
}

}  // namespace softmetal::translator
