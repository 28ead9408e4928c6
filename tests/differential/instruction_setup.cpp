#include "instruction_setup.hpp"

#include "base/bits.hpp"
#include "decoder/decoder.hpp"
#include "operand_values.hpp"
#include "scope.hpp"
#include "test_segments.hpp"

#include <algorithm>
#include <cstring>

namespace softmetal::differential {
namespace {

bool is_xrstor(ZydisMnemonic m) { return m == ZYDIS_MNEMONIC_XRSTOR || m == ZYDIS_MNEMONIC_XRSTOR64; }
bool is_fxrstor(ZydisMnemonic m) { return m == ZYDIS_MNEMONIC_FXRSTOR || m == ZYDIS_MNEMONIC_FXRSTOR64; }

bool is_xsave_family(ZydisMnemonic m) {
    switch (m) {
        case ZYDIS_MNEMONIC_XSAVE:
        case ZYDIS_MNEMONIC_XSAVE64:
        case ZYDIS_MNEMONIC_XSAVEC:
        case ZYDIS_MNEMONIC_XSAVEC64: return true;
        default: return is_xrstor(m);
    }
}

/// 512 bytes or more.
bool is_save_area(const ZydisDecodedInstruction& z) {
    return is_xsave_family(z.mnemonic) || z.meta.isa_set == ZYDIS_ISA_SET_FXSAVE ||
           z.meta.isa_set == ZYDIS_ISA_SET_FXSAVE64;
}

bool is_x87_image(ZydisMnemonic m) {
    return m == ZYDIS_MNEMONIC_FLDENV || m == ZYDIS_MNEMONIC_FNSTENV || m == ZYDIS_MNEMONIC_FRSTOR ||
           m == ZYDIS_MNEMONIC_FNSAVE;
}

/// Of their 16 bytes of memory the lower half is all they need.
bool needs_low_half(ZydisMnemonic m) {
    switch (m) {
        case ZYDIS_MNEMONIC_PUNPCKLBW:
        case ZYDIS_MNEMONIC_PUNPCKLWD:
        case ZYDIS_MNEMONIC_PUNPCKLDQ:
        case ZYDIS_MNEMONIC_PUNPCKLQDQ:
        case ZYDIS_MNEMONIC_UNPCKLPS:
        case ZYDIS_MNEMONIC_UNPCKLPD:
        case ZYDIS_MNEMONIC_PSLLW:
        case ZYDIS_MNEMONIC_PSLLD:
        case ZYDIS_MNEMONIC_PSLLQ:
        case ZYDIS_MNEMONIC_PSRLW:
        case ZYDIS_MNEMONIC_PSRLD:
        case ZYDIS_MNEMONIC_PSRLQ:
        case ZYDIS_MNEMONIC_PSRAW:
        case ZYDIS_MNEMONIC_PSRAD: return true;
        default: return false;
    }
}

bool is_bit_test(ZydisMnemonic m) {
    return m == ZYDIS_MNEMONIC_BT || m == ZYDIS_MNEMONIC_BTS || m == ZYDIS_MNEMONIC_BTR ||
           m == ZYDIS_MNEMONIC_BTC;
}

unsigned number(ZydisRegister reg) { return static_cast<unsigned>(ZydisRegisterGetId(reg)) & 15; }

bool is_gpr(ZydisRegister reg) {
    const auto c = ZydisRegisterGetClass(reg);
    return c >= ZYDIS_REGCLASS_GPR8 && c <= ZYDIS_REGCLASS_GPR64;
}

}  // namespace

InstructionSetup::InstructionSetup(const Decoded& decoded, Random& random, TestCase& out)
    : d_(decoded), z_(decoded.instruction), random_(random), out_(out) {
    for (unsigned i = 0; i < z_.operand_count; i++) {
        const ZydisDecodedOperand& o = d_.operands[i];
        if (o.type != ZYDIS_OPERAND_TYPE_MEMORY) continue;
        for (const ZydisRegister reg : {o.mem.base, o.mem.index})
            if (is_gpr(reg)) address_registers_ |= 1u << number(reg);
    }
}

void InstructionSetup::pin(unsigned n, u64 value) {
    gpr(n) = value;
    pinned_ |= 1u << n;
}

void InstructionSetup::set_free(unsigned n, u64 value) {
    if (!in_address(n) && !pinned(n)) gpr(n) = value;
}

u64 InstructionSetup::fixed_target() const {
    for (unsigned i = 0; i < z_.operand_count; i++)
        if (d_.operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY &&
            d_.operands[i].mem.type == ZYDIS_MEMOP_TYPE_VSIB)
            return layout::data + page_size;
    return 0;
}

u64 InstructionSetup::wide_operand() const {
    return is_xsave_family(z_.mnemonic) ? sizeof(ExtendedState) : 0;
}

bool InstructionSetup::allows_target(u64 linear, bool in_local_segment) const {
    if (linear + 64 > layout::code && linear < layout::code + page_size) return false;
    const bool in_pieces =
        z_.meta.category == ZYDIS_CATEGORY_SEGOP || is_far_transfer(z_) || is_x87_image(z_.mnemonic);
    if (in_pieces && in_local_segment && !out_.memory.at(linear)) return false;
    const u64 size = std::max<u64>(wide_operand(), 512);
    if (!is_save_area(z_) || out_.code_size == 8) return true;
    if (in_local_segment) return linear >= layout::data && linear + size <= layout::data + page_size;
    return out_.memory.at(linear) || !((linear ^ (linear + size - 1)) & page_mask);
}

bool InstructionSetup::wants_alignment() const {
    return is_save_area(z_) || z_.meta.isa_set == ZYDIS_ISA_SET_CMPXCHG16B ||
           (z_.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY && z_.meta.isa_ext != ZYDIS_ISA_EXT_BASE);
}

bool InstructionSetup::stack_has_room() {
    if (out_.registers.rflags & x86::flags::ac) return false;
    const u64 top = stack_top();
    if (!out_.memory.at(top - 8) || !out_.memory.at(top - 1)) return false;
    if (out_.code_size == 8) return true;
    const u64 offset = top - segment_base(ZYDIS_REGISTER_SS);
    const u64 limit = segments::loaded(out_.selectors.ss).limit;
    return out_.selectors.ss == segments::stack_down ? offset - 8 > limit : offset - 1 <= limit;
}

/// Somewhere in the code page that is not this instruction: INT3. Rarely a place that cannot be executed.
u64 InstructionSetup::code_target() {
    if (random_.percent(2)) return layout::data + random_.below(page_size);
    // In 32-bit code everything there is ours or not mapped.
    if (random_.percent(1))
        return out_.code_size == 8 ? random_.next() | u64{1} << 62 | (u64{1} << 63 & random_.next())
                                   : layout::hole + random_.below(layout::hole_end - layout::hole);
    u64 target;
    do target = layout::code + random_.below(page_size);
    while (target - layout::instruction < out_.length);
    return target;
}

u64 InstructionSetup::segment_base(ZydisRegister segment) const {
    if (out_.code_size == 8)
        return segment == ZYDIS_REGISTER_FS ? out_.fs_base : segment == ZYDIS_REGISTER_GS ? out_.gs_base : 0;
    switch (segment) {
        case ZYDIS_REGISTER_CS: return segments::code_base(out_.code_size);
        case ZYDIS_REGISTER_DS: return segments::base_of(out_.selectors.ds);
        case ZYDIS_REGISTER_ES: return segments::base_of(out_.selectors.es);
        case ZYDIS_REGISTER_FS: return segments::base_of(out_.selectors.fs);
        case ZYDIS_REGISTER_GS: return segments::base_of(out_.selectors.gs);
        case ZYDIS_REGISTER_SS: return segments::base_of(out_.selectors.ss);
        default: return 0;
    }
}

u64 InstructionSetup::with_junk(u64 offset) {
    return ((offset & address_mask()) | (random_.next() & ~address_mask())) & register_mask();
}

u64 InstructionSetup::stack_pointer() {
    using namespace layout;
    const auto linear = [&] {
        if (random_.percent(4)) return stack + random_.below(16);                  // a push may fault
        if (random_.percent(4)) return stack + 2 * page_size - random_.below(16);  // a pop may fault
        const u64 middle = stack + 0x400 + random_.below(0x1800);
        return random_.percent(85) ? align_down(middle, 8) : middle;
    };
    const u64 offset = linear() - segment_base(ZYDIS_REGISTER_SS);
    if (out_.code_size == 8) return offset;
    const u64 counts = segments::stack_mask(out_.selectors.ss);
    return (offset & counts) | (random_.next() & ~counts & register_mask());
}

u64 InstructionSetup::stack_top() {
    const u64 counts = out_.code_size == 8 ? ~u64{0} : segments::stack_mask(out_.selectors.ss);
    return (gpr(x86::rsp) & counts) + segment_base(ZYDIS_REGISTER_SS);
}

void InstructionSetup::implicit_address(const ZydisDecodedOperand& o) {
    if (!is_gpr(o.mem.base)) return;
    const unsigned base = number(o.mem.base);
    if (base == x86::rsp || z_.mnemonic == ZYDIS_MNEMONIC_LEAVE) return pin(base, stack_pointer());
    u64 address = layout::data + page_size + static_cast<u64>(random_.between(-0x900, 0x900));
    if (random_.percent(60)) address = align_down(address, 8);
    if (random_.percent(5)) address = layout::data + random_.below(32) - 16;
    if (random_.percent(5)) address = layout::read_only + random_.below(32) - 16;
    pin(base, with_junk(address - segment_base(o.mem.segment)));
}

void InstructionSetup::counters() {
    u64 count = random_.below(random_.percent(90) ? 24 : 3000);
    switch (z_.mnemonic) {
        case ZYDIS_MNEMONIC_LOOP:
        case ZYDIS_MNEMONIC_LOOPE:
        case ZYDIS_MNEMONIC_LOOPNE:
        case ZYDIS_MNEMONIC_JRCXZ:
        case ZYDIS_MNEMONIC_JECXZ:
        case ZYDIS_MNEMONIC_JCXZ: count = random_.percent(70) ? random_.below(3) : random_.next(); break;
        default:
            if (!(z_.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)))
                return;
    }
    pin(x86::rcx, with_junk(count));
}

