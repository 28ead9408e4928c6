// String instructions with and without REP (SDM vol. 2, REP; vol. 1, ch. 7.3.9.2).
//
// A call does a bounded number of iterations and leaves RIP on the instruction while some remain, so that
// events are taken in between. rSI, rDI and rCX always show the iterations done: a fault needs no undoing.
// Forward MOVS and STOS within RAM pages go by the block.
#include "cpu/system_registers.hpp"
#include "interpreter/host_flags.hpp"
#include "interpreter/semantics.hpp"

#include <Zydis/Zydis.h>
#include <algorithm>

namespace softmetal::interpreter {
namespace {

namespace flags = x86::flags;
using x86::Segment;

constexpr u64 iterations_per_step = 4096;

enum class Repeat { none, always, while_equal, while_not_equal };

/// REP prefixes straight from the bytes: where both are given the last counts, and F2 repeats MOVS too.
Repeat repeat_of(const Instruction& i, bool compares) {
    for (unsigned n = i.layout.opcode; n-- > 0;) {
        if (i.bytes[n] != 0xf2 && i.bytes[n] != 0xf3) continue;
        if (!compares) return Repeat::always;
        return i.bytes[n] == 0xf3 ? Repeat::while_equal : Repeat::while_not_equal;
    }
    return Repeat::none;
}

/// The registers of one string instruction, in its address size.
class StringOperands {
 public:
    StringOperands(Vcpu& vcpu, const Instruction& i, unsigned element)
        : vcpu_(vcpu), i_(i), element_(element), privilege_(vcpu.mmu.data_privilege()) {}

    [[nodiscard]] u64 count() const { return read(x86::rcx); }
    void set_count(u64 value) { write_gpr(vcpu_.state, x86::rcx, i_.address_size, value); }
    [[nodiscard]] bool backward() const { return vcpu_.state.rflags & flags::df; }
    [[nodiscard]] Privilege privilege() const { return privilege_; }

    [[nodiscard]] GuestLinear source() const {
        return linear_address(vcpu_, i_.memory.segment, read(x86::rsi), element_, Access::read);
    }
    [[nodiscard]] GuestLinear destination(Access access) const {
        return linear_address(vcpu_, Segment::es, read(x86::rdi), element_, access);
    }
    void advance_source(u64 elements = 1) { advance(x86::rsi, elements); }
    void advance_destination(u64 elements = 1) { advance(x86::rdi, elements); }
    /// REP with 32-bit addresses cuts the count, that of MOVS and STOS the pointers too, even where nothing
    /// is done; on AMD's processors only what an iteration has written is cut.
    void cut(std::initializer_list<x86::Gpr> registers) {
        if (vcpu_.model.is_amd()) return;
        for (const x86::Gpr reg : registers) advance(reg, 0);
    }

    /// Elements from rSI (or rDI) upwards that lie in one page and need no further address checks.
    [[nodiscard]] u64 block_elements(x86::Gpr pointer, Segment segment) const {
        const u64 offset = read(pointer);
        u64 bytes = ~u64{0} - offset;
        if (i_.address_size < 8) bytes = low_bits(i_.address_size * 8u) - offset;
        const CpuState& state = vcpu_.state;
        const x86::SegmentRegister& s = state.seg(segment);
        u64 linear = offset;
        if (i_.mode == 8) {
            if (segment >= Segment::fs) linear += s.base;
        } else {
            const bool expands_down = (s.attributes & (x86::segment_attribute::code |
                                                       x86::segment_attribute::expand_down_or_conforming)) ==
                                      x86::segment_attribute::expand_down_or_conforming;
            if (expands_down || offset > s.limit) return 0;
            bytes = std::min<u64>(bytes, s.limit - offset);
            linear = (linear + s.base) & 0xffffffff;
        }
        return std::min(bytes, page_size - (linear & ~page_mask)) / element_;
    }

 private:
    [[nodiscard]] u64 read(x86::Gpr reg) const {
        return vcpu_.state.gpr[reg] & low_bits(i_.address_size * 8u);
    }
    void advance(x86::Gpr reg, u64 elements) {
        const u64 distance = elements * element_;
        write_gpr(vcpu_.state, reg, i_.address_size, read(reg) + (backward() ? u64{0} - distance : distance));
    }

