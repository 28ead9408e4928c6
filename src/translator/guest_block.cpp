#include "translator/guest_block.hpp"

#include "decoder/decoder.hpp"
#include "x86/flags.hpp"

#include <Zydis/Zydis.h>
#include <algorithm>

namespace softmetal::translator {
namespace {

using x86::flags::status;

/// How far to look into a successor for the end of a flag's life.
constexpr unsigned look_ahead = 6;

/// Decodes within one page and remembers which lines of it were looked at.
class PageReader {
 public:
    PageReader(const GuestCode& code, DecodeCache& cache)
        : code_(code), first_(code.segment.linear(code.rip) & page_mask), cache_(cache) {}

    [[nodiscard]] bool contains(u64 rip) const {
        return (code_.segment.linear(rip) & page_mask) == first_ && rip <= code_.segment.last;
    }

    /// Good until the next call. `rip` is contained. What the segment cuts off is invalid.
    std::expected<const Instruction*, DecodeError> decode_at(u64 rip) {
        const u64 offset = code_.segment.linear(rip) & ~page_mask;
        const u64 in_segment = code_.segment.last - rip, in_page = page_size - offset;
        const bool segment_ends = in_segment < in_page;
        auto i = cache_.decode_at(code_.page + offset, segment_ends ? in_segment + 1 : in_page, code_.size);
        if (segment_ends && !i && i.error() == DecodeError::truncated)
            i = std::unexpected(DecodeError::invalid);
        const u64 last = offset + (i ? (*i)->length - 1u : 0u);
        lines |= u64{1} << (offset >> 6) | u64{1} << (last >> 6);
        return i;
    }

    /// Flags that code at `rip` may read before it overwrites them.
    u16 live_at(u64 rip) {
        u16 undecided = status, live = 0;
        for (unsigned n = 0; n < look_ahead && undecided && contains(rip); n++) {
            const auto decoded = decode_at(rip);
            if (!decoded) break;
            const Instruction& i = **decoded;
            live |= undecided & i.flags_read;
            undecided &= static_cast<u16>(~(i.flags_killed | live));
            if (ends_block(i)) break;
            rip = i.cut_to_code(rip + i.length);
        }
        return live | undecided;
    }

    u16 live_behind(const GuestInstruction& last) {
        const Instruction& i = last.instruction;
        const u64 next = last.next_rip();
        const u64 target = last.target_rip();
        const bool known_target = code_.size != 8 || i.operand_size == 8;  // else the vendors differ
        switch (i.category) {
            case ZYDIS_CATEGORY_COND_BR:
                if (!known_target) return static_cast<u16>(status);
                return static_cast<u16>(live_at(next) | live_at(target));
            case ZYDIS_CATEGORY_UNCOND_BR:
            case ZYDIS_CATEGORY_CALL:
                return i.operands[0].kind == OperandKind::relative && known_target ? live_at(target)
                                                                                   : static_cast<u16>(status);
            default: return ends_block(i) ? static_cast<u16>(status) : live_at(next);
        }
    }

    u64 lines = 0;

 private:
    GuestCode code_;
    u64 first_;
    DecodeCache& cache_;
};

}  // namespace

bool ends_block(const Instruction& i) {
    switch (i.category) {
        case ZYDIS_CATEGORY_COND_BR:
        case ZYDIS_CATEGORY_UNCOND_BR:
        case ZYDIS_CATEGORY_CALL:
        case ZYDIS_CATEGORY_RET:
        case ZYDIS_CATEGORY_SYSCALL:
        case ZYDIS_CATEGORY_SYSRET:
        case ZYDIS_CATEGORY_INTERRUPT:
        case ZYDIS_CATEGORY_SMAP: return true;
        default: break;
    }
    switch (i.mnemonic) {
        case ZYDIS_MNEMONIC_HLT:
        case ZYDIS_MNEMONIC_POPF:
        case ZYDIS_MNEMONIC_POPFD:
        case ZYDIS_MNEMONIC_POPFQ:
        case ZYDIS_MNEMONIC_IRET:
        case ZYDIS_MNEMONIC_IRETD:
        case ZYDIS_MNEMONIC_IRETQ:
        case ZYDIS_MNEMONIC_WRMSR:
        case ZYDIS_MNEMONIC_XSETBV:
        case ZYDIS_MNEMONIC_LMSW:
        case ZYDIS_MNEMONIC_CLTS:
        case ZYDIS_MNEMONIC_UD0:
        case ZYDIS_MNEMONIC_UD1:
        case ZYDIS_MNEMONIC_UD2:
        case ZYDIS_MNEMONIC_INVLPG:
        case ZYDIS_MNEMONIC_INVPCID: return true;
        default: break;
    }
    // Writes of control registers may change the mode.
    return i.operands[0].kind == OperandKind::control && i.operands[0].written;
}

GuestBlock read_guest_block(const GuestCode& code, DecodeCache& cache) {
    PageReader reader(code, cache);
    GuestBlock block;
    u64 rip = code.rip;
    bool behind_sti = false;
    block.instructions.reserve(16);
    while (block.instructions.size() < longest_block && reader.contains(rip)) {
        const auto decoded = reader.decode_at(rip);
        if (!decoded) {
            block.straddles = block.instructions.empty() && decoded.error() == DecodeError::truncated;
            break;
        }
        const Instruction& i = block.instructions.emplace_back(**decoded, rip).instruction;
        rip = i.cut_to_code(rip + i.length);
        // Interrupts are taken at block entries, and CLI may follow: STI, NOP, CLI lets them in.
        if (ends_block(i) || behind_sti) break;
        behind_sti = i.mnemonic == ZYDIS_MNEMONIC_STI;
    }
    if (!block.instructions.empty()) {
        block.instructions.back().last = true;
        u16 live = reader.live_behind(block.instructions.back());
        for (auto at = block.instructions.rbegin(); at != block.instructions.rend(); ++at) {
            at->live_after = live;
            live = at->live_before();
        }
    }
    block.lines = reader.lines;
    return block;
}

GuestBlock read_straddling_instruction(const GuestCode& code, const u8* second_page,
                                       const DecodeCache& cache) {
    const u64 offset = code.segment.linear(code.rip) & ~page_mask;
    std::array<u8, 16> bytes;
    const std::size_t first = std::min<u64>(bytes.size(), page_size - offset);
    std::copy_n(code.page + offset, first, bytes.begin());
    std::copy_n(second_page, bytes.size() - first, bytes.begin() + static_cast<std::ptrdiff_t>(first));
    GuestBlock block;
    const auto decoded = cache.decode_for_model(bytes, code.size);
    if (!decoded || code.segment.last - code.rip < decoded->length - 1u) return block;
    block.instructions.push_back(
        {.instruction = *decoded, .rip = code.rip, .last = true, .live_after = status});
    block.lines = ~u64{0} << (offset >> 6);
    block.second_lines = 1;
    return block;
}

}  // namespace softmetal::translator
