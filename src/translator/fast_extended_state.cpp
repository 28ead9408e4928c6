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

void clear(u8* to, unsigned bytes) {
    constexpr u64 zero = 0;
    for (unsigned n = 0; n < bytes; n += 8) __builtin_memcpy(to + n, &zero, 8);
}

constexpr u32 mxcsr_initial = 0x1f80;
constexpr unsigned bytes_of_all_registers = 16 * 16;  // of a component's: 16 bytes each

/// Outside of 64-bit mode there are eight, and saves leave the others' bytes alone (SDM vol. 1, ch. 13.5).
unsigned bytes_of_registers(const FastCallSite& site) {
    return site.slot == 8 ? bytes_of_all_registers : bytes_of_all_registers / 2;
}

struct Place {
    u64 component;
    unsigned offset;
};

/// Without REX.W, pointers are 4 bytes and a selector, which is 0.
void keep_short_pointers(ExtendedState& image) {
    image.fip &= 0xffffffff;
    image.fdp &= 0xffffffff;
}

}  // namespace

bool FastCalls::may_xsave(u64 where, const FastCallSite& site) const {
    const CpuState& s = vcpu_.state;
    const bool wraps = site.slot == 4 && where + area_end > u64{1} << 32;
    return s.cr4 & x86::cr4::osxsave && !(s.cr0 & x86::cr0::ts) && !(where & (xsave_alignment - 1)) &&
           !wraps && vcpu_.model.features().xsavec;
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

bool FastCalls::save_extended(u64 where, u64 next, const FastCallSite& site) {
    if (!may_xsave(where, site)) return false;
    const unsigned registers_size = bytes_of_registers(site);
    const u64 requested = vcpu_.state.edx_eax() & vcpu_.state.xcr0;
    asm volatile("xsavec64 %0" : "=m"(image_) : "a"(static_cast<u32>(requested)), "d"(0) : "memory");
    const u64 saved = image_.xstate_bv;
    image_.mxcsr_mask = vcpu_.model.mxcsr_mask();
    if (saved & xcr0::x87 && image_.fip - reinterpret_cast<u64>(code_.data()) < code_.size()) {
        image_.fip = image_.fdp = 0;
        image_.fop = 0;
    }
    if (site.size != 8) keep_short_pointers(image_);
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
        put(xmm_offset, xmm_offset + registers_size);
    }
    if (saved & xcr0::avx) put(avx_offset, avx_offset + registers_size);
    put(header_offset, header_offset + 16);
    vcpu_.state.rip = next;
    return true;
}

/// Outside of 64-bit mode registers 8 to 15 stay as they are (SDM vol. 1, ch. 13.8): the image gets them from
/// the registers, beside what it has, or initial values, for the others. It is one of the standard format
/// then.
void FastCalls::keep_upper_registers(u64 requested) {
    constexpr u64 vectors = xcr0::sse | xcr0::avx;
    constexpr unsigned half = bytes_of_all_registers / 2;
    if (!(requested & vectors)) return;
    asm volatile("xsave64 %0"
                 : "+m"(present_)
                 : "a"(static_cast<u32>(requested & vectors)), "d"(0)
                 : "memory");
    u8* const image = reinterpret_cast<u8*>(&image_);
    const u8* const present = reinterpret_cast<const u8*>(&present_);
    for (const auto& [component, offset] : {Place{xcr0::sse, xmm_offset}, Place{xcr0::avx, avx_offset}}) {
        if (!(requested & component)) continue;
        if (!(image_.xstate_bv & component)) clear(image + offset, half);
        copy(image + offset + half, present + offset + half, half);
    }
    // The compacted format has MXCSR within SSE's component (SDM vol. 1, ch. 13.8.2).
    if (image_.xcomp_bv & compacted) {
        if (!(requested & xcr0::sse))
            image_.mxcsr = present_.mxcsr;
        else if (!(image_.xstate_bv & xcr0::sse))
            image_.mxcsr = mxcsr_initial;
    }
    image_.xstate_bv |= requested & vectors;
    image_.xcomp_bv = 0;
}

bool FastCalls::restore_extended(u64 where, u64 next, const FastCallSite& site) {
    if (!may_xsave(where, site)) return false;
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
    if (site.size != 8) keep_short_pointers(image_);
    if (site.slot == 4) keep_upper_registers(requested);
    asm volatile("xrstor64 %0" : : "m"(image_), "a"(static_cast<u32>(requested)), "d"(0) : "memory");
    if (requested & xcr0::x87) {
        const bool present = header.xstate_bv & xcr0::x87;
        loaded_x87_pointers = present ? X87Pointers(image_) : X87Pointers{};
    }
    vcpu_.state.rip = next;
    return true;
}

}  // namespace softmetal::translator
