// Emits one translation: the glue that every rule needs. Rules (rules/*.cpp) say what each instruction
// becomes.
//
// Walk of one instruction, `add rax, [rbx+8]` in kernel code:
//     lea r10,[rbx+8] ; mov r11,r10 ; shr r11,8 ; and r11d,0x1ff0       TLB index
//     xor r10, gs:[r11+tag] ; cmp r10, 4096-8 ; ja slow                 same page, no straddle
//     add r10, gs:[r11+host] ; add rax,[r10]                            the instruction itself, re-encoded
//   slow (behind the block): xor r10, gs:[r11+tag] ; mov r11d, site ; jmp stubs.tlb_miss, which fills the TLB
//   and comes back to `mov r11,r10`, or leaves: the interpreter then runs the instruction, or a fault is
//   delivered, at the site's RIP.
// The sequence overwrites the status flags, so before it they are saved where somebody still reads them.
#pragma once

#include "translator/block.hpp"
#include "translator/guest_block.hpp"
#include "translator/stubs.hpp"

#include <deque>
#include <functional>
#include <vector>

namespace softmetal::translator {

/// Numbered places and links of all translations in a cache; numbers live until the cache is dropped as a
/// whole.
struct SiteTable {
    std::vector<Site> sites;
    std::deque<Link> links;
    std::vector<Relocation> relocations;  // of the movable blocks
};

class BlockEmitter {
 public:
    BlockEmitter(jit::Assembler& assembler, const Stubs& stubs, SiteTable& table, Block& block,
                 const CodeSegment& segment, u32 base, bool chain);

    jit::Assembler& a;
    const Mode mode;

    // --- one instruction after the other
    // ---------------------------------------------------------------------------
    void begin_block(u16 live_in);
    void begin_instruction(const GuestInstruction& g) { current_ = &g; }
    [[nodiscard]] const GuestInstruction& current() const { return *current_; }
    /// Emits the code behind the block, and fills in all code offsets.
    void finish();

    // --- status flags
    // ----------------------------------------------------------------------------------------------
    /// What follows overwrites the host's flags: saves the guest's where one of `live` is set. Uses R11.
    void release_flags(u16 live);
    /// The guest's flags must be in the host's register now. Uses R11.
    void require_flags();
    void flags_are(FlagsAt where) { flags_ = where; }
    [[nodiscard]] FlagsAt flags() const { return flags_; }

    // --- guest registers
    // -------------------------------------------------------------------------------------------
    /// The host register that holds guest `index`, loading a spilled one into `scratch`.
    jit::Gp read_register(unsigned index, const jit::Gp& scratch);
    void write_register(unsigned index, const jit::Gp& value);
    /// Its low 16 bits; the rest stays.
    void write_register_word(unsigned index, const jit::Gp& value);
    void load_constant(const jit::Gp& reg, u64 value);
    /// A constant that moves with the guest's code.
    void load_guest_address(const jit::Gp& reg, u64 address);
    /// The block says more about its address than its relocations can change.
    void keep_here() { movable_ = false; }

    // --- memory
    // ----------------------------------------------------------------------------------------------------
    /// R10 = offset of the memory operand in its segment. Uses R11; keeps flags.
    void effective_address(const Instruction& i);
    /// R10 = linear address of the memory operand. Uses R11; keeps flags, or releases them.
    void linear_address(const Instruction& i);
    /// R10, an offset, becomes a linear address. Uses R11; keeps flags, or releases them.
    void add_segment(x86::Segment segment, unsigned size, Access access);
    /// R10 = a register, or its low part, as an address of `bytes` bytes.
    void cut_address(const jit::Gp& from, unsigned bytes);
    /// R10 = host address of `size` bytes at linear address R10. Uses R11; overwrites host flags (release
    /// them first).
    void host_address(unsigned size, Access access);

