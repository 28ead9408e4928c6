// XSAVEC and XRSTOR with the guest's registers in place: the host's own instruction, on an image of ours, so
// that neither a fault nor an address of the host's comes between. Compiled without vector instructions.
#include "translator/fast_calls.hpp"

#include <algorithm>

namespace softmetal::translator {
namespace {

namespace xcr0 = x86::xcr0;

// The XSAVE area (SDM vol. 1, ch. 13.4): both formats have components 0 to 2 at the same places.
constexpr unsigned mxcsr_offset = 24, mxcsr_size = 8, x87_offset = 32, xmm_offset = 160, header_offset = 512,
                   avx_offset = 576, area_end = 832;
static_assert(sizeof(ExtendedState) == area_end && alignof(ExtendedState) == 64);
constexpr u64 compacted = bit(63);

struct Header {
    u64 xstate_bv, xcomp_bv;
    std::array<u64, 6> reserved;
};

u64 edx_eax(const CpuState& s) { return (s.gpr[x86::rax] & 0xffffffff) | s.gpr[x86::rdx] << 32; }

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
    return s.cr4 & x86::cr4::osxsave && !(s.cr0 & x86::cr0::ts) && !(where & 63) &&
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
    const u64 requested = edx_eax(vcpu_.state) & vcpu_.state.xcr0;
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
    const u64 requested = edx_eax(vcpu_.state) & xcr0_now;
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
