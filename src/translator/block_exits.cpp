// Ways out of a block: to the interpreter, to other blocks, through the jump cache.
#include "translator/block_emitter.hpp"
#include "translator/look_up_tables.hpp"
#include "x86/flags.hpp"

namespace softmetal::translator {

using x86::flags::status;

void BlockEmitter::interpret(bool may_be_fast) {
    release_flags(status);
    const asmjit::Label resume = a.newLabel();
    const u32 number = new_site(resume);
    const Instruction& i = current_->instruction;
    // Lockstep compares whole instructions only, and these it leaves to the interpreter.
    const FastCallSite fast_call = may_be_fast ? fast_call_of(i, mode) : FastCallSite{};
    table_.sites[number].fast_call = fast_call;  // no reference: what follows makes sites of its own
    switch (operand_of(fast_call.call)) {
        case FastCallOperand::address: linear_address(i); break;
        case FastCallOperand::constant: load_constant(address_register, constant_of(i)); break;
        case FastCallOperand::selector:
            if (i.operands[1].kind == OperandKind::memory) {
                linear_address(i);
                host_address(2, Access::read);
                a.movzx(address_register.r32(), jit::word_ptr(address_register));
            } else {
                a.mov(address_register, read_register(i.operands[1].index, address_register));
            }
            break;
        case FastCallOperand::none: break;
    }
    load_site(number);
    jump_to_stub(fast_call.call == FastCall::none ? stubs_.interpret : stubs_.fast_call);
    a.bind(resume);
    flags_ = FlagsAt::saved;
}

void BlockEmitter::interpret_where(const asmjit::Label& label) {
    const u32 number = new_site({});
    cold([this, label, number] {
        a.bind(label);
        load_site(number);
        jump_to_stub(stubs_.interpret);
    });
}

void BlockEmitter::require_mapping(u64 linear_page, const u8* host_page) {
    keep_here();
    release_flags(current_->live_before());
    const Privilege fetches = mode.privilege == Privilege::user ? Privilege::user : Privilege::supervisor;
    const std::size_t entry =
        tlb_table(Access::execute, fetches) + TlbTable::index({linear_page}) * sizeof(TlbEntry);
    const asmjit::Label elsewhere = a.newLabel();
    load_constant(temporary, linear_page);
    a.cmp(block_field(entry + offsetof(TlbEntry, tag)), temporary);
    a.jne(elsewhere);
    load_constant(temporary, reinterpret_cast<u64>(host_page));
    a.cmp(block_field(entry + offsetof(TlbEntry, host)), temporary);
    a.jne(elsewhere);
    interpret_where(elsewhere);
}

void BlockEmitter::raise_interrupt_attention() {
    const asmjit::Label waits = a.newLabel(), done = a.newLabel();
    const jit::Mem waiting = block_field(offsetof(VcpuBlock, interrupt_waits_for));
    a.cmp(waiting, 0);
    a.jne(waits);
    a.bind(done);
    cold([this, waits, done, waiting] {
        a.bind(waits);
        a.mov(waiting, 0);
        a.lock().or_(block_field(offsetof(VcpuBlock, attention), 4), attention::interrupt);
        a.jmp(done);
    });
}

void BlockEmitter::mark_fault_point() {
    block_.fault_points.push_back({base_ + static_cast<u32>(a.offset()), new_site({})});
}

void BlockEmitter::jump_to(u64 rip, Mode target_mode) {
    if (!can_link(rip, target_mode)) {
        release_flags(status);
        jump_through_cache(rip, static_cast<unsigned>(target_mode.privilege));
        return;
    }
    link_to(rip, target_mode, [this](const asmjit::Label& unlinked) { a.long_().jmp(unlinked); });
}

void BlockEmitter::link_to(u64 rip, Mode target_mode,
                           const std::function<void(const asmjit::Label&)>& emit_jump) {
    const bool crosses = !on_our_page(rip);
    const asmjit::Label unlinked = a.newLabel();
    emit_jump(unlinked);
    Link& link = table_.links.emplace_back();
    const u32 number = static_cast<u32>(table_.links.size() - 1);
    link.from = &block_;
    link.target_rip = rip;
    link.target_mode = target_mode.packed();
    link.flags_saved = flags_ == FlagsAt::saved;
    link.crosses_pages = crosses;
    link.jump = base_ + static_cast<u32>(a.offset()) - 4;
    pending_links_.push_back({&link, unlinked});
    const bool save = flags_ == FlagsAt::host;
    cold([this, unlinked, number, save, rip] {
        a.bind(unlinked);
        if (save) emit_save_flags(a);
        if (chain_) {
            a.mov(temporary.r32(), number);
            relocate_last(Relocation::Kind::link_number);
            jump_to_stub(stubs_.resolve_link);
        } else {
            load_constant(address_register, rip);
            jump_to_stub(stubs_.resolve_indirect);
        }
    });
}

void BlockEmitter::branch_to(u64 rip, const std::function<void(const asmjit::Label&)>& emit_branch,
                             bool patchable) {
    const FlagsAt flags = flags_;
    if (patchable && can_link(rip, mode)) {
        link_to(rip, mode, emit_branch);
        jump_to(current_->next_rip());
        return;
    }
    const asmjit::Label taken = a.newLabel();
    emit_branch(taken);
    jump_to(current_->next_rip());
    a.bind(taken);
    flags_ = flags;
    jump_to(rip);
}

/// R10 = RIP, as the jump cache knows it. Flags are released. Uses R11 in segmented code.
void BlockEmitter::tag_jump(unsigned privilege) {
    if (mode.segmented) {
        a.mov(temporary, Mode::jump_key_bits(mode.packed()));
        a.or_(address_register, temporary);
    } else if (mode.legacy) {
        a.bts(address_register, JumpCache::legacy_bit);
    }
    if (privilege == static_cast<unsigned>(Privilege::user))
        a.xor_(address_register, block_field(SOFTMETAL_AREA(jump_tag)));
}

void BlockEmitter::untag_jump(unsigned privilege) {
    if (privilege == static_cast<unsigned>(Privilege::user))
        a.xor_(address_register, block_field(SOFTMETAL_AREA(jump_tag)));
    if (mode.legacy) a.mov(address_register.r32(), address_register.r32());
}

void BlockEmitter::jump_through_cache(u64 rip, unsigned privilege) {
    load_guest_address(address_register, rip);
    const u32 address_at = static_cast<u32>(a.offset()) - mode.address_bytes();
    if (chain_) {
        const asmjit::Label miss = a.newLabel();
        const std::size_t entry = jump_cache(privilege) + JumpCache::index(rip) * sizeof(JumpCache::Entry);
        tag_jump(privilege);
        a.cmp(block_field(entry + offsetof(JumpCache::Entry, rip)), address_register);
        relocate_last(Relocation::Kind::jump_cache_slot, 4, address_at);
        a.jne(miss);
        a.jmp(block_field(entry + offsetof(JumpCache::Entry, code)));
        relocate_last(Relocation::Kind::jump_cache_slot, 4, address_at);
        a.bind(miss);
        untag_jump(privilege);
    }
    jump_to_stub(stubs_.resolve_indirect);
}

void BlockEmitter::check_target(unsigned bytes) {
    if (!mode.segmented || segment_.last == 0xffff'ffff || (bytes == 2 && segment_.last >= 0xffff)) return;
    const asmjit::Label outside = a.newLabel();
    release_flags(current_->live_before());
    a.mov(temporary.r32(), static_cast<u32>(segment_.last));
    a.cmp(address_register.r32(), temporary.r32());
    a.ja(outside);
    interpret_where(outside);
}

void BlockEmitter::jump_indirect() {
    release_flags(status);
    if (chain_) {
        const asmjit::Label miss = a.newLabel();
        const unsigned privilege = static_cast<unsigned>(mode.privilege);
        const std::size_t cache = jump_cache(privilege);
        // What the tag adds lies above the bits that the place is made of.
        if (mode.segmented) tag_jump(privilege);
        a.mov(temporary, address_register);
        a.shr(temporary, JumpCache::hash_shift);
        a.xor_(temporary.r32(), address_register.r32());
        a.and_(temporary.r32(), JumpCache::entry_count - 1);
        a.shl(temporary.r32(), log2_entry);
        if (!mode.segmented) tag_jump(privilege);
        a.cmp(block_field(temporary, cache + offsetof(JumpCache::Entry, rip)), address_register);
        a.jne(miss);
        a.jmp(block_field(temporary, cache + offsetof(JumpCache::Entry, code)));
        a.bind(miss);
        untag_jump(privilege);
    }
    jump_to_stub(stubs_.resolve_indirect);
}

}  // namespace softmetal::translator