/// Comparisons need runs of equal elements to get past the first.
void InstructionSetup::string_contents() {
    if (z_.meta.category != ZYDIS_CATEGORY_STRINGOP || random_.percent(35)) return;
    const u8 fill = static_cast<u8>(random_.next());
    const auto linear = [&](unsigned reg, ZydisRegister segment) {
        return (gpr(reg) & address_mask()) + segment_base(segment);
    };
    for (const u64 at : {linear(x86::rsi, ZYDIS_REGISTER_DS), linear(x86::rdi, ZYDIS_REGISTER_ES)})
        for (u64 i = 0; i < 512; i++)
            if (u8* p = out_.memory.at(at - 256 + i)) *p = fill;
    if (random_.percent(70)) set_free(x86::rax, (fill * 0x0101010101010101u) & register_mask());
    // One element differs somewhere along the way.
    const u64 odd = linear(x86::rdi, ZYDIS_REGISTER_ES) + static_cast<u64>(random_.between(-64, 64));
    if (u8* p = out_.memory.at(odd)) *p = static_cast<u8>(random_.next());
}

void InstructionSetup::stack_contents() {
    u64 top;
    switch (z_.mnemonic) {
        case ZYDIS_MNEMONIC_RET:
            if (is_far_transfer(z_)) return;
            top = code_target() - segments::code_base(out_.code_size);
            break;
        case ZYDIS_MNEMONIC_POPF:
        case ZYDIS_MNEMONIC_POPFD:
        case ZYDIS_MNEMONIC_POPFQ:
            top = random_.next() & ~x86::flags::tf;
            break;  // no trap on the INT3 that follows
        default: return;
    }
    out_.memory.store(stack_top(), &top, 8);
}

