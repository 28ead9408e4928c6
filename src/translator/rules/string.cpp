// One element of LODS, STOS, MOVS, SCAS and CMPS (SDM vol. 2). With REP, or with DF set, somebody else runs
// them.
#include "translator/rules/rules.hpp"
#include "x86/flags.hpp"

#include <Zydis/Zydis.h>

namespace softmetal::translator {
namespace {

class StringElement {
 public:
    StringElement(BlockEmitter& e, const Instruction& i)
        : e_(e), size_(i.operand_size), address_size_(i.address_size), source_(i.memory.segment) {
        e_.release_flags(e_.current().live_before());
        const asmjit::Label backwards = e_.a.newLabel();
        constexpr u8 direction_in_byte1 = x86::flags::df >> 8;
        e_.a.test(block_field(SOFTMETAL_STATE(rflags) + 1, 1), direction_in_byte1);
        e_.a.jnz(backwards);
        e_.interpret_where(backwards);
    }

    /// R10 = host address of the element at RSI, or at RDI.
    void find_source() { find(jit::rsi, source_, Access::read); }
    void find_destination(Access access) { find(jit::rdi, x86::Segment::es, access); }
    /// Uses R11 for addresses of 16 bits.
    void advance(const jit::Gp& pointer) {
        const auto distance = static_cast<i32>(size_);
        if (address_size_ == 2) {
            e_.a.lea(temporary.r32(), jit::ptr(pointer, distance));
            e_.a.mov(pointer.r16(), temporary.r16());
        } else {
            e_.a.lea(low_part(pointer, address_size_), jit::ptr(pointer, distance));
        }
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
    void find(const jit::Gp& pointer, x86::Segment segment, Access access) {
        e_.cut_address(pointer, address_size_);
        if (e_.mode.segmented) e_.add_segment(segment, size_, access);
        e_.host_address(size_, access);
    }

    BlockEmitter& e_;
    const unsigned size_, address_size_;
    const x86::Segment source_;
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
    if (i.category != ZYDIS_CATEGORY_STRINGOP || i.rep || i.repne) return false;
    if (!e.mode.segmented && i.address_size != e.mode.code_size()) return false;
    const Kind kind = kind_of(i);
    const bool other_segment = i.memory.segment >= x86::Segment::fs || i.memory.segment == x86::Segment::cs;
    if (kind == Kind::none || (other_segment && !e.mode.segmented)) return false;

    StringElement s(e, i);
    const jit::Gp whole = low_part(jit::rax, i.operand_size);
    switch (kind) {
        case Kind::load:
            s.find_source();
            e.a.mov(whole, s.element());
            s.advance(jit::rsi);
            break;
        case Kind::store:
            s.find_destination(Access::write);
            e.a.mov(s.element(), whole);
            s.advance(jit::rdi);
            break;
        case Kind::move:
            s.find_source();
            s.keep();
            s.find_destination(Access::write);
            e.a.mov(s.element(), s.kept());
            s.advance(jit::rsi);
            s.advance(jit::rdi);
            break;
        case Kind::scan:
            s.find_destination(Access::read);
            e.a.cmp(whole, s.element());
            s.advance(jit::rdi);
            e.flags_are(FlagsAt::host);
            break;
        default:
            s.find_destination(Access::read);
            s.keep();
            s.find_source();
            e.a.cmp(s.element(), s.kept());
            s.advance(jit::rsi);
            s.advance(jit::rdi);
            e.flags_are(FlagsAt::host);
            break;
    }
    return true;
}

}  // namespace softmetal::translator
