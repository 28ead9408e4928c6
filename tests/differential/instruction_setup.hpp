// What particular instructions need of registers and memory to do more than fault: a stack, a divisor, a jump
// target.
#pragma once

#include "base/bits.hpp"
#include "encoding.hpp"
#include "random.hpp"
#include "test_case.hpp"

namespace softmetal::differential {

class InstructionSetup {
 public:
    InstructionSetup(const Decoded& decoded, Random& random, TestCase& out);

    /// Implicit addresses and counters: stack, strings, LOOP.
    void before_address();
    /// The explicit memory operand was placed there.
    void operand_at(u64 linear, u64 size, bool in_local_segment) {
        operand_ = linear, operand_size_ = size, in_local_segment_ = in_local_segment;
    }
    /// Contents of the operand, and registers that must agree with them.
    void after_address();

    /// Is the register's value settled, so that the address must do with it?
    [[nodiscard]] bool pinned(unsigned gpr) const { return pinned_ >> gpr & 1; }
    /// Where the operand must lie, or 0.
    [[nodiscard]] u64 fixed_target() const;
    /// More bytes than the decoder says, or 0.
    [[nodiscard]] u64 wide_operand() const;
    [[nodiscard]] bool wants_alignment() const;
    /// Not in the code, whose other bytes are how a case ends (a segment prefix may lead there in 16-bit
    /// code), and not where the order of an area's pieces decides which fault it is: behind a segment's
    /// limit, in two missing pages.
    [[nodiscard]] bool allows_target(u64 linear, bool in_local_segment) const;
    /// What the address size leaves of an offset, and the code size of a register.
    [[nodiscard]] u64 address_mask() const { return low_bits(z_.address_width); }
    [[nodiscard]] u64 register_mask() const { return low_bits(out_.code_size == 8 ? 64 : 32); }
    /// Linear address of offset 0 in a segment.
    [[nodiscard]] u64 segment_base(ZydisRegister segment) const;
    /// Bits that the address size ignores, at random.
    [[nodiscard]] u64 with_junk(u64 offset);

 private:
    u64& gpr(unsigned n) { return out_.registers.gpr[n]; }
    void pin(unsigned n, u64 value);
    [[nodiscard]] bool in_address(unsigned n) const { return address_registers_ >> n & 1; }
    void set_free(unsigned n, u64 value);
    [[nodiscard]] u64 code_target();
    [[nodiscard]] u64 stack_pointer();
    /// Where the stack pointer points to.
    [[nodiscard]] u64 stack_top();
    /// Is there surely room for a return address, in the segment and in its pages, whatever its alignment?
    [[nodiscard]] bool stack_has_room();
    void int_vector();
    void implicit_address(const ZydisDecodedOperand& o);
    void counters();
    void string_contents();
    void stack_contents();
    void gather();
    void bit_string();
    void branch_target();
    void keep_apart();
    void compare_with_one_fault();
    void fill_operand();
    void operand_contents();
    void division();
    void saved_state_image();
    // segment_setup.cpp: what loads and looks at segments
    struct FarPointer {
        u16 selector;
        u64 offset;
    };
    [[nodiscard]] FarPointer far_target();
    [[nodiscard]] unsigned far_pointer_width() const;
    void store_far_pointer(const FarPointer& pointer);
    void far_transfer();
    void return_frame(bool interrupt);
    void segment_source();
    void inspected_selector();
    void new_segment_base();

    const Decoded& d_;
    const ZydisDecodedInstruction& z_;
    Random& random_;
    TestCase& out_;
    u32 pinned_ = 0, address_registers_ = 0;
    u64 operand_ = 0, operand_size_ = 0;
    bool in_local_segment_ = false;  // whose limit or rights may forbid the access
};

}  // namespace softmetal::differential
