// What each kind of instruction becomes. A rule answers false for what is not its own; nobody's are
// interpreted.
#pragma once

#include "translator/block_emitter.hpp"

namespace softmetal::translator {

/// Data movement, arithmetic, logic, SIMD, x87: the instruction itself, re-encoded.
bool translate_computation(BlockEmitter& e);
/// LEA and other instructions that only name an address, and those that do nothing.
bool translate_address(BlockEmitter& e);
/// PUSH, POP, LEAVE.
bool translate_stack(BlockEmitter& e);
/// Jumps, calls and returns within the code segment. They end the block.
bool translate_control_transfer(BlockEmitter& e);
/// String instructions without REP.
bool translate_string(BlockEmitter& e);
/// CLI, STI, STAC, CLAC, CLD, STD, reads of segment registers, FS and GS bases.
bool translate_system(BlockEmitter& e);

}  // namespace softmetal::translator
