// Debug-register breakpoints (SDM vol. 3, ch. 17.2): which of DR0..DR3 an instruction or its accesses hit.
#pragma once

#include "cpu/vcpu.hpp"
#include "decoder/instruction.hpp"

#include <array>

namespace softmetal::interpreter {

/// Any of DR7's enable bits.
[[nodiscard]] inline bool breakpoints_enabled(const CpuState& state) { return state.dr7 & 0xff; }

/// DR6 bits of the instruction breakpoints at this linear address.
[[nodiscard]] u64 instruction_breakpoints(const CpuState& state, GuestLinear rip);

/// What an instruction is about to access: its memory operand, string elements, the stack's top, an I/O port.
class WatchedAccesses {
 public:
    /// state.rip is the next instruction's.
    WatchedAccesses(const CpuState& state, const Instruction& i);
    /// DR6 bits of the data and I/O breakpoints among them.
    [[nodiscard]] u64 hits(const CpuState& state) const;

 private:
    enum class Kind : u8 { read, write, port };
    struct Range {
        u64 first = 0;
        unsigned size = 0;
        Kind kind{};
    };
    void add(const CpuState& state, const Instruction& i, x86::Segment segment, u64 offset, unsigned size,
             Kind kind);
    void add_string(const CpuState& state, const Instruction& i);
    void add_on_stack(const CpuState& state, const Instruction& i, u64 pointer, unsigned size, Kind kind);
    void add_stack(const CpuState& state, const Instruction& i);
    void add_enter(const CpuState& state, const Instruction& i);

    std::array<Range, 4> ranges_{};
    unsigned count_ = 0;
};

}  // namespace softmetal::interpreter
