// Instructions of kernels that are too involved to emit and too frequent to interpret: system calls and
// returns, SWAPGS, IRETQ, string moves. They run in the monitor with the guest's vector state still in the
// registers.
//
// Each does all of its instruction, or part of the iterations of a repeated one, or answers false having
// changed nothing else: then the interpreter executes it, and raises what is to be raised.
#pragma once

#include "cpu/vcpu.hpp"
#include "decoder/instruction.hpp"

namespace softmetal::translator {

enum class FastCall : u8 {
    none,
    system_call,
    system_return,
    interrupt_return,
    swap_gs,
    move_string,   // MOVS, with or without REP
    store_string,  // STOS
};

/// Which one an instruction is, if any; `element` receives the bytes of a string element.
[[nodiscard]] FastCall fast_call_of(const Instruction& i);

/// Descriptors that IRETQ has loaded lately, good as long as memory still holds the same.
class DescriptorMemo {
 public:
    struct Entry {
        u16 selector = 0;  // 0: none
        u64 raw = 0;
        x86::SegmentRegister segment;
    };
    std::array<Entry, 8> entries{};
};

class FastCalls {
 public:
    explicit FastCalls(Vcpu& vcpu) : vcpu_(vcpu) {}

    /// state.rip is at the instruction; on success it is where execution goes on (which may be the same place
    /// again for a repeated string instruction). Light.
    [[nodiscard]] bool run(FastCall call, unsigned length, unsigned element, bool repeated);

    /// The interpreter has just executed an IRETQ: what it loaded may be remembered. Light.
    void remember_segments();

 private:
    [[nodiscard]] bool system_call(u64 next);
    [[nodiscard]] bool system_return();
    [[nodiscard]] bool interrupt_return();
    [[nodiscard]] bool swap_gs(u64 next);
    [[nodiscard]] bool string(bool moves, u64 next, unsigned element, bool repeated);
    [[nodiscard]] const x86::SegmentRegister* known_segment(u16 selector);
    [[nodiscard]] u8* host(GuestLinear a, unsigned size, Access access, Privilege p);

    Vcpu& vcpu_;
    DescriptorMemo memo_;
};

}  // namespace softmetal::translator