    Vcpu& vcpu_;
    const Instruction& i_;
    const unsigned element_;
    const Privilege privilege_;
};

/// Once: no REP. Otherwise up to a step's bound, as `iterate` says: it does at most `limit` iterations and
/// answers how many; `goes_on` tells after each call whether REPE / REPNE ends.
template <class Iterate, class GoesOn>
void repeat(Vcpu& vcpu, const Instruction& i, StringOperands& operands, bool repeats, Iterate iterate,
            GoesOn goes_on) {
    if (!repeats) {
        iterate(u64{1});
        return;
    }
    CpuState& state = vcpu.state;
    operands.cut({x86::rcx});
    u64 left = operands.count();
    if (left == 0) return;
    // A single step is one iteration (SDM vol. 3, ch. 17.3.1.4), as is one under watch of data breakpoints.
    constexpr u64 breakpoints_enabled = 0xff;
    const bool singly = state.rflags & flags::tf || state.dr7 & breakpoints_enabled;
    u64 budget = singly ? 1 : iterations_per_step;
    do {
        const u64 done = iterate(std::min(left, budget));
        left -= done;
        budget -= std::min(done, budget);
        operands.set_count(left);
        if (!goes_on()) return;
    } while (left && budget && !vcpu.block.attention.load(std::memory_order_relaxed));
    if (left) state.rip -= i.length;
    if (i.mode != 8) state.rip &= 0xffffffff;
}

constexpr auto to_the_end = [] { return true; };

// --- MOVS

template <Word T>
void movs(Vcpu& vcpu, const Instruction& i, void*) {
    StringOperands operands(vcpu, i, sizeof(T));
    const bool repeats = repeat_of(i, false) != Repeat::none;
    if (repeats) operands.cut({x86::rsi, x86::rdi});
    repeat(
        vcpu, i, operands, repeats,
        [&](u64 limit) -> u64 {
            const Privilege p = operands.privilege();
            // Whatever the source raises comes before anything of the destination.
            const GuestLinear from = operands.source();
            if (limit > 1 && !operands.backward()) {
                const u64 elements = std::min({limit, operands.block_elements(x86::rsi, i.memory.segment),
                                               operands.block_elements(x86::rdi, Segment::es)});
                if (elements > 1) {
                    const auto bytes = static_cast<unsigned>(elements * sizeof(T));
                    const u8* source = vcpu.linear.in_place(from, bytes, Access::read, p);
                    u8* destination =
                        vcpu.linear.in_place(operands.destination(Access::write), bytes, Access::write, p);
                    // A destination just above the source repeats a pattern: element by element then.
                    const bool overlaps = destination > source && destination < source + bytes;
                    if (source && destination && !overlaps) {
                        std::memmove(destination, source, bytes);
                        operands.advance_source(elements);
                        operands.advance_destination(elements);
                        return elements;
                    }
                }
            }
            const T value = vcpu.linear.read<T>(from, p);
            vcpu.linear.write<T>(operands.destination(Access::write), value, p);
            operands.advance_source();
            operands.advance_destination();
            return 1;
        },
        to_the_end);
}

// --- STOS, LODS

template <Word T>
void stos(Vcpu& vcpu, const Instruction& i, void*) {
    StringOperands operands(vcpu, i, sizeof(T));
    const T value = read_word<T>(vcpu.state, x86::rax);
    const bool repeats = repeat_of(i, false) != Repeat::none;
    if (repeats) operands.cut({x86::rdi});
    repeat(
        vcpu, i, operands, repeats,
        [&](u64 limit) -> u64 {
            const Privilege p = operands.privilege();
            const GuestLinear to = operands.destination(Access::write);
            if (limit > 1 && !operands.backward()) {
                const u64 elements = std::min(limit, operands.block_elements(x86::rdi, Segment::es));
                if (elements > 1) {
                    const auto bytes = static_cast<unsigned>(elements * sizeof(T));
                    if (u8* destination = vcpu.linear.in_place(to, bytes, Access::write, p)) {
                        for (u64 n = 0; n < elements; n++)
                            std::memcpy(destination + n * sizeof(T), &value, sizeof value);
                        operands.advance_destination(elements);
                        return elements;
                    }
                }
            }
            vcpu.linear.write<T>(to, value, p);
            operands.advance_destination();
            return 1;
        },
        to_the_end);
}

template <Word T>
void lods(Vcpu& vcpu, const Instruction& i, void*) {
    StringOperands operands(vcpu, i, sizeof(T));
    repeat(
        vcpu, i, operands, repeat_of(i, false) != Repeat::none,
        [&](u64) -> u64 {
            write_word<T>(vcpu.state, x86::rax, vcpu.linear.read<T>(operands.source(), operands.privilege()));
            operands.advance_source();
            return 1;
        },
        to_the_end);
}

// --- CMPS, SCAS

/// The flags of the last comparison, kept apart until the end: a fault on the way leaves RFLAGS as it was
/// before the instruction (SDM vol. 2, REP), but on AMD's processors as the last comparison left it.
class ComparisonFlags {
 public:
    ComparisonFlags(Vcpu& vcpu, Repeat kind)
        : state_(vcpu.state), kind_(kind), at_once_(vcpu.model.is_amd()), rflags_(state_.rflags) {}

    template <Word T>
    void compare(T a, T b) {
        Cmp::apply(a, b, rflags_);
        if (at_once_) commit();
    }
    [[nodiscard]] bool goes_on() const {
        return (kind_ == Repeat::while_equal) == ((rflags_ & flags::zf) != 0);
    }
    void commit() { state_.rflags = rflags_; }

