// Frames that control transfers push and pop: every check before the first byte, and the stack pointer left
// for the caller to commit.
#pragma once

#include "cpu/segmentation.hpp"

#include <array>

namespace softmetal {

/// Does #AC guard user level's accesses (SDM vol. 3, ch. 6.15, #AC)?
[[nodiscard]] inline bool alignment_checked(const CpuState& state) {
    return state.rflags & x86::flags::ac && state.cr0 & x86::cr0::am && state.cpl() == 3;
}

/// A stack: the segment, the pointer's value, how wide it is and whose rights it is accessed with.
struct Stack {
    x86::SegmentRegister segment;
    u64 pointer = 0;
    unsigned width = 8;  // bytes of the pointer that count: 2, 4 or 8
    Privilege privilege = Privilege::user;
    u32 fault_code = 0;  // of the #SS raised where the stack cannot hold the frame
    bool check_alignment = false;

    /// The stack in use now.
    [[nodiscard]] static Stack current(const Vcpu& vcpu);
    /// An inner level's, which `segment` describes.
    [[nodiscard]] static Stack inner(const Vcpu& vcpu, const x86::SegmentRegister& segment, u64 pointer,
                                     unsigned cpl);

    /// The pointer's, outside 64-bit mode.
    [[nodiscard]] unsigned segment_width() const {
        return segment.attributes & x86::segment_attribute::default_big ? 4 : 2;
    }
    [[nodiscard]] u64 cut(u64 value) const;
    /// `value` in the pointer's width; a 16-bit pointer keeps the rest of the register.
    void set_pointer(u64 value);
    /// Linear address of `size` bytes at `offset`; raises #SS or #AC.
    [[nodiscard]] GuestLinear address(u64 offset, unsigned size) const;
};

class FrameWriter {
 public:
    FrameWriter(Vcpu& vcpu, const Stack& stack) : vcpu_(vcpu), stack_(stack) {}
    void push(u64 value, unsigned size);
    /// Writes the values; the pointer to load then is pointer(). Raises before the first write, or not at
    /// all.
    void commit();
    [[nodiscard]] u64 pointer() const { return stack_.pointer; }

 private:
    struct Slot {
        GuestLinear where;
        u64 value;
        unsigned size;
    };
    Vcpu& vcpu_;
    Stack stack_;
    std::array<Slot, 40> slots_;  // a call gate copies 31 parameters and pushes 4 more
    unsigned count_ = 0;
};

class FrameReader {
 public:
    FrameReader(Vcpu& vcpu, const Stack& stack) : vcpu_(vcpu), stack_(stack) {}
    [[nodiscard]] u64 pop(unsigned size);
    void skip(u64 size) { stack_.set_pointer(stack_.pointer + size); }
    [[nodiscard]] u64 pointer() const { return stack_.pointer; }

 private:
    Vcpu& vcpu_;
    Stack stack_;
};

}  // namespace softmetal