/// Index elements that stay near the base: most in data, some in the hole.
void InstructionSetup::gather() {
    const auto found =
        std::find_if(d_.operands.begin(), d_.operands.begin() + z_.operand_count, [](const auto& o) {
            return o.type == ZYDIS_OPERAND_TYPE_MEMORY && o.mem.type == ZYDIS_MEMOP_TYPE_VSIB;
        });
    if (found == d_.operands.begin() + z_.operand_count) return;
    const unsigned reg = number(found->mem.index);
    const bool dwords = z_.mnemonic == ZYDIS_MNEMONIC_VGATHERDPS ||
                        z_.mnemonic == ZYDIS_MNEMONIC_VGATHERDPD ||
                        z_.mnemonic == ZYDIS_MNEMONIC_VPGATHERDD || z_.mnemonic == ZYDIS_MNEMONIC_VPGATHERDQ;
    const unsigned width = dwords ? 4 : 8;
    std::array<u8, 32> elements;
    for (unsigned at = 0; at < 32; at += width) {
        i64 element = random_.between(-0xf00 / found->mem.scale, 0xf00 / found->mem.scale);
        if (random_.percent(2)) element = (random_.percent(50) ? -0xe000 : 0x6000) / found->mem.scale;
        std::memcpy(&elements[at], &element, width);
    }
    std::memcpy(&out_.registers.extended.xmm[reg], elements.data(), 16);
    std::memcpy(&out_.registers.extended.ymm_high[reg], elements.data() + 16, 16);
}

