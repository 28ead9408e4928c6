#include "translator/block_emitter.hpp"

#include "x86/flags.hpp"

#include <algorithm>
#include <limits>

namespace softmetal::translator {
namespace {

using x86::flags::status;

constexpr std::size_t tlb_table(Access access, Privilege privilege) {
    const std::size_t tables = access == Access::read    ? offsetof(Tlb, read)
                               : access == Access::write ? offsetof(Tlb, write)
                                                         : offsetof(Tlb, execute);
    return offsetof(VcpuBlock, tlb) + tables + static_cast<unsigned>(privilege) * sizeof(TlbTable);
}
constexpr unsigned log2_entry = 4;
static_assert(sizeof(TlbEntry) == 1 << log2_entry && sizeof(JumpCache::Entry) == 1 << log2_entry);
constexpr u32 tlb_index_mask = (tlb_entries - 1) << log2_entry;

std::size_t jump_cache(unsigned privilege) {
    return SOFTMETAL_AREA(jump_cache) + privilege * sizeof(JumpCache);
}

}  // namespace

jit::Gp low_part(const jit::Gp& reg, unsigned bytes) {
    switch (bytes) {
        case 1: return reg.r8();
        case 2: return reg.r16();
        case 4: return reg.r32();
        default: return reg;
    }
}

BlockEmitter::BlockEmitter(jit::Assembler& assembler, const Stubs& stubs, SiteTable& table, Block& block,
                           const CodeSegment& segment, u32 base, bool chain)
    : a(assembler),
      mode(block.mode),
      stubs_(stubs),
      table_(table),
      block_(block),
      segment_(segment),
      base_(base),
      chain_(chain),
      movable_(chain && mode.privilege == Privilege::user && !mode.segmented) {
    block_.first_site = static_cast<u32>(table_.sites.size());
    block_.first_link = static_cast<u32>(table_.links.size());
    block_.first_relocation = static_cast<u32>(table_.relocations.size());
}

// --- block frame
// ------------------------------------------------------------------------------------------------------

void BlockEmitter::begin_block(u16 live_in) {
    block_.live_flags_in = live_in;
    block_.entry_flags_saved = base_ + static_cast<u32>(a.offset());
    if (live_in) emit_restore_flags(a);
    block_.entry = base_ + static_cast<u32>(a.offset());
    flags_ = FlagsAt::host;
    poll_attention(live_in);
}

/// Every loop of the guest passes a block entry, so this is where events are noticed.
void BlockEmitter::poll_attention(u16 live_in) {
    const asmjit::Label event = a.newLabel();
    const jit::Mem attention = block_field(offsetof(VcpuBlock, attention), 4);
    if (live_in) {
        const asmjit::Label quiet = a.newLabel();
        a.mov(temporary, jit::rcx);
        a.mov(jit::ecx, attention);
        a.jecxz(jit::rcx, quiet);
        a.mov(jit::rcx, temporary);
        a.jmp(event);
        a.bind(quiet);
        a.mov(jit::rcx, temporary);
    } else {
        a.cmp(attention, 0);
        a.jne(event);
    }
    const u32 site = new_site({});
    cold([this, event, live_in, site] {
        a.bind(event);
        if (live_in) emit_save_flags(a);
        load_site(site);
        jump_to_stub(stubs_.leave);
    });
}

u32 BlockEmitter::new_site(const asmjit::Label& resume, const asmjit::Label& found) {
    const u32 number = static_cast<u32>(table_.sites.size());
    Site site;
    site.block = &block_;
    if (current_) {
        site.instruction_offset = static_cast<u16>(current_->rip - block_.key.rip);
        site.instruction_length = current_->instruction.length;
        site.mnemonic = static_cast<u16>(current_->instruction.mnemonic);
    }
    site.flags = flags_;
    table_.sites.push_back(site);
    pending_sites_.push_back({number, resume, found});
    return number;
}

void BlockEmitter::finish() {
    // A cold path may add another.
    for (std::size_t n = 0; n < cold_.size(); n++) cold_[n]();
    const auto offset_of = [this](const asmjit::Label& label) {
        return label.isValid() ? base_ + static_cast<u32>(a.code()->labelOffset(label)) : 0;
    };
    for (const PendingSite& p : pending_sites_) {
        table_.sites[p.number].resume = offset_of(p.resume);
        table_.sites[p.number].found = offset_of(p.found);
    }
    for (const PendingLink& p : pending_links_)
        p.link->unlinked = base_ + static_cast<u32>(a.code()->labelOffset(p.unlinked));
    block_.code_end = base_ + static_cast<u32>(a.offset());
    block_.movable = movable_;
    if (!movable_) table_.relocations.resize(block_.first_relocation);
    block_.site_count = static_cast<u32>(table_.sites.size()) - block_.first_site;
    block_.link_count = static_cast<u32>(table_.links.size()) - block_.first_link;
    block_.relocation_count = static_cast<u32>(table_.relocations.size()) - block_.first_relocation;
}

// --- what depends on the block's place
// -------------------------------------------------------------------------------------------------------------

void BlockEmitter::relocate_last(Relocation::Kind kind, unsigned bytes, u32 address_at) {
    const std::size_t at = a.offset() - bytes;
    if (at > std::numeric_limits<u16>::max()) movable_ = false;
    if (!movable_) return;
    table_.relocations.push_back({static_cast<u16>(at), static_cast<u16>(address_at), kind});
}

void BlockEmitter::load_guest_address(const jit::Gp& reg, u64 address) {
    const std::size_t before = a.offset();
    load_constant(reg, address);
    // MOV with an immediate as wide as the guest's addresses: 64 bits behind REX.W and opcode, or 32.
    constexpr std::size_t wide = 10;
    const std::size_t length = a.offset() - before;
    if (mode.legacy ? length == wide : length != wide) movable_ = false;
    relocate_last(Relocation::Kind::guest_address, mode.address_bytes());
}

void BlockEmitter::load_site(u32 number) {
    a.mov(temporary.r32(), number);
    relocate_last(Relocation::Kind::site_number);
}

void BlockEmitter::jump_to_stub(u64 stub) {
    constexpr std::size_t near_jump = 5;
    const std::size_t before = a.offset();
    a.jmp(stub);
    if (a.offset() - before != near_jump) movable_ = false;
    relocate_last(Relocation::Kind::stub);
}

// --- flags
// ------------------------------------------------------------------------------------------------------------

void BlockEmitter::release_flags(u16 live) {
    if (flags_ == FlagsAt::saved || !(live & status)) return;
    emit_save_flags(a);
    flags_ = FlagsAt::saved;
}

void BlockEmitter::require_flags() {
    if (flags_ == FlagsAt::host) return;
    emit_restore_flags(a);
    flags_ = FlagsAt::host;
}

// --- registers
// --------------------------------------------------------------------------------------------------------

jit::Gp BlockEmitter::read_register(unsigned index, const jit::Gp& scratch) {
    if (!is_spilled(index)) return jit::gpq(host_number(index));
    a.mov(scratch, guest_gpr(index));
    return scratch;
}

void BlockEmitter::write_register(unsigned index, const jit::Gp& value) {
    if (is_spilled(index))
        a.mov(guest_gpr(index), value);
    else
        a.mov(jit::gpq(host_number(index)), value);
}

void BlockEmitter::write_register_word(unsigned index, const jit::Gp& value) {
    if (is_spilled(index))
        a.mov(block_field(SOFTMETAL_STATE(gpr) + 8 * index, 2), value.r16());
    else
        a.mov(jit::gpw(host_number(index)), value.r16());
}

void BlockEmitter::load_constant(const jit::Gp& reg, u64 value) {
    if (value <= std::numeric_limits<u32>::max())
        a.mov(reg.r32(), static_cast<u32>(value));
    else
        a.mov(reg, value);
}

// --- memory
// -----------------------------------------------------------------------------------------------------------

void BlockEmitter::effective_address(const Instruction& i) {
    const MemoryOperand& m = i.memory;
    constexpr u8 none = MemoryOperand::no_register;
    const jit::Gp result = m.address_size == 8 ? address_register : address_register.r32();
    if (m.base == none && m.index == none) {
        u64 offset = static_cast<u64>(m.displacement) + (m.rip_relative ? current_->next_rip() : 0);
        if (m.address_size == 4) offset = static_cast<u32>(offset);
        if (m.address_size == 2) offset = static_cast<u16>(offset);
        if (m.rip_relative)
            load_guest_address(address_register, offset);
        else
            load_constant(address_register, offset);
    } else {
        // LEA takes any base, index, scale and 32-bit displacement; asmjit names the index's shift.
        const i32 displacement = static_cast<i32>(m.displacement);
        const u32 shift = static_cast<u32>(std::countr_zero(m.scale));
        if (m.index == none) {
            a.lea(result, jit::ptr(read_register(m.base, address_register), displacement));
        } else if (m.base == none) {
            a.lea(result,
                  jit::ptr(static_cast<u64>(i64{displacement}), read_register(m.index, temporary), shift));
        } else {
            const jit::Gp base = read_register(m.base, address_register);
            a.lea(result, jit::ptr(base, read_register(m.index, temporary), shift, displacement));
        }
        if (m.address_size == 2) cut_address(address_register, 2);
    }
}

void BlockEmitter::cut_address(const jit::Gp& from, unsigned bytes) {
    switch (bytes) {
        case 2: a.movzx(address_register.r32(), from.r16()); break;
        case 4: a.mov(address_register.r32(), from.r32()); break;
        default: a.mov(address_register, from); break;
    }
}

void BlockEmitter::linear_address(const Instruction& i) {
    effective_address(i);
    add_segment(i.memory.segment, i.memory.size, i.memory.written ? Access::write : Access::read);
}

void BlockEmitter::add_segment(x86::Segment segment, unsigned size, Access access) {
    if (!mode.legacy) {
        if (segment != x86::Segment::fs && segment != x86::Segment::gs) return;
        a.mov(temporary, segment_base(segment));
        a.lea(address_register, jit::ptr(address_register, temporary));
        return;
    }
    const bool flat =
        segment == x86::Segment::ds || segment == x86::Segment::es || segment == x86::Segment::ss;
    if (!mode.segmented && flat) return;
    using Reach = TranslatedCodeArea::Reach;
    const std::size_t end =
        SOFTMETAL_AREA(reach) + static_cast<unsigned>(segment) * sizeof(Reach) +
        (access == Access::write ? offsetof(Reach, write_end) : offsetof(Reach, read_end));
    const asmjit::Label outside = a.newLabel();
    release_flags(current_->live_before());
    a.lea(temporary, jit::ptr(address_register, static_cast<i32>(std::max(size, 1u))));
    a.cmp(temporary, block_field(end));
    a.ja(outside);
    interpret_where(outside);
    a.add(address_register.r32(), segment_base(segment, 4));
}

void BlockEmitter::host_address(unsigned size, Access access) {
    const std::size_t table = tlb_table(access, mode.privilege);
    const jit::Mem tag = block_field(temporary, table + offsetof(TlbEntry, tag));
    const asmjit::Label retry = a.newLabel(), slow = a.newLabel(), found = a.newLabel();
    a.bind(retry);
    a.mov(temporary, address_register);
    a.shr(temporary, page_shift - log2_entry);
    a.and_(temporary.r32(), tlb_index_mask);
    a.xor_(address_register, tag);
    a.cmp(address_register, static_cast<i32>(page_size - size));
    a.ja(slow);
    a.add(address_register, block_field(temporary, table + offsetof(TlbEntry, host)));
    a.bind(found);
    const u32 site = new_site(retry, found);
    table_.sites[site].access = access;
    table_.sites[site].size = static_cast<u8>(size);
    cold([this, slow, tag, site] {
        a.bind(slow);
        a.xor_(address_register, tag);  // the linear address again
        load_site(site);
        jump_to_stub(stubs_.tlb_miss);
    });
}

// --- the stack
// --------------------------------------------------------------------------------------------------------

void BlockEmitter::find_pushed(unsigned bytes) {
    a.lea(sized(address_register), jit::ptr(guest_rsp, -static_cast<i32>(bytes)));
    if (mode.stack16) cut_address(address_register, 2);
    if (mode.segmented) add_segment(x86::Segment::ss, bytes, Access::write);
    release_flags(current_->live_before());
    host_address(bytes, Access::write);
}

void BlockEmitter::find_on_stack(const jit::Gp& pointer, unsigned bytes) {
    cut_address(pointer, mode.stack16 ? 2 : mode.address_bytes());
    if (mode.segmented) add_segment(x86::Segment::ss, bytes, Access::read);
    release_flags(current_->live_before());
    host_address(bytes, Access::read);
}

void BlockEmitter::move_stack_pointer(const jit::Gp& from, i32 distance) {
    if (mode.stack16) {
        a.lea(temporary.r32(), jit::ptr(from, distance));
        a.mov(guest_rsp.r16(), temporary.r16());
    } else {
        a.lea(sized(guest_rsp), jit::ptr(from, distance));
    }
}

void BlockEmitter::load_slot(const jit::Gp& into, unsigned bytes) {
    a.mov(low_part(into, bytes), jit::ptr(address_register, 0, bytes));
}

void BlockEmitter::store_slot(const jit::Gp& from, unsigned bytes) {
    a.mov(jit::ptr(address_register, 0, bytes), low_part(from, bytes));
}

// --- leaving
// ----------------------------------------------------------------------------------------------------------

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
