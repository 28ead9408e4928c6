#include "interpreter/breakpoints.hpp"

#include "interpreter/operands.hpp"

#include <Zydis/Zydis.h>

namespace softmetal::interpreter {

namespace {

/// DR7's R/W field.
enum class Trigger : u8 { execute, write, port, read_or_write };

struct Breakpoint {
    bool enabled;
    Trigger trigger;
    u64 first;
    unsigned size;
};

Breakpoint breakpoint(const CpuState& state, unsigned n) {
    constexpr std::array<u8, 4> sizes{1, 2, 8, 4};
    const u64 control = state.dr7 >> (16 + 4 * n);
    const unsigned size = sizes[control >> 2 & 3];
    return {(state.dr7 >> (2 * n) & 3) != 0, static_cast<Trigger>(control & 3), align_down(state.dr[n], size),
            size};
}

template <class Matches>
u64 matching(const CpuState& state, Matches matches) {
    u64 result = 0;
    for (unsigned n = 0; n < state.dr.size(); n++) {
        const Breakpoint b = breakpoint(state, n);
        if (b.enabled && matches(b)) result |= bit(n);
    }
    return result;
}

/// Of PUSH, POP, CALL and RET.
unsigned words_on_stack(const Instruction& i) {
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_PUSHA:
        case ZYDIS_MNEMONIC_PUSHAD:
        case ZYDIS_MNEMONIC_POPA:
        case ZYDIS_MNEMONIC_POPAD: return 8;
        default: return 1;
    }
}

}  // namespace

u64 instruction_breakpoints(const CpuState& state, GuestLinear rip) {
    return matching(
        state, [&](const Breakpoint& b) { return b.trigger == Trigger::execute && b.first == rip.value; });
}

WatchedAccesses::WatchedAccesses(const CpuState& state, const Instruction& i) {
    const MemoryOperand& m = i.memory;
    if (i.has_memory && m.size && !m.vsib && (m.read || m.written))
        add(state, i, m.segment, effective_offset(state, i), m.size, m.written ? Kind::write : Kind::read);
    switch (i.category) {
        case ZYDIS_CATEGORY_STRINGOP:
        case ZYDIS_CATEGORY_IOSTRINGOP: add_string(state, i); break;
        case ZYDIS_CATEGORY_PUSH:
        case ZYDIS_CATEGORY_POP:
        case ZYDIS_CATEGORY_CALL:
        case ZYDIS_CATEGORY_RET: add_stack(state, i); break;
        case ZYDIS_CATEGORY_IO: {
            const unsigned data = i.mnemonic == ZYDIS_MNEMONIC_IN ? 0 : 1;
            const bool immediate = i.operands[1 - data].kind == OperandKind::immediate;
            const u64 port = (immediate ? i.immediate & 0xff : state.gpr[x86::rdx] & 0xffff);
            ranges_[count_++] = {port, i.operands[data].size, Kind::port};
            break;
        }
        default:
            if (i.mnemonic == ZYDIS_MNEMONIC_ENTER) add_enter(state, i);
            if (i.mnemonic == ZYDIS_MNEMONIC_LEAVE)
                add_on_stack(state, i, state.gpr[x86::rbp], i.operand_size, Kind::read);
            break;
    }
}

void WatchedAccesses::add(const CpuState& state, const Instruction& i, x86::Segment segment, u64 offset,
                          unsigned size, Kind kind) {
    u64 linear = offset;
    if (i.mode != 8)
        linear = (linear + state.seg(segment).base) & 0xffffffff;
    else if (segment >= x86::Segment::fs)
        linear += state.seg(segment).base;
    ranges_[count_++] = {linear, size, kind};
}

