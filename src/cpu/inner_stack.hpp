// Stacks of inner privilege levels, as the 16- or 32-bit TSS of the current task names them (SDM vol. 3,
// ch. 8.2.1).
#pragma once

#include "cpu/segmentation.hpp"

namespace softmetal {

struct TssStack {
    u16 selector = 0;
    u32 pointer = 0;
};
/// Raises #TS where the TSS does not reach that far.
[[nodiscard]] TssStack inner_stack(Vcpu& vcpu, unsigned level);

/// SS for that level. Raises #TS or, where it is not present, #SS.
[[nodiscard]] x86::SegmentRegister inner_stack_segment(Vcpu& vcpu, u16 selector, unsigned level);

}  // namespace softmetal
