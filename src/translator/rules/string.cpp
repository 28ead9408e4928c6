// One element of LODS, STOS, MOVS, SCAS and CMPS (SDM vol. 2). With REP, or with DF set, somebody else runs
// them.
#include "translator/rules/rules.hpp"
#include "x86/flags.hpp"

#include <Zydis/Zydis.h>

namespace softmetal::translator {
namespace {

/// The low `size` bytes of a register.
jit::Gp low_part(const jit::Gp& reg, unsigned size) {
    switch (size) {
        case 1: return reg.r8();
        case 2: return reg.r16();
        case 4: return reg.r32();
        default: return reg;
    }
}

class StringElement {
 public:
    StringElement(BlockEmitter& e, const Instruction& i) : e_(e), size_(i.operand_size) {
        e_.release_flags(e_.current().live_before());
        const asmjit::Label backwards = e_.a.newLabel();
        constexpr u8 direction_in_byte1 = x86::flags::df >> 8;
        e_.a.test(block_field(SOFTMETAL_STATE(rflags) + 1, 1), direction_in_byte1);
        e_.a.jnz(backwards);
        e_.interpret_where(backwards);
    }

    /// R10 = host address of the element at `pointer`.
    void find(const jit::Gp& pointer, Access access) {
        e_.a.mov(e_.sized(address_register), e_.sized(pointer));
        e_.host_address(size_, access);
    }
    void advance(const jit::Gp& pointer) {
        e_.a.lea(e_.sized(pointer), jit::ptr(pointer, static_cast<i32>(size_)));
    }
    /// The element at R10, kept across the search for another.
    void keep() {
        if (size_ < 4)
            e_.a.movzx(address_register.r32(), element());
        else
            e_.a.mov(low_part(address_register, size_), element());
        e_.a.mov(block_field(SOFTMETAL_AREA(scratch)), address_register);
    }
    /// R11, as wide as an element, = what keep() kept.
    jit::Gp kept() {
        e_.a.mov(temporary, block_field(SOFTMETAL_AREA(scratch)));
        return low_part(temporary, size_);
    }
    [[nodiscard]] jit::Mem element() const { return jit::ptr(address_register, 0, size_); }

 private:
    BlockEmitter& e_;
    const unsigned size_;
};

enum class Kind : u8 { none, load, store, move, scan, compare };

Kind kind_of(const Instruction& i) {
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_LODSB:
        case ZYDIS_MNEMONIC_LODSW:
        case ZYDIS_MNEMONIC_LODSD:
        case ZYDIS_MNEMONIC_LODSQ: return Kind::load;
        case ZYDIS_MNEMONIC_STOSB:
        case ZYDIS_MNEMONIC_STOSW:
        case ZYDIS_MNEMONIC_STOSD:
        case ZYDIS_MNEMONIC_STOSQ: return Kind::store;
        case ZYDIS_MNEMONIC_MOVSB:
        case ZYDIS_MNEMONIC_MOVSW:
        case ZYDIS_MNEMONIC_MOVSD:
        case ZYDIS_MNEMONIC_MOVSQ: return Kind::move;
        case ZYDIS_MNEMONIC_SCASB:
        case ZYDIS_MNEMONIC_SCASW:
        case ZYDIS_MNEMONIC_SCASD:
        case ZYDIS_MNEMONIC_SCASQ: return Kind::scan;
        case ZYDIS_MNEMONIC_CMPSB:
        case ZYDIS_MNEMONIC_CMPSW:
        case ZYDIS_MNEMONIC_CMPSD:
        case ZYDIS_MNEMONIC_CMPSQ: return Kind::compare;
        default: return Kind::none;
    }
}

}  // namespace

bool translate_string(BlockEmitter& e) {
    const Instruction& i = e.current().instruction;
    // MOVSD and CMPSD are also SSE2 instructions.
    if (i.category != ZYDIS_CATEGORY_STRINGOP || i.rep || i.repne || i.address_size != e.mode.code_size())
        return false;
    const Kind kind = kind_of(i);
    const bool other_segment = i.memory.segment >= x86::Segment::fs || i.memory.segment == x86::Segment::cs;
    if (kind == Kind::none || other_segment) return false;

    StringElement s(e, i);
    const jit::Gp whole = low_part(jit::rax, i.operand_size);
    switch (kind) {
        case Kind::load:
            s.find(jit::rsi, Access::read);
            e.a.mov(whole, s.element());
            s.advance(jit::rsi);
            break;
        case Kind::store:
            s.find(jit::rdi, Access::write);
            e.a.mov(s.element(), whole);
            s.advance(jit::rdi);
            break;
        case Kind::move:
            s.find(jit::rsi, Access::read);
            s.keep();
            s.find(jit::rdi, Access::write);
            e.a.mov(s.element(), s.kept());
            s.advance(jit::rsi);
            s.advance(jit::rdi);
            break;
        case Kind::scan:
            s.find(jit::rdi, Access::read);
            e.a.cmp(whole, s.element());
            s.advance(jit::rdi);
            e.flags_are(FlagsAt::host);
            break;
        default:
            s.find(jit::rdi, Access::read);
            s.keep();
            s.find(jit::rsi, Access::read);
            e.a.cmp(s.element(), s.kept());
            s.advance(jit::rsi);
            s.advance(jit::rdi);
            e.flags_are(FlagsAt::host);
            break;
    }
    return true;
}

}  // namespace softmetal::translator
