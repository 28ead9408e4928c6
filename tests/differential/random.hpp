// The generator behind every case: xoshiro256** seeded by splitmix64 (Blackman and Vigna), so that a case is
// a function of (seed, form, number) on every machine and library.
#pragma once

#include "base/integers.hpp"

#include <bit>
#include <string_view>

namespace softmetal::differential {

class Random {
 public:
    explicit Random(u64 seed) {
        for (u64& word : state_) {
            seed += 0x9e3779b97f4a7c15;
            u64 z = seed;
            z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
            z = (z ^ z >> 27) * 0x94d049bb133111eb;
            word = z ^ z >> 31;
        }
    }

    u64 next() {
        const u64 result = std::rotl(state_[1] * 5, 7) * 9;
        const u64 t = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= t;
        state_[3] = std::rotl(state_[3], 45);
        return result;
    }

    /// 0 .. bound - 1. The bias of a modulus is far below what these tests could notice.
    u64 below(u64 bound) { return next() % bound; }
    i64 between(i64 low, i64 high) { return low + static_cast<i64>(below(static_cast<u64>(high - low) + 1)); }
    bool percent(unsigned chance) { return below(100) < chance; }
    template <class List>
    const auto& one_of(const List& list) {
        return list[below(std::size(list))];
    }

 private:
    u64 state_[4];
};

/// FNV-1a: a form's own stream does not depend on its place in the table.
[[nodiscard]] constexpr u64 hash(std::string_view text) {
    u64 h = 0xcbf29ce484222325;
    for (char c : text) h = (h ^ static_cast<u8>(c)) * 0x100000001b3;
    return h;
}

}  // namespace softmetal::differential