/// A register's bit number reaches around the memory operand.
void InstructionSetup::bit_string() {
    if (!is_bit_test(z_.mnemonic) || d_.operands[0].type != ZYDIS_OPERAND_TYPE_MEMORY ||
        d_.operands[1].type != ZYDIS_OPERAND_TYPE_REGISTER)
        return;
    const unsigned reg = number(d_.operands[1].reg.value);
    const u64 number_bits = static_cast<u64>(random_.between(-8192, 8192));
    const u64 junk = z_.operand_width == 64 ? 0 : random_.next() << z_.operand_width;
    pin(reg, ((number_bits & low_bits(z_.operand_width)) | junk) & register_mask());
}

void InstructionSetup::before_address() {
    for (unsigned i = 0; i < z_.operand_count; i++) {
        const ZydisDecodedOperand& o = d_.operands[i];
        if (o.type == ZYDIS_OPERAND_TYPE_MEMORY && o.encoding == ZYDIS_OPERAND_ENCODING_NONE)
            implicit_address(o);
    }
    if (z_.mnemonic == ZYDIS_MNEMONIC_ENTER || z_.mnemonic == ZYDIS_MNEMONIC_LEAVE) {
        pin(x86::rbp, stack_pointer());
        pin(x86::rsp, stack_pointer());
    }
    counters();
    gather();
    bit_string();
    // Components the model does not report are not asked for: the host would save them. Asked for none,
    // processors do not even touch the header.
    if (is_xsave_family(z_.mnemonic)) pin(x86::rax, (1 + random_.below(7)) | (random_.next() & 0xfff00000));
}

void InstructionSetup::branch_target() {
    const auto& raw = z_.raw.imm[0];
    if (raw.is_relative) {
        const u64 next = layout::instruction + out_.length;
        u64 distance;
        // Which comes first, a target behind the limit or a push that faults, is left to the processor.
        const bool within_code = z_.mnemonic == ZYDIS_MNEMONIC_CALL && !stack_has_room();
        do {
            distance = (within_code ? layout::code + random_.below(0x100) : code_target()) - next;
            if (raw.size == 8) distance = static_cast<u64>(i64{static_cast<i8>(distance)});
        } while (static_cast<i64>(distance) != static_cast<i32>(distance) ||
                 next + distance - layout::instruction < out_.length);
        std::memcpy(&out_.bytes[raw.offset], &distance, raw.size / 8);
        return;
    }
    if (z_.mnemonic != ZYDIS_MNEMONIC_JMP && z_.mnemonic != ZYDIS_MNEMONIC_CALL) return;
    u64 target = code_target();
    // Which comes first, a target that is not canonical or a push that faults, is left to the processor.
    if (z_.mnemonic == ZYDIS_MNEMONIC_CALL && !stack_has_room()) target = layout::code;
    target -= segments::code_base(out_.code_size);
    if (d_.operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY)
        out_.memory.store(operand_, &target, 8);
    else if (!pinned(number(d_.operands[0].reg.value)))
        gpr(number(d_.operands[0].reg.value)) = target & register_mask();
    else if (!stack_has_room())  // CALL ESP: the target is what it is
        gpr(x86::rsp) = layout::stack + page_size - segment_base(ZYDIS_REGISTER_SS);
}

