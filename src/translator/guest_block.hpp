// The guest instructions that one translation covers, with the status flags that are live behind each.
#pragma once

#include "decoder/instruction.hpp"
#include "translator/block.hpp"
#include "translator/code_segment.hpp"
#include "translator/decode_cache.hpp"

#include <vector>

namespace softmetal::translator {

struct GuestInstruction {
    Instruction instruction;
    u64 rip = 0;
    bool last = false;   // of its block
    u16 live_after = 0;  // status flags that somebody may still read
    [[nodiscard]] u64 next_rip() const { return instruction.cut_to_code(rip + instruction.length); }
    /// Of a relative branch.
    [[nodiscard]] u64 target_rip() const {
        const u64 target = instruction.cut_to_code(next_rip() + instruction.immediate);
        return instruction.mode != 8 && instruction.operand_size == 2 ? target & 0xffff : target;
    }
    /// Flags this instruction or a later one may read: what must not be lost before it.
    [[nodiscard]] u16 live_before() const {
        return static_cast<u16>((live_after & ~instruction.flags_killed) | instruction.flags_read);
    }
};

inline constexpr unsigned longest_block = 48;

struct GuestBlock {
    bool straddles = false;  // the first instruction reaches into the next page; there are none then
    std::vector<GuestInstruction> instructions;
    /// 64-byte lines of the page that were read, looking ahead included: bit n = bytes 64n..64n+63.
    u64 lines = 0;
    u64 second_lines = 0;  // of the page behind it
};

/// Where a block is to begin.
struct GuestCode {
    u64 rip;
    CodeSegment segment;
    unsigned size;   // of the code, as the decoder takes it: 2, 4 or 8
    const u8* page;  // of RAM, in which RIP lies
};

/// Reads up to the first control transfer, the end of the page or the segment, or longest_block. Empty where
/// the first instruction is invalid or leaves page or segment.
[[nodiscard]] GuestBlock read_guest_block(const GuestCode& code, DecodeCache& cache);

/// The one instruction that begins at the end of its page and goes on in `second_page`. Empty where it is
/// invalid or leaves the segment.
[[nodiscard]] GuestBlock read_straddling_instruction(const GuestCode& code, const u8* second_page,
                                                     const DecodeCache& cache);

/// Must the block end behind this instruction?
[[nodiscard]] bool ends_block(const Instruction& i);

}  // namespace softmetal::translator
