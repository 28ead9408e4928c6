// Called from translated code too, while guest vector registers are live.
#include "cpu/descriptor.hpp"

namespace softmetal {

u64 Descriptor::base() const {
    return bits(low, 39, 16) | bits(low, 63, 56) << 24 | (high & 0xffffffff) << 32;
}

u32 Descriptor::limit() const {
    const u32 raw = static_cast<u32>(bits(low, 15, 0) | bits(low, 51, 48) << 16);
    return low & bit(55) ? raw << 12 | 0xfff : raw;
}

u32 Descriptor::attributes() const { return static_cast<u32>(bits(low, 55, 40)) & 0xf0ff; }

x86::SegmentRegister Descriptor::as_segment(u16 selector) const {
    return {.selector = selector, .attributes = attributes(), .base = base(), .limit = limit()};
}

}  // namespace softmetal