/// Combinations of two exceptions of which the manuals do not say which comes first.
void InstructionSetup::keep_apart() {
    constexpr u16 x87_masks = 0x3f, x87_summary = 0x8080;
    ExtendedState& x = out_.registers.extended;
    // An area misaligned for #GP and #AC: SDM vol. 2, FXSAVE, "implementation-dependent". And Intel's
    // processors do not check the operands of F16C, though their exception class has #AC.
    const bool intel = host_vendor() == Vendor::intel;
    if (is_save_area(z_) || (intel && (wants_alignment() || z_.meta.isa_set == ZYDIS_ISA_SET_F16C)))
        out_.registers.rflags &= ~x86::flags::ac;
    // An unmasked x87 exception suppresses the store, and so the store's page fault; engines probe first.
    const u8* last = out_.memory.at(operand_ + operand_size_ - 1);
    const bool writable =
        out_.memory.at(operand_) && last &&
        (operand_ + operand_size_ <= layout::read_only || operand_ >= layout::writable_again);
    if (!operand_ || (writable && !in_local_segment_)) return;
    // An implementation may fetch only the half that is needed (SDM vol. 2, PUNPCKLBW): misaligned across the
    // end of mapped memory that decides on the page fault.
    if (needs_low_half(z_.mnemonic)) x.mxcsr &= ~x86::mxcsr::misaligned_mask;
    // As does one of VCVTPS2PH.
    if (z_.meta.isa_set == ZYDIS_ISA_SET_F16C) x.mxcsr |= 0x1f80;
    if (z_.meta.isa_set == ZYDIS_ISA_SET_X87 || z_.meta.isa_set == ZYDIS_ISA_SET_SSE3X87) {
        x.fcw |= x87_masks;
        x.fsw = static_cast<u16>(x.fsw & ~x87_summary);
    }
}

/// Where both operands of CMPS fault in different ways (the one behind its limit, the other in a missing
/// page), which is reported is the processor's choice.
void InstructionSetup::compare_with_one_fault() {
    switch (z_.mnemonic) {
        case ZYDIS_MNEMONIC_CMPSB:
        case ZYDIS_MNEMONIC_CMPSW:
        case ZYDIS_MNEMONIC_CMPSD: break;
        default: return;
    }
    if (out_.code_size == 8 || z_.meta.category != ZYDIS_CATEGORY_STRINGOP) return;
    const bool near = z_.address_width == 16;
    const u16 harmless = near ? segments::data16 : segments::user_data;
    const u64 offset = gpr(x86::rsi) & address_mask();
    const u64 source = offset + segments::base_of(harmless);
    const bool overridden = z_.attributes & ZYDIS_ATTRIB_HAS_SEGMENT;
    const bool within_limit = offset + z_.operand_width / 8u - 1 <= segments::loaded(harmless).limit;
    if (!overridden && out_.selectors.ds == harmless && out_.memory.at(source) && within_limit) return;
    out_.selectors.es = harmless;
    gpr(x86::rdi) = layout::data + page_size - segments::base_of(harmless);
}

void InstructionSetup::fill_operand() {
    std::array<u8, 64> value;
    vector_value(random_, value);
    if (z_.meta.isa_set == ZYDIS_ISA_SET_X87 && operand_size_ == 10) {
        ExtendedState::Bytes16 number;
        x87_value(random_, number);
        std::memcpy(value.data(), &number, 10);
    }
    if (z_.mnemonic == ZYDIS_MNEMONIC_FBLD)
        for (u8& digits : value) digits = static_cast<u8>(random_.below(10) << 4 | random_.below(10));
    if (random_.percent(85)) out_.memory.store(operand_, value.data(), 64);
}

void InstructionSetup::operand_contents() {
    switch (z_.mnemonic) {
        case ZYDIS_MNEMONIC_CMPXCHG:
            if (random_.percent(50)) break;
            if (d_.operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY)
                out_.memory.store(operand_, &gpr(x86::rax), operand_size_);
            else
                set_free(number(d_.operands[0].reg.value), gpr(x86::rax));
            break;
        case ZYDIS_MNEMONIC_CMPXCHG8B:
        case ZYDIS_MNEMONIC_CMPXCHG16B:
            if (random_.percent(50)) break;
            out_.memory.store(operand_, &gpr(x86::rax), operand_size_ / 2);
            out_.memory.store(operand_ + operand_size_ / 2, &gpr(x86::rdx), operand_size_ / 2);
            break;
        case ZYDIS_MNEMONIC_LDMXCSR:
        case ZYDIS_MNEMONIC_VLDMXCSR: {
            const u32 value = random_.percent(85) ? mxcsr_value(random_) : static_cast<u32>(random_.next());
            out_.memory.store(operand_, &value, 4);
            break;
        }
        default: break;
    }
}

