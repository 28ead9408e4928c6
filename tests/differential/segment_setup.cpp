// InstructionSetup's part for far transfers, segment loads, and what looks at segments.
#include "base/bits.hpp"
#include "decoder/decoder.hpp"
#include "instruction_setup.hpp"
#include "operand_values.hpp"
#include "scope.hpp"
#include "test_segments.hpp"

#include <algorithm>
#include <cstring>
#include <span>

namespace softmetal::differential {
namespace {

bool is_general(const ZydisDecodedOperand& o) { return o.type == ZYDIS_OPERAND_TYPE_REGISTER; }

unsigned number(const ZydisDecodedOperand& o) {
    return static_cast<unsigned>(ZydisRegisterGetId(o.reg.value)) & 15;
}

}  // namespace

/// Mostly INT3 in a code segment; what can be neither is a page that is missing, or behind the limit.
InstructionSetup::FarPointer InstructionSetup::far_target() {
    const unsigned width = far_pointer_width();
    // Which comes first, a target behind the limit or a push that faults, is left to the processor.
    if (z_.mnemonic == ZYDIS_MNEMONIC_CALL && !stack_has_room())
        return {segments::local_selector(10), random_.below(0x100)};
    // AMD's processors push, and release what RET names, in 64-bit mode then, with what the host's kernel
    // left above a 16-bit stack's pointer.
    const bool small_stack = out_.selectors.ss == segments::stack16 &&
                             (z_.mnemonic == ZYDIS_MNEMONIC_CALL || z_.mnemonic == ZYDIS_MNEMONIC_RET);
    const bool code64 = out_.code_size == 8 || (random_.percent(30) && !small_stack);
    const u16 selector = segments::code_target_selector(random_, width, code64);
    if ((selector | 3) == segments::user_code64 && out_.code_size != 8) out_.goes_to_64bit = true;
    const u64 base = segments::base_of(selector);
    u64 offset;
    do {
        u64 linear = code_target();
        if (width < 64 && linear >> 32) linear = layout::hole + random_.below(0x1000);
        offset = linear - base;
        if (const segments::LocalSegment* s = segments::local_segment(selector); s && random_.percent(4))
            offset = s->limit_in_bytes() + static_cast<u64>(random_.between(-2, 2));
        // Of that nothing is mapped, whatever its sign.
        if (width == 32 && random_.percent(2)) offset |= 1u << 31;
        offset &= low_bits(width);
    } while (base + offset - layout::instruction < out_.length);
    return {selector, offset};
}

/// Of the offset. AMD's processors know of none of 64 bits (APM vol. 3, JMP (Far), LSS).
unsigned InstructionSetup::far_pointer_width() const {
    const bool from_memory =
        d_.operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY ||
        (z_.operand_count_visible == 2 && d_.operands[1].type == ZYDIS_OPERAND_TYPE_MEMORY);
    return from_memory && host_vendor() == Vendor::amd ? std::min<unsigned>(z_.operand_width, 32)
                                                       : z_.operand_width;
}

void InstructionSetup::store_far_pointer(const FarPointer& pointer) {
    const u64 size = far_pointer_width() / 8;
    out_.memory.store(operand_, &pointer.offset, size);
    out_.memory.store(operand_ + size, &pointer.selector, 2);
}

void InstructionSetup::far_transfer() {
    switch (z_.mnemonic) {
        case ZYDIS_MNEMONIC_RET: return return_frame(false);
        case ZYDIS_MNEMONIC_IRET:
        case ZYDIS_MNEMONIC_IRETD:
        case ZYDIS_MNEMONIC_IRETQ: return return_frame(true);
        default: break;
    }
    const FarPointer target = far_target();
    if (d_.operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY) return store_far_pointer(target);
    std::memcpy(&out_.bytes[z_.raw.imm[0].offset], &target.offset, z_.raw.imm[0].size / 8);
    std::memcpy(&out_.bytes[z_.raw.imm[1].offset], &target.selector, 2);
}

/// What RET and IRET pop: IRET's flags without TF, which would trap before the INT3. 64-bit mode's IRET takes
/// the last two, others leave them.
void InstructionSetup::return_frame(bool interrupt) {
    const FarPointer target = far_target();
    const u16 stack = random_.percent(70)   ? segments::user_data
                      : random_.percent(70) ? segments::stack_selector(random_)
                                            : segments::any_selector(random_);
    const auto with_random = [&](u16 selector) { return selector | (random_.next() & ~u64{0xffff}); };
    const u64 flags = random_.next() & ~x86::flags::tf;
    const std::array<u64, 5> frame{target.offset, with_random(target.selector), flags, stack_pointer(),
                                   with_random(stack)};
    const unsigned size = z_.operand_width / 8u;
    for (unsigned i = 0; i < (interrupt ? 5 : 2); i++)
        out_.memory.store(stack_top() + u64{i} * size, &frame[i], size);
}

/// The selector that MOV, POP, LDS & co. load.
void InstructionSetup::segment_source() {
    const auto operands = std::span(d_.operands).first(z_.operand_count);
    const bool loads = std::ranges::any_of(operands, [](const ZydisDecodedOperand& o) {
        return o.type == ZYDIS_OPERAND_TYPE_REGISTER && o.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE &&
               ZydisRegisterGetClass(o.reg.value) == ZYDIS_REGCLASS_SEGMENT;
    });
    if (!loads || z_.meta.category == ZYDIS_CATEGORY_SYSRET) return;
    const u16 selector = segments::any_selector(random_);
    if (z_.mnemonic == ZYDIS_MNEMONIC_POP)
        out_.memory.store(stack_top(), &selector, 2);
    else if (z_.mnemonic == ZYDIS_MNEMONIC_MOV && operand_)
        out_.memory.store(operand_, &selector, 2);
    else if (operand_)
        store_far_pointer({selector, random_.next()});
    else
        gpr(number(d_.operands[1])) = (selector | (random_.next() & ~u64{0xffff})) & register_mask();
}

/// The one that LAR, LSL, VERR and VERW look at.
void InstructionSetup::inspected_selector() {
    switch (z_.mnemonic) {
        case ZYDIS_MNEMONIC_LAR:
        case ZYDIS_MNEMONIC_LSL:
        case ZYDIS_MNEMONIC_VERR:
        case ZYDIS_MNEMONIC_VERW: break;
        default: return;
    }
    const u16 selector = segments::inspected_selector(random_);
    const ZydisDecodedOperand& source = d_.operands[z_.operand_count_visible - 1u];
    if (is_general(source))
        gpr(number(source)) = (selector | (random_.next() & ~u64{0xffff})) & register_mask();
    else
        out_.memory.store(operand_, &selector, 2);
}

/// What WRFSBASE and WRGSBASE load.
void InstructionSetup::new_segment_base() {
    if (z_.meta.isa_set != ZYDIS_ISA_SET_RDWRFSGS || random_.percent(15)) return;
    gpr(number(d_.operands[0])) = canonical_value(random_);
}

}  // namespace softmetal::differential
