#include "translator/block_emitter.hpp"

#include "x86/flags.hpp"

#include <limits>

namespace softmetal::translator {

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
    if (flags_ == FlagsAt::saved || !(live & x86::flags::status)) return;
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

}  // namespace softmetal::translator