/// Half of all random divisions would overflow or divide by zero, or all: make the quotient fit.
void InstructionSetup::division() {
    const bool is_signed = z_.mnemonic == ZYDIS_MNEMONIC_IDIV;
    if ((z_.mnemonic != ZYDIS_MNEMONIC_DIV && !is_signed) || random_.percent(30)) return;
    const ZydisDecodedOperand& o = d_.operands[0];
    const unsigned width = o.size;
    u64 divisor = 0;
    if (o.type == ZYDIS_OPERAND_TYPE_MEMORY) {
        if (const u8* p = out_.memory.at(operand_);
            p && out_.memory.at(operand_ + width / 8 - 1) == p + width / 8 - 1)
            std::memcpy(&divisor, p, width / 8);
    } else {
        divisor = gpr(number(o.reg.value)) & low_bits(width);
    }
    u64 upper = 0;
    if (is_signed)
        upper = random_.percent(50) ? 0 : ~u64{0};
    else if (divisor)
        upper = random_.below(divisor);
    if (width == 8)
        set_free(x86::rax, (gpr(x86::rax) & ~u64{0xff00}) | (upper & 0xff) << 8);
    else
        set_free(x86::rdx, (gpr(x86::rdx) & ~low_bits(width)) | (upper & low_bits(width)));
}

/// An area that FXRSTOR or XRSTOR mostly accepts.
void InstructionSetup::saved_state_image() {
    ExtendedState image = extended_state(random_, random_.percent(10));
    if (random_.percent(5)) image.mxcsr |= 1u << (16 + random_.below(16));
    if (is_fxrstor(z_.mnemonic)) return out_.memory.store(operand_, &image, 512);
    image.xstate_bv = random_.below(8);
    if (random_.percent(5)) image.xstate_bv |= u64{1} << 62;
    if (random_.percent(20)) image.xcomp_bv = u64{1} << 63 | image.xstate_bv | random_.below(8);
    if (random_.percent(4)) image.xcomp_bv = random_.below(8);
    if (random_.percent(4)) image.reserved2[random_.below(6)] = 1;
    out_.memory.store(operand_, &image, sizeof image);
}

/// Those that user level may call, and those it may not; not the way into the host's system calls.
void InstructionSetup::int_vector() {
    if (z_.mnemonic != ZYDIS_MNEMONIC_INT) return;
    constexpr u8 breakpoint = 3, overflow = 4, linux_system_call = 0x80;
    u8 vector = random_.percent(50) ? static_cast<u8>(breakpoint + random_.below(2)) : u8{linux_system_call};
    while (vector == linux_system_call) vector = static_cast<u8>(random_.next());
    static_assert(overflow == breakpoint + 1);
    out_.bytes[z_.raw.imm[0].offset] = vector;
}

void InstructionSetup::after_address() {
    int_vector();
    if (operand_) fill_operand();
    keep_apart();
    compare_with_one_fault();
    operand_contents();
    if (is_xrstor(z_.mnemonic) || is_fxrstor(z_.mnemonic)) saved_state_image();
    division();
    string_contents();
    stack_contents();
    if (is_far_transfer(z_))
        far_transfer();
    else
        branch_target();
    segment_source();
    inspected_selector();
    new_segment_base();
    if (z_.mnemonic == ZYDIS_MNEMONIC_ENTER) {
        // 16 bits of locals would mostly leave the stack, and 256 levels mean the same as 32.
        out_.bytes[z_.raw.imm[0].offset + 1u] &= random_.percent(90) ? 0x03 : 0xff;
        if (random_.percent(70)) out_.bytes[z_.raw.imm[1].offset] &= 7;
    }
    if (z_.mnemonic == ZYDIS_MNEMONIC_XLAT) gpr(x86::rax) = (gpr(x86::rax) & ~u64{0xff}) | random_.below(256);
}

}  // namespace softmetal::differential
