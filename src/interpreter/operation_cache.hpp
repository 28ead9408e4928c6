// Decoded instructions by the address they were met at. An entry is good for its bytes and code size,
// wherever they lie: it is compared with the bytes in memory at each use, so nothing ever has to be
// invalidated.
#pragma once

#include "interpreter/legality.hpp"
#include "interpreter/semantics.hpp"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <type_traits>

namespace softmetal::interpreter {

/// What every execution looks at comes first, in one host cache line.
struct alignas(64) CachedOperation {
    u64 low_mask = 0, high_mask = 0;  // which bytes of two 8-byte words the instruction covers
    Conditions conditions = 0;
    Operation operation;

    /// Are the first `length` of 16 bytes here the instruction's?
    [[nodiscard]] bool matches(const u8* bytes, unsigned mode) const {
        const Instruction& i = operation.instruction;
        u64 low, high, own_low, own_high;
        std::memcpy(&low, bytes, 8);
        std::memcpy(&high, bytes + 8, 8);
        std::memcpy(&own_low, i.bytes.data(), 8);
        std::memcpy(&own_high, i.bytes.data() + 8, 8);
        return (((low ^ own_low) & low_mask) | ((high ^ own_high) & high_mask)) == 0 && i.mode == mode;
    }
};

class OperationCache {
 public:
    OperationCache();
    [[nodiscard]] CachedOperation& slot(u64 linear) {
        return entries_[(linear ^ linear >> index_bits) & (entry_count - 1)];
    }

 private:
    static constexpr unsigned index_bits = 15;
    static constexpr u64 entry_count = u64{1} << index_bits;
    struct Release {
        void operator()(void* storage) const { std::free(storage); }
    };
    std::unique_ptr<void, Release> storage_;
    CachedOperation* entries_;
};

/// The meaning of a decoded instruction on this CPU.
[[nodiscard]] CachedOperation make_operation(const CpuModel& model, const Instruction& i);

}  // namespace softmetal::interpreter
