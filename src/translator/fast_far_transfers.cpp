// Transfers to other code segments at the same privilege level, as 16-bit programs make them all the time:
// far jumps, calls and returns; far pointers; software interrupts of real mode and their returns. Compiled
// without vector instructions; nothing here allocates or throws: whatever would raise an exception, change
// the level, lead through a gate or mark a descriptor is left to the interpreter.
#include "cpu/segmentation.hpp"
#include "translator/fast_calls.hpp"

namespace softmetal::translator {
namespace {

namespace attribute = x86::segment_attribute;
namespace flags = x86::flags;
using x86::Segment;

u64 read_word(const u8* from, unsigned bytes) {
    if (bytes == 2) {
        u16 word;
        __builtin_memcpy(&word, from, 2);
        return word;
    }
    u32 word;
    __builtin_memcpy(&word, from, 4);
    return word;
}

void write_word(u8* to, u64 value, unsigned bytes) {
    if (bytes == 2) {
        const auto word = static_cast<u16>(value);
        __builtin_memcpy(to, &word, 2);
    } else {
        const auto word = static_cast<u32>(value);
        __builtin_memcpy(to, &word, 4);
    }
}

bool real_or_v86(const CpuState& s) { return s.real_mode() || s.v86_mode(); }

}  // namespace

bool FastCalls::enter_code_segment(u16 selector, u64 offset) {
    CpuState& s = vcpu_.state;
    if (real_or_v86(s)) {
        if (offset > s.seg(Segment::cs).limit) return false;
        load_real_mode_segment(s, Segment::cs, selector);
    } else {
        constexpr u32 kind = attribute::code | attribute::expand_down_or_conforming | attribute::long_mode;
        const auto segment = segment_of(selector);
        const unsigned cpl = s.cpl();
        if (!segment || (segment->attributes & kind) != attribute::code || segment->dpl() != cpl ||
            offset > segment->limit)
            return false;
        s.seg(Segment::cs) = *segment;
        s.seg(Segment::cs).selector = static_cast<u16>((selector & ~3u) | cpl);
    }
    s.rip = offset;
    return true;
}

u8* FastCalls::below_stack(const FastCallSite& site, unsigned bytes) {
    const u64 pointer = cut(vcpu_.state.gpr[x86::rsp] - bytes, vcpu_.state.stack_size());
    const auto where = linear(site, Segment::ss, pointer, bytes, Access::write);
    return where ? host(*where, bytes, Access::write, vcpu_.mmu.data_privilege()) : nullptr;
}

std::optional<FastCalls::FarPointer> FastCalls::read_far_pointer(u64 where, const FastCallSite& site) {
    const u8* from = host({where}, site.slot + 2u, Access::read, vcpu_.mmu.data_privilege());
    if (!from) return {};
    return FarPointer{.selector = static_cast<u16>(read_word(from + site.slot, 2)),
                      .offset = read_word(from, site.slot)};
}

bool FastCalls::far_jump(const FarPointer& target) {
    return x86::selector::rpl(target.selector) <= vcpu_.state.cpl() || real_or_v86(vcpu_.state)
               ? enter_code_segment(target.selector, target.offset)
               : false;
}

bool FastCalls::far_call(const FarPointer& target, u64 next, const FastCallSite& site) {
    CpuState& s = vcpu_.state;
    u8* frame = below_stack(site, 2u * site.slot);
    const u16 selector = s.seg(Segment::cs).selector;
    if (!frame || !far_jump(target)) return false;
    write_word(frame, next, site.slot);
    write_word(frame + site.slot, selector, site.slot);
    set_part(s.gpr[x86::rsp], s.gpr[x86::rsp] - 2u * site.slot, s.stack_size());
    return true;
}

bool FastCalls::far_return(u64 released, const FastCallSite& site) {
    CpuState& s = vcpu_.state;
    const u8* frame = top_of_stack(site, 2);
    if (!frame) return false;
    const auto selector = static_cast<u16>(read_word(frame + site.slot, 2));
    if (!real_or_v86(s) && x86::selector::rpl(selector) != s.cpl()) return false;
    if (!enter_code_segment(selector, read_word(frame, site.slot))) return false;
    set_part(s.gpr[x86::rsp], s.gpr[x86::rsp] + 2u * site.slot + released, s.stack_size());
    return true;
}

/// INT n in real mode (SDM vol. 3, ch. 20.1.4).
bool FastCalls::software_interrupt(u64 vector, u64 next, const FastCallSite& site) {
    CpuState& s = vcpu_.state;
    constexpr unsigned frame_bytes = 6;
    if (!s.real_mode() || vector * 4 + 3 > s.idtr.limit) return false;
    const u8* entry = host({s.idtr.base + vector * 4}, 4, Access::read, vcpu_.mmu.system_privilege());
    u8* frame = below_stack(site, frame_bytes);
    if (!entry || !frame) return false;
    const u64 image = s.rflags;
    const u16 selector = s.seg(Segment::cs).selector;
    if (!enter_code_segment(static_cast<u16>(read_word(entry + 2, 2)), read_word(entry, 2))) return false;
    write_word(frame, next, 2);
    write_word(frame + 2, selector, 2);
    write_word(frame + 4, image, 2);
    s.rflags &= ~(flags::interrupt | flags::tf | flags::ac | flags::rf);
    set_part(s.gpr[x86::rsp], s.gpr[x86::rsp] - frame_bytes, s.stack_size());
    return true;
}

/// IRET in real mode.
bool FastCalls::real_mode_return(const FastCallSite& site) {
    CpuState& s = vcpu_.state;
    if (!s.real_mode() || site.slot != 2) return false;
    const u8* frame = top_of_stack(site, 3);
    if (!frame) return false;
    const u64 image = read_word(frame + 4, 2);
    if (image & flags::tf) return false;  // the interpreter single-steps
    if (!enter_code_segment(static_cast<u16>(read_word(frame + 2, 2)), read_word(frame, 2))) return false;
    constexpr u64 taken = flags::status | flags::tf | flags::interrupt | flags::df | flags::nt | flags::iopl;
    s.rflags = (s.rflags & ~taken) | (image & taken) | flags::always_one;
    s.nmi_blocked = false;
    set_part(s.gpr[x86::rsp], s.gpr[x86::rsp] + 6, s.stack_size());
    return true;
}

/// LDS, LES, LFS, LGS.
bool FastCalls::load_far_pointer(u64 where, u64 next, const FastCallSite& site) {
    const auto pointer = read_far_pointer(where, site);
    if (!pointer || !load_segment(static_cast<Segment>(site.size), pointer->selector, next)) return false;
    set_part(vcpu_.state.gpr[site.target], pointer->offset, site.slot);
    return true;
}

}  // namespace softmetal::translator
