#include "test_segments.hpp"

namespace softmetal::differential::segments {

u64 descriptor(const LocalSegment& s) {
    using namespace x86::segment_attribute;
    constexpr u64 user = 3u << dpl_shift;
    u64 attributes = user | not_system | accessed | available;
    if (s.big) attributes |= default_big;
    if (s.pages) attributes |= granularity;
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
    const LocalSegment* s = local_segment(selector);
    const u64 d = s                         ? descriptor(*s)
                  : selector == user_code64 ? code64_descriptor
                  : selector == user_code32 ? code32_descriptor
                                            : data_descriptor;
    return {.selector = selector,
            .attributes = static_cast<u32>(d >> 40) & 0xf0ff,
            .base = base_of(selector),
            .limit = s ? s->limit_in_bytes() : 0xffffffff};
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
    if (random.percent(5)) return local_selector(static_cast<unsigned>(random.below(local.size()))) & ~3;
    return random.percent(70) ? usable_selector(random) : random.one_of(refused);
}

u16 code_target_selector(Random& random, unsigned offset_width, bool code64) {
    constexpr auto near =
        std::to_array<u16>({code16, local_selector(10), local_selector(11), local_selector(12)});
    constexpr auto flat = std::to_array<u16>({user_code32, local_selector(13)});
    // Data, code elsewhere, absent code, null, the kernel's, outside the tables.
    constexpr auto refused = std::to_array<u16>(
        {0, 3, user_data, 0x10, 0x1b, 0xfff3, local_selector(0), local_selector(3), local_selector(5),
         local_selector(14), local_selector(15), local_selector(16), local_selector(local.size())});
    u16 selector;
    if (random.percent(15))
        selector = random.one_of(refused);
    else if (random.percent(offset_width == 16 ? 90 : 40))
        selector = random.one_of(near);
    else
        selector = code64 && random.percent(60) ? user_code64 : random.one_of(flat);
    return random.percent(10) ? static_cast<u16>(selector ^ (1 + random.below(3))) : selector;
}

u16 inspected_selector(Random& random) {
    // Null, the kernel's, the host's flat ones, one outside the table.
    constexpr auto global = std::to_array<u16>({0, 0x10, 0x18, 0x20, 0x28, 0x30, 0xfff0});
    const u16 selector = random.percent(25)
                             ? random.one_of(global)
                             : local_selector(static_cast<unsigned>(random.below(local.size() + 1)));
    return random.percent(50) ? selector | 3 : static_cast<u16>((selector & ~3u) | random.below(4));
}

}  // namespace softmetal::differential::segments
