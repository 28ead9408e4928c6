// Compiled without vector instructions; nothing here allocates or throws.
#include "translator/fast_calls.hpp"

#include "cpu/far_transfer.hpp"
#include "cpu/segmentation.hpp"

#include <Zydis/Zydis.h>
#include <algorithm>

namespace softmetal::translator {
namespace {

namespace flags = x86::flags;
using x86::Segment;

/// Elements a call moves at the most, so that events are noticed in between.
constexpr u64 most_bytes_per_call = 256 * 1024;

FastCall call_of(const Instruction& i) {
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_RDTSC: return FastCall::read_time_stamp;
        case ZYDIS_MNEMONIC_RDTSCP: return FastCall::read_time_stamp_and_id;
        case ZYDIS_MNEMONIC_POPFQ: return FastCall::pop_flags;
        case ZYDIS_MNEMONIC_XSAVEC:
        case ZYDIS_MNEMONIC_XSAVEC64: return FastCall::save_extended;
        case ZYDIS_MNEMONIC_XRSTOR:
        case ZYDIS_MNEMONIC_XRSTOR64: return FastCall::restore_extended;
        case ZYDIS_MNEMONIC_MOV:
            // Loads of CS and SS have more to them.
            return i.operands[0].kind == OperandKind::segment && i.operands[1].kind == OperandKind::gpr &&
                           i.operands[0].index != static_cast<u8>(Segment::cs) &&
                           i.operands[0].index != static_cast<u8>(Segment::ss)
                       ? FastCall::load_null_segment
                       : FastCall::none;
        case ZYDIS_MNEMONIC_SYSCALL: return FastCall::system_call;
        case ZYDIS_MNEMONIC_SYSRET: return i.operand_size == 8 ? FastCall::system_return : FastCall::none;
        case ZYDIS_MNEMONIC_IRETQ: return FastCall::interrupt_return;
        case ZYDIS_MNEMONIC_SWAPGS: return FastCall::swap_gs;
        case ZYDIS_MNEMONIC_MOVSB:
        case ZYDIS_MNEMONIC_MOVSW:
        case ZYDIS_MNEMONIC_MOVSD:
        case ZYDIS_MNEMONIC_MOVSQ:
            // MOVSD is also an SSE2 instruction.
            return i.category == ZYDIS_CATEGORY_STRINGOP && i.address_size == 8 &&
                           i.memory.segment < Segment::fs
                       ? FastCall::move_string
                       : FastCall::none;
        case ZYDIS_MNEMONIC_STOSB:
        case ZYDIS_MNEMONIC_STOSW:
        case ZYDIS_MNEMONIC_STOSD:
        case ZYDIS_MNEMONIC_STOSQ: return i.address_size == 8 ? FastCall::store_string : FastCall::none;
        default: return FastCall::none;
    }
}

}  // namespace

FastCallSite fast_call_of(const Instruction& i) {
    const FastCall call = call_of(i);
    return {.call = call,
            .size = call == FastCall::load_null_segment ? i.operands[0].index : i.operand_size,
            .repeated = i.rep || i.repne};
}

bool FastCalls::run(const FastCallSite& site, u64 next, u64 operand) {
    switch (site.call) {
        case FastCall::system_call: return system_call(next);
        case FastCall::system_return: return system_return();
        case FastCall::interrupt_return: return interrupt_return();
        case FastCall::swap_gs: return swap_gs(next);
        case FastCall::move_string: return string(true, next, site.size, site.repeated);
        case FastCall::store_string: return string(false, next, site.size, site.repeated);
        case FastCall::read_time_stamp: return read_time_stamp(next, false);
        case FastCall::read_time_stamp_and_id: return read_time_stamp(next, true);
        case FastCall::pop_flags: return pop_flags(next);
        case FastCall::load_null_segment:
            return load_null_segment(static_cast<Segment>(site.size), static_cast<u16>(operand), next);
        case FastCall::save_extended: return save_extended(operand, next, site.size == 8);
        case FastCall::restore_extended: return restore_extended(operand, next, site.size == 8);
        case FastCall::none: break;
    }
    return false;
}

