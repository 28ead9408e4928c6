// A set of the 256 interrupt vectors that any thread may change without a lock: the APIC's IRR, ISR, TMR.
#pragma once

#include "base/integers.hpp"

#include <array>
#include <atomic>
#include <bit>

namespace softmetal::devices {

class VectorSet {
 public:
    void set(u8 v) { words_[v / 32].fetch_or(mask(v)); }
    void clear(u8 v) { words_[v / 32].fetch_and(~mask(v)); }
    void assign(u8 v, bool member) { member ? set(v) : clear(v); }
    [[nodiscard]] bool contains(u8 v) const { return words_[v / 32].load() & mask(v); }
    void clear_all() {
        for (auto& w : words_) w.store(0);
    }

    /// The greatest member; -1 where the set is empty.
    [[nodiscard]] int highest() const {
        for (int i = 7; i >= 0; --i)
            if (const u32 w = words_[static_cast<unsigned>(i)].load(std::memory_order_acquire))
                return i * 32 + 31 - std::countl_zero(w);
        return -1;
    }

    [[nodiscard]] u32 word(unsigned i) const { return words_[i].load(); }
    [[nodiscard]] std::array<u32, 8> words() const {
        std::array<u32, 8> copy;
        for (unsigned i = 0; i < 8; ++i) copy[i] = words_[i].load();
        return copy;
    }
    void set_words(const std::array<u32, 8>& words) {
        for (unsigned i = 0; i < 8; ++i) words_[i].store(words[i]);
    }

 private:
    static constexpr u32 mask(u8 v) { return 1u << (v % 32); }
    std::array<std::atomic<u32>, 8> words_{};
};

}  // namespace softmetal::devices
