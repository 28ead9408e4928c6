// An exception on its way to the guest.
//
// Instruction semantics (interpreter and cpu) throw it: a fault may come out of any of several memory
// accesses in one instruction, and every one of them means "leave the instruction, change nothing". It is
// caught in one place per engine and delivered. Hot paths (TLB misses of translated code) use std::expected
// instead.
#pragma once

#include "x86/exceptions.hpp"

namespace softmetal {

struct GuestException {
    x86::Vector vector{};
    u32 error_code = 0;  // meaningful where x86::has_error_code(vector)
    u64 cr2 = 0;         // for page faults: the faulting linear address
    bool trap = false;   // #DB after an instruction, #BP, #OF: RIP already points behind the instruction
    u64 dr6 = 0;         // for #DB: bits to set in DR6
};

[[noreturn]] void raise(x86::Vector vector);
[[noreturn]] void raise(x86::Vector vector, u32 error_code);
[[noreturn]] inline void raise_gp(u32 error_code = 0) { raise(x86::Vector::general_protection, error_code); }
[[noreturn]] inline void raise_ud() { raise(x86::Vector::invalid_opcode); }

}  // namespace softmetal
