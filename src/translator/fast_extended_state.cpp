// XSAVEC and XRSTOR with the guest's registers in place: the host's own instruction, on an image of ours, so
// that neither a fault nor an address of the host's comes between. Compiled without vector instructions.
#include "cpu/extended_state.hpp"
#include "translator/fast_calls.hpp"
#include "x86/xsave_area.hpp"

#include <algorithm>

namespace softmetal::translator {
namespace {

namespace xcr0 = x86::xcr0;
using namespace x86::xsave_area;
static_assert(sizeof(ExtendedState) == area_end && alignof(ExtendedState) == xsave_alignment);

/// All parts of the area are made of quadwords. Not the C library's: it would use vector registers.
void copy(u8* to, const u8* from, unsigned bytes) {
    for (unsigned n = 0; n < bytes; n += 8) __builtin_memcpy(to + n, from + n, 8);
}

/// Without REX.W, pointers are 4 bytes and a selector, which is 0.
void keep_short_pointers(ExtendedState& image) {
    image.fip &= 0xffffffff;
    image.fdp &= 0xffffffff;
}

}  // namespace

bool FastCalls::may_xsave(u64 where) const {
    const CpuState& s = vcpu_.state;
    return s.cr4 & x86::cr4::osxsave && !(s.cr0 & x86::cr0::ts) && !(where & (xsave_alignment - 1)) &&
           vcpu_.model.features().xsavec;
}

std::optional<FastCalls::AreaInMemory> FastCalls::find_area(GuestLinear start, unsigned size, Access access) {
    const Privilege p = vcpu_.mmu.data_privilege();
    AreaInMemory area{.split = static_cast<unsigned>(std::min<u64>(size, page_size - start.offset()))};
    area.low = host(start, area.split, access, p);
    if (!area.low) return std::nullopt;
    if (area.split == size) return area;
    area.high = host(start + area.split, size - area.split, access, p);
    if (!area.high) return std::nullopt;
    return area;
}

bool FastCalls::save_extended(u64 where, u64 next, bool rex_w) {
    if (!may_xsave(where)) return false;
    const u64 requested = vcpu_.state.edx_eax() & vcpu_.state.xcr0;
    asm volatile("xsavec64 %0" : "=m"(image_) : "a"(static_cast<u32>(requested)), "d"(0) : "memory");
    const u64 saved = image_.xstate_bv;
    image_.mxcsr_mask = vcpu_.model.mxcsr_mask();
    if (saved & xcr0::x87 && image_.fip - reinterpret_cast<u64>(code_.data()) < code_.size()) {
        image_.fip = image_.fdp = 0;
        image_.fop = 0;
    }
    if (!rex_w) keep_short_pointers(image_);
    const auto area = find_area({where}, saved & xcr0::avx ? area_end : avx_offset, Access::write);
    if (!area) return false;
    // What is not in use stays as it is in memory.
    const auto put = [&](unsigned first, unsigned end) {
        const u8* from = reinterpret_cast<const u8*>(&image_);
        const unsigned middle = std::clamp(area->split, first, end);
        copy(area->low + first, from + first, middle - first);
        if (middle < end) copy(area->high + (middle - area->split), from + middle, end - middle);
    };
    if (saved & xcr0::x87) {
        put(0, mxcsr_offset);
        put(x87_offset, xmm_offset);
    }
    if (saved & xcr0::sse) {
        put(mxcsr_offset, mxcsr_offset + mxcsr_size);
        put(xmm_offset, xmm_offset + 256);
    }
    if (saved & xcr0::avx) put(avx_offset, area_end);
    put(header_offset, header_offset + 16);
    vcpu_.state.rip = next;
    return true;
}

bool FastCalls::restore_extended(u64 where, u64 next, bool rex_w) {
    if (!may_xsave(where)) return false;
    const u64 xcr0_now = vcpu_.state.xcr0;
    const u64 requested = vcpu_.state.edx_eax() & xcr0_now;
    const unsigned size = requested & xcr0::avx ? area_end : avx_offset;
    const auto area = find_area({where}, size, Access::read);
    if (!area) return false;
    u8* const image = reinterpret_cast<u8*>(&image_);
    copy(image, area->low, area->split);
    copy(image + area->split, area->high, size - area->split);
    Header header;
    __builtin_memcpy(&header, reinterpret_cast<const u8*>(&image_) + header_offset, sizeof header);
    // Whatever would fault is the interpreter's.
    const u64 described = header.xcomp_bv & compacted ? header.xcomp_bv & ~compacted : xcr0_now;
    if (described & ~xcr0_now || header.xstate_bv & ~described) return false;
    if (!(header.xcomp_bv & compacted) && header.xcomp_bv) return false;
    for (const u64 r : header.reserved)
        if (r) return false;
    if (image_.mxcsr & ~vcpu_.model.mxcsr_mask()) return false;
    if (!rex_w) keep_short_pointers(image_);
    asm volatile("xrstor64 %0" : : "m"(image_), "a"(static_cast<u32>(requested)), "d"(0) : "memory");
    if (requested & xcr0::x87) {
        const bool present = header.xstate_bv & xcr0::x87;
        loaded_x87_pointers = present ? X87Pointers(image_) : X87Pointers{};
    }
    vcpu_.state.rip = next;
    return true;
}

}  // namespace softmetal::translator