bool FastCalls::system_call(u64 next) {
    if (!(vcpu_.state.efer & x86::efer::sce)) return false;
    vcpu_.state.rip = next;
    softmetal::system_call(vcpu_);
    return true;
}

bool FastCalls::system_return() {
    CpuState& s = vcpu_.state;
    if (!(s.efer & x86::efer::sce) || s.cpl() != 0 || !is_canonical(s.gpr[x86::rcx]) ||
        s.gpr[x86::r11] & flags::tf)
        return false;
    softmetal::system_return(vcpu_, 8);
    return true;
}

bool FastCalls::swap_gs(u64 next) {
    CpuState& s = vcpu_.state;
    if (s.cpl() != 0) return false;
    std::swap(s.seg(Segment::gs).base, s.kernel_gs_base);
    s.rip = next;
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

bool FastCalls::pop_flags(u64 next) {
    CpuState& s = vcpu_.state;
    const u8* top = host({s.gpr[x86::rsp]}, 8, Access::read, vcpu_.mmu.data_privilege());
    if (!top) return false;
    u64 image;
    __builtin_memcpy(&image, top, 8);
    if (image & flags::tf) return false;  // the interpreter single-steps
    u64 changeable = flags::status | flags::df | flags::nt | flags::ac | flags::id;
    const unsigned cpl = s.cpl();
    if (cpl == 0) changeable |= flags::iopl;
    if (cpl <= (s.rflags >> flags::iopl_shift & 3)) changeable |= flags::interrupt;
    s.rflags = (s.rflags & ~(changeable | flags::rf)) | (image & changeable);
    s.gpr[x86::rsp] += 8;
    s.rip = next;
    return true;
}

bool FastCalls::load_null_segment(Segment segment, u16 selector, u64 next) {
    if (!x86::selector::is_null(selector)) return false;
    vcpu_.state.seg(segment) = null_segment(selector);
    vcpu_.state.rip = next;
    return true;
}

// --- memory
// -------------------------------------------------------------------------------------------------------------

u8* FastCalls::host(GuestLinear a, unsigned size, Access access, Privilege p) {
    const auto& tables = access == Access::write ? vcpu_.block.tlb.write : vcpu_.block.tlb.read;
    if (u8* found = tables[static_cast<unsigned>(p)].find(a, size)) return found;
    if (!is_canonical(a.value) || a.offset() + size > page_size) return nullptr;
    const auto fill = vcpu_.mmu.fill(a, access, p);
    return fill ? fill->host : nullptr;
}

bool FastCalls::string(bool moves, u64 next, unsigned element, bool repeated) {
    CpuState& s = vcpu_.state;
    if (s.rflags & flags::df) return false;
    const Privilege p = vcpu_.mmu.data_privilege();
    u64& destination = s.gpr[x86::rdi];
    u64& source = s.gpr[x86::rsi];
    u64& count = s.gpr[x86::rcx];
    u64 left = repeated ? std::min(count, most_bytes_per_call / element) : 1;
    while (left) {
        u64 room = page_size - (destination & ~page_mask);
        if (moves) room = std::min(room, page_size - (source & ~page_mask));
        const u64 elements = std::min(left, room / element);
        if (elements == 0) return false;  // straddles
        u8* to = host({destination}, 1, Access::write, p);
        const u8* from = moves ? host({source}, 1, Access::read, p) : nullptr;
        if (!to || (moves && !from)) return false;
        const u64 bytes = elements * element;
        u64 n = elements;
        if (moves) {
            source += bytes;
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
        destination += bytes;
        if (repeated) count -= elements;
        left -= elements;
    }
    if (!repeated || count == 0) s.rip = next;
    return true;
}

// --- IRETQ
// --------------------------------------------------------------------------------------------------------------

const x86::SegmentRegister* FastCalls::known_segment(u16 selector) {
    const DescriptorMemo::Entry& entry = memo_.entries[selector >> 3 & 7];
    if (entry.selector != selector || selector == 0 || x86::selector::in_ldt(selector)) return nullptr;
    const CpuState& s = vcpu_.state;
    const unsigned offset = x86::selector::offset(selector);
    if (offset + 7 > s.gdtr.limit) return nullptr;
    const u8* where = host({s.gdtr.base + offset}, 8, Access::read, vcpu_.mmu.system_privilege());
    if (!where) return nullptr;
    u64 raw;
    __builtin_memcpy(&raw, where, 8);
    return raw == entry.raw ? &entry.segment : nullptr;
}

void FastCalls::remember_segments() {
    const CpuState& s = vcpu_.state;
    for (const Segment name : {Segment::cs, Segment::ss}) {
        const x86::SegmentRegister& segment = s.seg(name);
        if (!segment.usable() || x86::selector::is_null(segment.selector) ||
            x86::selector::in_ldt(segment.selector))
            continue;
        const unsigned offset = x86::selector::offset(segment.selector);
        if (offset + 7 > s.gdtr.limit) continue;
        const u8* where = host({s.gdtr.base + offset}, 8, Access::read, vcpu_.mmu.system_privilege());
        if (!where) continue;
        DescriptorMemo::Entry& entry = memo_.entries[segment.selector >> 3 & 7];
        entry.selector = segment.selector;
        entry.segment = segment;
        __builtin_memcpy(&entry.raw, where, 8);
    }
}

bool FastCalls::interrupt_return() {
    CpuState& s = vcpu_.state;
    if (s.cpl() != 0 || s.rflags & flags::nt) return false;
    const u8* frame = host({s.gpr[x86::rsp]}, 40, Access::read, vcpu_.mmu.data_privilege());
    if (!frame) return false;
    u64 rip, cs_selector, new_flags, rsp, ss_selector;
    __builtin_memcpy(&rip, frame, 8);
    __builtin_memcpy(&cs_selector, frame + 8, 8);
    __builtin_memcpy(&new_flags, frame + 16, 8);
    __builtin_memcpy(&rsp, frame + 24, 8);
    __builtin_memcpy(&ss_selector, frame + 32, 8);
    const x86::SegmentRegister* cs = known_segment(static_cast<u16>(cs_selector));
    if (!cs) return false;
    const unsigned cpl = x86::selector::rpl(static_cast<u16>(cs_selector));
    // An interrupt to an inner level leaves a null SS, and an interrupt on top of that returns to one.
    const x86::SegmentRegister null_stack = null_segment(static_cast<u16>(ss_selector), cpl);
    const bool null_allowed =
        x86::selector::is_null(static_cast<u16>(ss_selector)) && cpl != 3 && (ss_selector & 3) == cpl;
    const x86::SegmentRegister* ss =
        null_allowed ? &null_stack : known_segment(static_cast<u16>(ss_selector));
    if (!ss || !is_canonical(rip) || new_flags & (flags::tf | flags::nt)) return false;
    if (!(cs->attributes & x86::segment_attribute::long_mode)) return false;
    // As the interpreter loaded them: both of one privilege, SS writable.
    if (cs->dpl() != cpl || ss->dpl() != cpl || ss->attributes & x86::segment_attribute::code) return false;
    if (cpl != 0)
        for (const Segment name : {Segment::es, Segment::fs, Segment::gs, Segment::ds}) {
            const x86::SegmentRegister& segment = s.seg(name);
            if (segment.usable() && segment.dpl() < cpl) return false;
        }
    s.nmi_blocked = false;
    s.seg(Segment::cs) = *cs;
    s.seg(Segment::ss) = *ss;
    s.gpr[x86::rsp] = rsp;
    s.rip = rip;
    constexpr u64 taken = flags::status | flags::df | flags::rf | flags::ac | flags::id | flags::interrupt |
                          flags::iopl | flags::vif | flags::vip | flags::nt | flags::tf;
    s.rflags = (s.rflags & ~taken) | (new_flags & taken) | flags::always_one;
    // RF matters to instruction breakpoints only, and there are none.
    if (!(s.dr7 & 0xff)) s.rflags &= ~flags::rf;
    return true;
}

}  // namespace softmetal::translator
