#include "operand_values.hpp"

#include "base/bits.hpp"
#include "cpu/cpu_model.hpp"
#include "test_case.hpp"

#include <algorithm>
#include <cstring>

namespace softmetal::differential {
namespace {

constexpr u64 integer_boundaries[] = {0,
                                      1,
                                      2,
                                      0x7f,
                                      0x80,
                                      0xff,
                                      0x100,
                                      0x7fff,
                                      0x8000,
                                      0xffff,
                                      0x10000,
                                      0x7fffffff,
                                      0x80000000,
                                      0xffffffff,
                                      0x100000000,
                                      0x7fffffffffffffff,
                                      0x8000000000000000,
                                      0xffffffffffffff80,
                                      0xffffffffffff8000,
                                      0xffffffff80000000,
                                      0xfffffffffffffffe,
                                      0xffffffffffffffff};

/// An IEEE number of `exponent_bits` + `fraction_bits` + sign, as bits.
u64 float_value(Random& random, unsigned exponent_bits, unsigned fraction_bits) {
    const u64 sign = random.below(2) << (exponent_bits + fraction_bits);
    const u64 top = low_bits(exponent_bits), bias = top >> 1;
    const u64 fraction = random.next() & low_bits(fraction_bits);
    const auto number = [&](u64 exponent, u64 f) { return sign | exponent << fraction_bits | f; };
    switch (random.below(12)) {
        case 0: return number(0, 0);
        case 1: return number(0, fraction);                                    // denormal
        case 2: return number(0, 1);                                           // smallest
        case 3: return number(top, 0);                                         // infinity
        case 4: return number(top, fraction | bit(fraction_bits - 1));         // quiet NaN
        case 5: return number(top, (fraction & ~bit(fraction_bits - 1)) | 1);  // signalling NaN
        case 6: return number(bias, 0);                                        // one
        case 7: return number(random.below(top + 1), fraction);                // any magnitude
        case 8: return number(top - 1, fraction | (low_bits(fraction_bits) << 2 & low_bits(fraction_bits)));
        case 9: {  // near the limits of integers
            const u64 power = random.one_of(std::array<u64, 4>{15, 31, 32, 63});
            return number(std::min(bias + power - random.below(2), top - 1),
                          random.percent(50) ? 0 : fraction);
        }
        case 10: return number(1 + random.below(4), fraction);          // about to underflow
        default: return number(bias + random.below(12) - 4, fraction);  // ordinary
    }
}

template <class F>
void fill_elements(std::span<u8> out, unsigned size, F value) {
    for (std::size_t at = 0; at < out.size(); at += size) {
        const u64 v = value();
        std::memcpy(out.data() + at, &v, std::min<std::size_t>(size, out.size() - at));
    }
}

}  // namespace

u64 integer_value(Random& random) {
    switch (random.below(8)) {
        case 0: return random.one_of(integer_boundaries);
        case 1: return random.below(256);
        case 2: return ~random.below(256);
        case 3: return bit(static_cast<unsigned>(random.below(64))) + random.below(3) - 1;
        case 4: return random.next() & low_bits(static_cast<unsigned>(1 + random.below(64)));
        case 5: return (random.next() & 0xff) * 0x0101010101010101;
        default: return random.next();
    }
}

u64 canonical_value(Random& random) { return sign_extend(integer_value(random), 48); }

void vector_value(Random& random, std::span<u8> out) {
    const unsigned element = 1u << random.below(4);
    switch (random.below(9)) {
        case 0:
        case 1: return fill_elements(out, 4, [&] { return float_value(random, 8, 23); });
        case 2:
        case 3: return fill_elements(out, 8, [&] { return float_value(random, 11, 52); });
        case 4: return fill_elements(out, element, [&] { return random.below(2) ? ~u64{0} : 0; });
        case 5: return fill_elements(out, element, [&] { return static_cast<u64>(random.between(-5, 5)); });
        case 6: return fill_elements(out, element, [&] { return integer_value(random); });
        case 7: return fill_elements(out, 1 + random.below(2), [&] { return random.below(4); });
        default: return fill_elements(out, 8, [&] { return random.next(); });
    }
}

void x87_value(Random& random, ExtendedState::Bytes16& out) {
    constexpr u64 integer_bit = bit(63);
    const u64 mantissa = random.next();
    const u64 sign = random.below(2) << 15;
    switch (random.below(10)) {
        case 0: out = {0, sign}; break;
        case 1: out = {integer_bit, sign | 0x3fff}; break;             // one
        case 2: out = {integer_bit, sign | 0x7fff}; break;             // infinity
        case 3: out = {mantissa | integer_bit, sign | 0x7fff}; break;  // NaN, of either kind
        case 4: out = {mantissa & ~integer_bit, sign}; break;          // denormal
        case 5: out = {mantissa, sign | random.below(0x8000)}; break;  // anything, unsupported formats too
        case 6: out = {mantissa | integer_bit, sign | random.below(0x7fff)}; break;
        case 7: out = {random.below(1000) << 54 | integer_bit, sign | (0x3fff + random.below(70))}; break;
        default: out = {mantissa | integer_bit, sign | (0x3fff - 20 + random.below(40))}; break;
    }
}

void mmx_value(Random& random, ExtendedState::Bytes16& out) {
    std::array<u8, 8> bytes;
    vector_value(random, bytes);
    std::memcpy(&out.low, bytes.data(), 8);
    out.high = 0xffff;
}

u32 mxcsr_value(Random& random) {
    constexpr u32 masks = 0x1f80;
    if (random.percent(40)) return masks;
    static const bool has_misaligned_mask = CpuModel::host(1, 1'000'000'000).features().misalignsse;
    u32 value = static_cast<u32>(random.next() & x86::mxcsr::writable);
    if (random.percent(25) && has_misaligned_mask) value |= x86::mxcsr::misaligned_mask;
    return random.percent(10) ? value : value | masks;
}

void x87_state(Random& random, ExtendedState& state, bool mmx) {
    state.fcw = 0x37f;
    if (random.percent(50)) state.fcw = static_cast<u16>(0x7f | random.below(16) << 8);
    if (random.percent(5)) state.fcw &= static_cast<u16>(0xffc0 | random.next());
    const u64 top = mmx ? 0 : random.below(8);
    const u64 pending = random.percent(30) ? random.below(64) : 0;
    const u64 stack_fault = pending & 1 ? random.below(2) << 6 : 0;
    const bool error = pending & ~state.fcw & 0x3f;
    state.fsw =
        static_cast<u16>((random.next() & 0x4700) | top << 11 | pending | stack_fault | (error ? 0x8080 : 0));
    state.ftw = static_cast<u8>(random.percent(65) ? 0xff : random.percent(30) ? 0 : random.next());
    for (auto& st : state.x87) mmx ? mmx_value(random, st) : x87_value(random, st);
    state.fip = layout::code + random.below(page_size);
    state.fdp = layout::data + random.below(page_size);
    state.fop = static_cast<u16>(random.below(0x800));
}

ExtendedState extended_state(Random& random, bool mmx) {
    ExtendedState state;
    state.mxcsr = mxcsr_value(random);
    x87_state(random, state, mmx);
    for (unsigned i = 0; i < 16; i++) {
        std::array<u8, 32> bytes;
        vector_value(random, bytes);
        if (i && random.percent(12)) std::memcpy(bytes.data(), &state.xmm[i - 1], 16);
        std::memcpy(&state.xmm[i], bytes.data(), 16);
        std::memcpy(&state.ymm_high[i], bytes.data() + 16, 16);
    }
    return state;
}

}  // namespace softmetal::differential
