// Segment and gate descriptors, taken apart (SDM vol. 3, ch. 3.4.5 and 6.11).
#pragma once

#include "x86/descriptors.hpp"

namespace softmetal {

/// A descriptor as read from the GDT or LDT.
struct Descriptor {
    u64 low = 0;
    u64 high = 0;  // the second half of 16-byte system descriptors in long mode
    [[nodiscard]] u64 base() const;
    [[nodiscard]] u32 limit() const;  // in bytes
    [[nodiscard]] u32 attributes() const;
    [[nodiscard]] x86::SegmentRegister as_segment(u16 selector) const;

    [[nodiscard]] unsigned dpl() const { return static_cast<unsigned>(bits(low, 46, 45)); }
    [[nodiscard]] bool present() const { return low & bit(47); }
    [[nodiscard]] bool is_system() const { return !(low & bit(44)); }
    /// x86::system_type of a system descriptor.
    [[nodiscard]] u32 type() const { return static_cast<u32>(bits(low, 43, 40)); }
    [[nodiscard]] bool is_code() const { return (low & (bit(44) | bit(43))) == (bit(44) | bit(43)); }
    [[nodiscard]] bool is_conforming_code() const { return is_code() && low & bit(42); }
    [[nodiscard]] bool is_readable() const { return !is_system() && (!is_code() || low & bit(41)); }
    [[nodiscard]] bool is_writable_data() const { return !is_system() && !is_code() && low & bit(41); }
    [[nodiscard]] bool is_long_code() const { return is_code() && low & bit(53); }
    [[nodiscard]] bool default_big() const { return low & bit(54); }
    // Gates
    [[nodiscard]] u16 gate_selector() const { return static_cast<u16>(low >> 16); }
    [[nodiscard]] u64 gate_offset() const {
        return (low & 0xffff) | bits(low, 63, 48) << 16 | (high & 0xffffffff) << 32;
    }
};

}  // namespace softmetal
