// Where code lies: the base and limit of CS that a translation was made for, since targets and return
// addresses are offsets from the one and must not lie behind the other.
#pragma once

#include "base/integers.hpp"

#include <array>
#include <optional>

namespace softmetal::translator {

struct CodeSegment {
    u64 base = 0;
    u64 last = ~u64{0};  // offset of its last byte; 64-bit code has no end

    bool operator==(const CodeSegment&) const = default;
    [[nodiscard]] bool is_unlimited() const { return last == ~u64{0}; }
    [[nodiscard]] u64 linear(u64 rip) const { return is_unlimited() ? rip : (base + rip) & 0xffff'ffff; }
};

/// Gives code segments numbers, for keys. A guest may make as many as it likes: where `crowded`, everything
/// that knows a number has to be dropped, then the table cleared. Light: no allocation, no vector
/// instructions.
class CodeSegments {
 public:
    /// None where the table is full.
    [[nodiscard]] std::optional<u16> number_of(const CodeSegment& segment) {
        for (u16 probe = hash(segment), n = 0; n < places; n++, probe = (probe + 1) & (places - 1)) {
            if (probe == 0) continue;  // number 0 is flat
            Entry& entry = entries_[probe];
            if (!entry.used) {
                entry = {segment, true};
                count_++;
            }
            if (entry.segment == segment) return probe;
        }
        return std::nullopt;
    }
    [[nodiscard]] bool crowded() const { return count_ > places / 4 * 3; }
    void clear() {
        entries_.fill({});
        count_ = 0;
    }

 private:
    static constexpr u16 places = 1 << 12;
    struct Entry {
        CodeSegment segment;
        bool used = false;
    };
    [[nodiscard]] static u16 hash(const CodeSegment& segment) {
        return (segment.base * 0x9e3779b97f4a7c15 ^ segment.last * 0xc2b2ae3d27d4eb4f) >> 52;
    }
    std::array<Entry, places> entries_{};
    unsigned count_ = 0;
};

}  // namespace softmetal::translator
