// Runs a user-level instruction on the host CPU itself: the guest's registers are loaded, the memory operand
// is redirected to a host address, the result is stored back. So FP, SIMD and x87 need no soft-float, and
// agree with hardware by construction.
#pragma once

#include "base/result.hpp"
#include "cpu/vcpu.hpp"
#include "decoder/instruction.hpp"

namespace softmetal::interpreter {

class NativeThunk;

/// Before anything else here: fails where the host gives no memory for generated code. Once done it stays
/// done.
[[nodiscard]] Result<void> prepare_native_execution();

/// The thunk for these bytes; made on first use, shared by all places with the same encoding. Null where
/// there is no room for more, or the instruction cannot run this way.
[[nodiscard]] const NativeThunk* native_thunk(const Instruction& i);

/// Executes it. Host-detected errors come back as the guest exceptions they are: #DE, #MF, #XM, #GP by
/// alignment.
void run_native(Vcpu& vcpu, const Instruction& i, const NativeThunk& thunk);

/// Executes an instruction that has no thunk, slowly; false where it cannot run this way.
[[nodiscard]] bool run_native_once(Vcpu& vcpu, const Instruction& i);

}  // namespace softmetal::interpreter
