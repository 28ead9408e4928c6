// How an instruction finds its meaning: one function per mnemonic or family, found once when it is decoded
// and cached.
//
// A semantic function sees state.rip already at the next instruction; whatever it throws, step() puts RIP
// back. It must change nothing before its last possible fault, or undo it. Files: one an instruction group
// (SDM vol. 1, ch. 5.1).
#pragma once

#include "cpu/vcpu.hpp"
#include "decoder/instruction.hpp"

namespace softmetal::interpreter {

using Semantics = void (*)(Vcpu& vcpu, const Instruction& instruction, void* extra);

/// A decoded instruction with its semantics. `extra` belongs to the function, e.g. a native thunk.
struct Operation {
    Semantics run = nullptr;
    void* extra = nullptr;
    Instruction instruction;
};

/// Each group answers null for what is not its own.
Semantics data_transfer_semantics(const Instruction& i);  // MOV, MOVZX, CMOVcc, SETcc, BSWAP, LEA, LAHF ...
Semantics exchange_semantics(const Instruction& i);       // XCHG, XADD, CMPXCHG, CMPXCHG8B/16B
Semantics stack_semantics(const Instruction& i);          // PUSH, POP, PUSHA, ENTER, LEAVE, PUSHF, POPF
Semantics integer_arithmetic_semantics(
    const Instruction& i);  // the hot forms of ADD .. CMP, INC, TEST in C++; the rest run natively
Semantics shift_semantics(const Instruction& i);   // shifts and rotates by a constant
Semantics legacy_semantics(const Instruction& i);  // what 64-bit mode lost: decimal adjust, BOUND, ARPL, SALC
Semantics control_transfer_semantics(
    const Instruction& i);                         // JMP, Jcc, CALL, RET, LOOP, INT, far forms, SYSCALL ...
Semantics string_semantics(const Instruction& i);  // MOVS, STOS, LODS, CMPS, SCAS, INS, OUTS with REP
Semantics segment_semantics(
    const Instruction& i);  // MOV, PUSH, POP with segment registers, LDS .., descriptor tables, LAR ..
Semantics system_semantics(const Instruction& i);  // privileged and system instructions, CPUID, RDTSC, fences
Semantics iopl_sensitive_semantics(const Instruction& i);   // IN, OUT, CLI, STI
Semantics extended_state_semantics(const Instruction& i);   // FXSAVE, XSAVE ..., LDMXCSR
Semantics x87_environment_semantics(const Instruction& i);  // FNSTENV, FLDENV, FNSAVE, FRSTOR
Semantics masked_move_semantics(const Instruction& i);      // gathers, VMASKMOV, VPMASKMOV, MASKMOV
Semantics native_semantics(
    const Instruction& i);  // all other user-level instructions: the host executes them

}  // namespace softmetal::interpreter
