// Which instructions the host can be the oracle for: those that the CPU model reports and whose
// result depends on nothing but registers and memory. What is left out stands in one table, each with its
// reason.
#pragma once

#include "cpu/cpu_model.hpp"
#include "encoding.hpp"

#include <span>
#include <string_view>

namespace softmetal::differential {

struct Exclusion {
    ZydisMnemonic mnemonic;
    std::string_view reason;
};
[[nodiscard]] std::span<const Exclusion> exclusions();

/// Does the model report the CPUID feature this instruction belongs to?
[[nodiscard]] bool reported(const CpuModel& model, const ZydisDecodedInstruction& z);

/// LZCNT and TZCNT where the model reads BSR and BSF, and the host does not.
[[nodiscard]] bool reads_differently(const CpuModel& model, const ZydisDecodedInstruction& z);

[[nodiscard]] bool in_scope(const CpuModel& model, const Decoded& d);

/// Far transfers: those that load CS.
[[nodiscard]] bool is_far_transfer(const ZydisDecodedInstruction& z);
/// Needs segments other than the host's own: all of 32-bit and 16-bit code, and what loads or looks at
/// segments in 64-bit mode.
[[nodiscard]] bool needs_local_segments(const Decoded& d);

}  // namespace softmetal::differential