    // --- the stack, slots of 2, 4 or 8 bytes: what the current instruction's operand size is
    // ----------------------------------------------------------------
    /// Do rules know slots and branch targets of this operand size in this mode? The others are rare.
    [[nodiscard]] bool has_slots_of(unsigned operand_size) const {
        return mode.segmented ? operand_size != 8 : operand_size == mode.code_size();
    }
    /// The part of a register that linear addresses use.
    [[nodiscard]] jit::Gp sized(const jit::Gp& reg) const {
        if (mode.legacy) return reg.r32();
        return reg;
    }
    /// R10 = host address of `bytes` bytes below the guest's stack pointer, to be written. Releases live
    /// flags.
    void find_pushed(unsigned bytes);
    /// R10 = host address of `bytes` bytes at `pointer` into the stack, to be read. Releases live flags.
    void find_on_stack(const jit::Gp& pointer, unsigned bytes);
    /// Guest RSP, or its part that is the stack pointer, = `from` + `distance`. Uses R11; flags stay.
    void move_stack_pointer(const jit::Gp& from, i32 distance);
    /// At host address R10. Four bytes clear the rest of a register, two leave it.
    void load_slot(const jit::Gp& into, unsigned bytes);
    void store_slot(const jit::Gp& from, unsigned bytes);

    // --- leaving
    // ---------------------------------------------------------------------------------------------------
    /// The interpreter runs the current instruction; translated code goes on behind it where that is
    /// possible.
    void interpret() { interpret(chain_); }
    /// The same for what the processor model does not have: the interpreter raises #UD.
    void interpret_foreign() { interpret(false); }
    /// The same where a jump to `label` says so; execution does not come back here. Flags are released.
    void interpret_where(const asmjit::Label& label);
    /// Goes on only if the linear page is still mapped to this page of RAM for code: else the interpreter
    /// runs the current instruction. Uses R11.
    void require_mapping(u64 linear_page, const u8* host_page);
    /// IF has just been set: an interrupt that waited for it is noticed at the next poll. Flags are released.
    void raise_interrupt_attention();
    /// The next host instruction may fault by itself: then the interpreter runs the current guest
    /// instruction.
    void mark_fault_point();
    /// Ends the block at a known address. `target_mode` may differ from ours.
    void jump_to(u64 rip, Mode target_mode);
    void jump_to(u64 rip) { jump_to(rip, mode); }
    /// A conditional jump of the guest: JRCXZ/Jcc by `emit_branch(label)`, both ways out. `patchable`: it is
    /// one instruction that ends in the 32-bit displacement.
    void branch_to(u64 rip, const std::function<void(const asmjit::Label&)>& emit_branch,
                   bool patchable = false);
    /// Does a branch to there leave the code segment? The interpreter raises #GP.
    [[nodiscard]] bool leaves_segment(u64 rip) const { return rip > segment_.last; }
    /// R10 = a branch's target of `bytes` bytes, nothing of the branch done yet: the interpreter runs it
    /// where it leaves the code segment. Releases live flags where it looks.
    void check_target(unsigned bytes);
    /// Ends the block at the address in R10. Flags are released.
    void jump_indirect();

 private:
    void interpret(bool may_be_fast);
    struct PendingSite {
        u32 number;
        asmjit::Label resume, found;
    };
    u32 new_site(const asmjit::Label& resume, const asmjit::Label& found = {});
    void cold(std::function<void()> emit) { cold_.push_back(std::move(emit)); }
    /// User code keeps to its page: other pages move with every change of the address space.
    [[nodiscard]] bool can_link(u64 rip, Mode target_mode) const {
        return on_our_page(rip) || (chain_ && target_mode.privilege != Privilege::user && !mode.segmented);
    }
    void link_to(u64 rip, Mode target_mode, const std::function<void(const asmjit::Label&)>& emit_jump);
    void jump_through_cache(u64 rip, unsigned privilege);
    void tag_jump(unsigned privilege);
    void untag_jump(unsigned privilege);
    [[nodiscard]] bool on_our_page(u64 rip) const {
        return ((segment_.linear(rip) ^ segment_.linear(block_.key.rip)) & page_mask) == 0;
    }
    void poll_attention(u16 live_in);
    /// The bytes emitted last depend on where the block is.
    void relocate_last(Relocation::Kind kind, unsigned bytes = 4, u32 address_at = 0);
    void load_site(u32 number);
    void jump_to_stub(u64 stub);

    const Stubs& stubs_;
    SiteTable& table_;
    Block& block_;
    const CodeSegment segment_;
    const u32 base_;  // code offset where this block begins
    const bool chain_;
    const GuestInstruction* current_ = nullptr;
    FlagsAt flags_ = FlagsAt::host;
    bool movable_;
    std::vector<std::function<void()>> cold_;
    std::vector<PendingSite> pending_sites_;
    struct PendingLink {
        Link* link;
        asmjit::Label unlinked;
    };
    std::vector<PendingLink> pending_links_;
};

}  // namespace softmetal::translator
