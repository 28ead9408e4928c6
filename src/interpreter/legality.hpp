// Rules common to all instructions, in one place: does this CPU have it, and what must hold whenever it runs.
#pragma once

#include "cpu/cpu_model.hpp"
#include "decoder/instruction.hpp"

#include <optional>

namespace softmetal::interpreter {

/// Is the instruction part of the processor that the model describes? If not it is #UD.
[[nodiscard]] bool is_in_model(const CpuModel::Features& features, const Instruction& i);

/// What processors without LZCNT and BMI1 read in their place: BSR and BSF, with a prefix that means nothing
/// (SDM vol. 2, LZCNT, TZCNT).
[[nodiscard]] std::optional<Instruction> bit_scan_reading(const CpuModel::Features& features,
                                                          const Instruction& i);

/// Does it do what it says in the model, so that the host may execute it for the guest?
[[nodiscard]] bool means_itself(const CpuModel::Features& features, const Instruction& i);

/// Conditions to check at each execution.
enum class Condition : u8 {
    protected_mode_only = 1,  // #UD in real and V86 mode
    privileged = 2,           // CPL 0
    x87 = 4,                  // the ExtendedUnits, as CR0, CR4 and XCR0 allow them
    wait = 8,
    mmx = 16,
    sse = 32,
    avx = 64,
};

/// A set of Conditions.
using Conditions = u8;
[[nodiscard]] Conditions conditions_of(const Instruction& i);

/// Raises #UD, #GP(0) or #NM where one does not hold.
void check_conditions(const CpuState& state, Conditions conditions);

}  // namespace softmetal::interpreter