 private:
    CpuState& state_;
    const Repeat kind_;
    const bool at_once_;
    u64 rflags_;
};

template <Word T>
void cmps(Vcpu& vcpu, const Instruction& i, void*) {
    StringOperands operands(vcpu, i, sizeof(T));
    const Repeat kind = repeat_of(i, true);
    ComparisonFlags result(vcpu, kind);
    repeat(
        vcpu, i, operands, kind != Repeat::none,
        [&](u64) -> u64 {
            // In the order of most processors, where both fault.
            const T b = vcpu.linear.read<T>(operands.destination(Access::read), operands.privilege());
            const T a = vcpu.linear.read<T>(operands.source(), operands.privilege());
            result.compare(a, b);
            operands.advance_source();
            operands.advance_destination();
            return 1;
        },
        [&] { return result.goes_on(); });
    result.commit();
}

template <Word T>
void scas(Vcpu& vcpu, const Instruction& i, void*) {
    StringOperands operands(vcpu, i, sizeof(T));
    const Repeat kind = repeat_of(i, true);
    ComparisonFlags result(vcpu, kind);
    repeat(
        vcpu, i, operands, kind != Repeat::none,
        [&](u64) -> u64 {
            const T a = read_word<T>(vcpu.state, x86::rax);
            const T b = vcpu.linear.read<T>(operands.destination(Access::read), operands.privilege());
            result.compare(a, b);
            operands.advance_destination();
            return 1;
        },
        [&] { return result.goes_on(); });
    result.commit();
}

// --- INS, OUTS

template <Word T>
void ins(Vcpu& vcpu, const Instruction& i, void*) {
    const u16 port = read_word<u16>(vcpu.state, x86::rdx);
    check_port_permission(vcpu, port, sizeof(T));
    StringOperands operands(vcpu, i, sizeof(T));
    repeat(
        vcpu, i, operands, repeat_of(i, false) != Repeat::none,
        [&](u64) -> u64 {
            const GuestLinear to = operands.destination(Access::write);
            // The port is read only when the store cannot fault any more.
            vcpu.linear.probe_write(to, sizeof(T), operands.privilege());
            vcpu.counters.port_accesses++;
            vcpu.linear.write<T>(to, static_cast<T>(vcpu.ports.read(port, sizeof(T))), operands.privilege());
            operands.advance_destination();
            return 1;
        },
        to_the_end);
}

template <Word T>
void outs(Vcpu& vcpu, const Instruction& i, void*) {
    const u16 port = read_word<u16>(vcpu.state, x86::rdx);
    check_port_permission(vcpu, port, sizeof(T));
    StringOperands operands(vcpu, i, sizeof(T));
    repeat(
        vcpu, i, operands, repeat_of(i, false) != Repeat::none,
        [&](u64) -> u64 {
            const T value = vcpu.linear.read<T>(operands.source(), operands.privilege());
            vcpu.counters.port_accesses++;
            vcpu.ports.write(port, sizeof(T), value);
            operands.advance_source();
            return 1;
        },
        to_the_end);
}

}  // namespace

Semantics string_semantics(const Instruction& i) {
    if (i.category != ZYDIS_CATEGORY_STRINGOP && i.category != ZYDIS_CATEGORY_IOSTRINGOP) return nullptr;
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_MOVSB: return movs<u8>;
        case ZYDIS_MNEMONIC_MOVSW: return movs<u16>;
        case ZYDIS_MNEMONIC_MOVSD: return movs<u32>;
        case ZYDIS_MNEMONIC_MOVSQ: return movs<u64>;
        case ZYDIS_MNEMONIC_STOSB: return stos<u8>;
        case ZYDIS_MNEMONIC_STOSW: return stos<u16>;
        case ZYDIS_MNEMONIC_STOSD: return stos<u32>;
        case ZYDIS_MNEMONIC_STOSQ: return stos<u64>;
        case ZYDIS_MNEMONIC_LODSB: return lods<u8>;
        case ZYDIS_MNEMONIC_LODSW: return lods<u16>;
        case ZYDIS_MNEMONIC_LODSD: return lods<u32>;
        case ZYDIS_MNEMONIC_LODSQ: return lods<u64>;
        case ZYDIS_MNEMONIC_CMPSB: return cmps<u8>;
        case ZYDIS_MNEMONIC_CMPSW: return cmps<u16>;
        case ZYDIS_MNEMONIC_CMPSD: return cmps<u32>;
        case ZYDIS_MNEMONIC_CMPSQ: return cmps<u64>;
        case ZYDIS_MNEMONIC_SCASB: return scas<u8>;
        case ZYDIS_MNEMONIC_SCASW: return scas<u16>;
        case ZYDIS_MNEMONIC_SCASD: return scas<u32>;
        case ZYDIS_MNEMONIC_SCASQ: return scas<u64>;
        case ZYDIS_MNEMONIC_INSB: return ins<u8>;
        case ZYDIS_MNEMONIC_INSW: return ins<u16>;
        case ZYDIS_MNEMONIC_INSD: return ins<u32>;
        case ZYDIS_MNEMONIC_OUTSB: return outs<u8>;
        case ZYDIS_MNEMONIC_OUTSW: return outs<u16>;
        case ZYDIS_MNEMONIC_OUTSD: return outs<u32>;
        default: return nullptr;
    }
}

}  // namespace softmetal::interpreter