void WatchedAccesses::add_string(const CpuState& state, const Instruction& i) {
    const u64 mask = low_bits(i.address_size * 8u);
    const unsigned size = i.operand_size;
    const auto source = [&] {
        add(state, i, i.memory.segment, state.gpr[x86::rsi] & mask, size, Kind::read);
    };
    const auto destination = [&](Kind kind) {
        add(state, i, x86::Segment::es, state.gpr[x86::rdi] & mask, size, kind);
    };
    const auto port = [&] { ranges_[count_++] = {state.gpr[x86::rdx] & 0xffff, size, Kind::port}; };
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_MOVSB:
        case ZYDIS_MNEMONIC_MOVSW:
        case ZYDIS_MNEMONIC_MOVSD:
        case ZYDIS_MNEMONIC_MOVSQ:
            source();
            destination(Kind::write);
            break;
        case ZYDIS_MNEMONIC_STOSB:
        case ZYDIS_MNEMONIC_STOSW:
        case ZYDIS_MNEMONIC_STOSD:
        case ZYDIS_MNEMONIC_STOSQ: destination(Kind::write); break;
        case ZYDIS_MNEMONIC_LODSB:
        case ZYDIS_MNEMONIC_LODSW:
        case ZYDIS_MNEMONIC_LODSD:
        case ZYDIS_MNEMONIC_LODSQ: source(); break;
        case ZYDIS_MNEMONIC_CMPSB:
        case ZYDIS_MNEMONIC_CMPSW:
        case ZYDIS_MNEMONIC_CMPSD:
        case ZYDIS_MNEMONIC_CMPSQ:
            source();
            destination(Kind::read);
            break;
        case ZYDIS_MNEMONIC_INSB:
        case ZYDIS_MNEMONIC_INSW:
        case ZYDIS_MNEMONIC_INSD:
            destination(Kind::write);
            port();
            break;
        case ZYDIS_MNEMONIC_OUTSB:
        case ZYDIS_MNEMONIC_OUTSW:
        case ZYDIS_MNEMONIC_OUTSD:
            source();
            port();
            break;
        default: destination(Kind::read); break;  // SCAS
    }
}

void WatchedAccesses::add_on_stack(const CpuState& state, const Instruction& i, u64 pointer, unsigned size,
                                   Kind kind) {
    add(state, i, x86::Segment::ss, pointer & low_bits(state.stack_size() * 8), size, kind);
}

void WatchedAccesses::add_stack(const CpuState& state, const Instruction& i) {
    const bool writes = i.category == ZYDIS_CATEGORY_PUSH || i.category == ZYDIS_CATEGORY_CALL;
    const unsigned size = i.operand_size * words_on_stack(i);
    const u64 pointer = state.gpr[x86::rsp] - (writes ? size : 0);
    add_on_stack(state, i, pointer, size, writes ? Kind::write : Kind::read);
}

/// The old frame's pointer, those of the frames around it, which are copied, and the new one's.
void WatchedAccesses::add_enter(const CpuState& state, const Instruction& i) {
    const unsigned level = i.immediate2 & 31, copied = level ? level - 1 : 0, size = i.operand_size;
    const unsigned pushed = size * (level + 1);
    add_on_stack(state, i, state.gpr[x86::rsp] - pushed, pushed, Kind::write);
    if (copied) add_on_stack(state, i, state.gpr[x86::rbp] - copied * size, copied * size, Kind::read);
}

u64 WatchedAccesses::hits(const CpuState& state) const {
    return matching(state, [&](const Breakpoint& b) {
        for (unsigned n = 0; n < count_; n++) {
            const Range& r = ranges_[n];
            if (b.first + b.size <= r.first || r.first + r.size <= b.first) continue;
            switch (b.trigger) {
                case Trigger::execute: break;
                case Trigger::write:
                    if (r.kind == Kind::write) return true;
                    break;
                case Trigger::port:
                    if (r.kind == Kind::port && state.cr4 & x86::cr4::de) return true;
                    break;
                case Trigger::read_or_write:
                    if (r.kind != Kind::port) return true;
                    break;
            }
        }
        return false;
    });
}

}  // namespace softmetal::interpreter
