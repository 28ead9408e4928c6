#include "test_segments.hpp"

namespace softmetal::differential::segments {

u64 descriptor(const LocalSegment& s) {
    using namespace x86::segment_attribute;
    constexpr u64 user = 3u << dpl_shift;
    u64 attributes = user | not_system | accessed;
    if (s.big) attributes |= default_big;
    if (s.code) attributes |= code;
    if (s.expand_down) attributes |= expand_down_or_conforming;
    if (s.writable_or_readable) attributes |= writable_or_readable;
    if (s.present) attributes |= present;
    const u64 base = s.base;
    return (s.limit & 0xffff) | (base & 0xff'ffff) << 16 | attributes << 40 | u64{s.limit >> 16} << 48 |
           (base >> 24) << 56;
}

x86::SegmentRegister loaded(u16 selector) {
    if (x86::selector::is_null(selector)) return {.selector = selector};
    const bool in_ldt = x86::selector::in_ldt(selector);
    const LocalSegment* s = in_ldt ? &local[x86::selector::offset(selector) / 8] : nullptr;
    const u64 d = s ? descriptor(*s) : selector == user_code32 ? code32_descriptor : data_descriptor;
    return {.selector = selector,
            .attributes = static_cast<u32>(d >> 40) & 0xf0ff,
            .base = base_of(selector),
            .limit = s ? s->limit : 0xffffffff};
}

u16 usable_selector(Random& random) {
    constexpr auto choices =
        std::to_array<u16>({0, user_data, user_data, user_code32, local_selector(0), local_selector(0),
                            local_selector(1), local_selector(2), local_selector(3)});
    return random.one_of(choices);
}

u16 stack_selector(Random& random) {
    constexpr auto choices = std::to_array<u16>({user_data, stack32, stack16, stack_down, local_selector(0)});
    return random.one_of(choices);
}

u16 any_selector(Random& random) {
    // Execute-only code, a segment that is not present, RPL 0, the kernel's, one outside each table. No null
    // selector but 0: the host's kernel clears the RPL on its way.
    constexpr auto refused = std::to_array<u16>(
        {local_selector(4), local_selector(5), 0x28, 0x1b, 0x18, local_selector(local.size()), 0xfff3});
    if (random.percent(15)) return stack_selector(random);
    return random.percent(70) ? usable_selector(random) : random.one_of(refused);
}

}  // namespace softmetal::differential::segments
