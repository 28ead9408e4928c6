// Where guest registers live while translated code runs.
//
//     guest RAX RCX RDX RBX RBP RSI RDI R8 R12-R15   the same host register
//     guest RSP                                      host R9
//     guest R9 R10 R11                               the vCPU block (compilers use them least)
//     host R10 R11                                   temporaries: address, TLB index, spilled operand
//     host RSP                                       the monitor's stack, always
//     host GS base                                   the vCPU block
//     status flags, XMM/YMM, MXCSR, x87              in place
#pragma once

#include "assembler/rewriter.hpp"
#include "cpu/vcpu.hpp"

#include <asmjit/x86.h>

namespace softmetal::translator {

namespace jit = asmjit::x86;

inline const jit::Gp guest_rsp = jit::r9;
inline const jit::Gp address_register = jit::r10;
inline const jit::Gp temporary = jit::r11;

[[nodiscard]] constexpr bool is_spilled(unsigned guest) {
    return guest == x86::r9 || guest == x86::r10 || guest == x86::r11;
}
/// Host number of a guest register that is not spilled.
[[nodiscard]] constexpr u8 host_number(unsigned guest) {
    return guest == x86::rsp ? u8{x86::r9} : static_cast<u8>(guest);
}

/// The low `bytes` bytes of a register.
[[nodiscard]] jit::Gp low_part(const jit::Gp& reg, unsigned bytes);

/// A field of the vCPU block, as a memory operand of `size` bytes.
[[nodiscard]] inline jit::Mem block_field(std::size_t offset, u32 size = 8) {
    jit::Mem m = jit::ptr_abs(offset, size);
    m.setSegment(jit::gs);
    return m;
}
[[nodiscard]] inline jit::Mem block_field(const jit::Gp& index, std::size_t offset, u32 size = 8) {
    jit::Mem m(index, static_cast<i32>(offset), size);
    m.setSegment(jit::gs);
    return m;
}
[[nodiscard]] inline jit::Mem guest_gpr(unsigned index) {
    return block_field(offsetof(VcpuBlock, state) + offsetof(CpuState, gpr) + 8 * index);
}
#define SOFTMETAL_AREA(field) (offsetof(VcpuBlock, translated) + offsetof(TranslatedCodeArea, field))
#define SOFTMETAL_STATE(field) (offsetof(VcpuBlock, state) + offsetof(CpuState, field))

[[nodiscard]] inline jit::Mem segment_field(unsigned segment, std::size_t field, u32 size) {
    return block_field(SOFTMETAL_STATE(segment) + segment * sizeof(x86::SegmentRegister) + field, size);
}
[[nodiscard]] inline jit::Mem segment_selector(unsigned segment) {
    return segment_field(segment, offsetof(x86::SegmentRegister, selector), 2);
}
[[nodiscard]] inline jit::Mem segment_base(x86::Segment segment, u32 size = 8) {
    return segment_field(static_cast<unsigned>(segment), offsetof(x86::SegmentRegister, base), size);
}

}  // namespace softmetal::translator
