#include "translator/translator.hpp"

#include "base/bits.hpp"
#include "cpu/event_delivery.hpp"
#include "decoder/decoder.hpp"
#include "host/segment_base.hpp"
#include "interpreter/legality.hpp"
#include "translator/rules/rules.hpp"
#include "translator/runtime_calls.hpp"

#include <Zydis/Zydis.h>
#include <algorithm>

namespace softmetal {

using namespace translator;

namespace {

/// Room that any one block surely fits in.
constexpr u32 largest_block_code = 64 * 1024;

void emit_instruction(BlockEmitter& e, const CpuModel::Features& features) {
    const Instruction& i = e.current().instruction;
    // The host may have what the model hides, or not even that: #UD is the interpreter's to raise.
    if (!interpreter::means_itself(features, i)) return e.interpret_foreign();
    if (translate_address(e) || translate_control_transfer(e)) return;
    if (translate_stack(e) || translate_string(e) || translate_system(e) || translate_computation(e)) return;
    e.interpret();
}

/// Has the rule emitted its own ways out?
bool leaves_by_itself(const Instruction& i) {
    switch (i.category) {
        case ZYDIS_CATEGORY_COND_BR:
        case ZYDIS_CATEGORY_UNCOND_BR:
        case ZYDIS_CATEGORY_CALL:
        case ZYDIS_CATEGORY_RET: return true;
        default: return false;
    }
}

}  // namespace

Result<std::unique_ptr<Translator>> Translator::create(Vcpu& vcpu, Interpreter& interpreter,
                                                       Options options) {
    auto code = host::CodeMemory::create(options.cache_bytes);
    if (!code) return std::unexpected(code.error());
    auto recent = host::PrivateMemory::create("translations", TranslationCache::recent_bytes);
    if (!recent) return std::unexpected(recent.error());
    return std::unique_ptr<Translator>(
        new Translator(vcpu, interpreter, options, std::move(*code), std::move(*recent)));
}

Translator::Translator(Vcpu& vcpu, Interpreter& interpreter, Options options, host::CodeMemory code,
                       host::PrivateMemory recent)
    : vcpu_(vcpu),
      interpreter_(interpreter),
      options_(options),
      code_(std::move(code)),
      stubs_(emit_stubs(code_, vcpu.block, monitor_calls(*this))),
      cache_(std::make_unique<TranslationCache>(code_, std::move(recent), stubs_.bytes)),
      fast_calls_(vcpu, {code_.executable(), code_.size()}),
      heat_(heat_slots),
      fallbacks_by_mnemonic_(ZYDIS_MNEMONIC_MAX_VALUE + 1) {
    host::route_faults(code_.executable(), code_.size(), on_fault, this);
    vcpu_.memory.observe_code_writes(this);
    vcpu_.mmu.observe_flushes(this);
}

Translator::~Translator() {
    vcpu_.memory.observe_code_writes(nullptr);
    vcpu_.mmu.observe_flushes(nullptr);
    host::forget_faults(code_.executable());
}

// --- running
// ------------------------------------------------------------------------------------------------------------

void Translator::step_interpreter() {
    CpuState& state = vcpu_.state;
    // RF matters to instruction breakpoints only; without one it need not cost an interpreted instruction.
    if (!(state.dr7 & 0xff)) state.rflags &= ~x86::flags::rf;
    interpreter_.step();
    if (!(state.dr7 & 0xff)) state.rflags &= ~x86::flags::rf;
    vcpu_.notice_interrupt_window();
}

void Translator::part_flags() {
    area().saved_flags = pack_flags(vcpu_.state.rflags);
    vcpu_.state.rflags &= ~x86::flags::status;
}

void Translator::join_flags() {
    vcpu_.state.rflags = (vcpu_.state.rflags & ~x86::flags::status) | unpack_flags(area().saved_flags);
}

void Translator::claim_thread() {
    thread_local const VcpuBlock* addressed = nullptr;
    if (addressed == &vcpu_.block) return;
    host::set_gs_base(reinterpret_cast<u64>(&vcpu_.block));
    addressed = &vcpu_.block;
}

void Translator::select_mode() {
    if (code_segments_.crowded()) {
        drop_everything();
        code_segments_.clear();
    }
    const unsigned mode = current_mode().packed();
    if (Mode::family_of(mode) != Mode::family_of(mode_)) forget_all_jumps();
    mode_ = mode;
    if (Mode::is_legacy(mode)) measure_segments();
}

void Translator::run(u64 budget) {
    claim_thread();
    CpuState& state = vcpu_.state;
    do {
        // With attention raised translated code would leave at once, and the caller has been promised
        // progress.
        if (!translatable() || vcpu_.block.attention.load(std::memory_order_relaxed)) {
            step_interpreter();
            continue;
        }
        select_mode();
        const Block* block = find_or_translate();
        if (!block) {
            step_interpreter();
            continue;
        }
        enter(*block);
        switch (static_cast<Exit>(area().exit_code)) {
            case Exit::dispatch:
            case Exit::event: break;
            case Exit::interpret:
                vcpu_.counters.fallbacks++;
                fallbacks_by_mnemonic_[area().exit_value % fallbacks_by_mnemonic_.size()]++;
                step_interpreter();
                break;
        }
    } while (--budget && !vcpu_.block.attention.load(std::memory_order_relaxed) &&
             state.activity == Activity::running);
}

void Translator::enter(const Block& block) {
    CpuState& state = vcpu_.state;
    vcpu_.counters.dispatches++;
    part_flags();
    state.extended.xstate_bv = 7;
    remember_x87_pointers();
    stubs_.enter(code_.executable() + block.entry_flags_saved);
    hide_x87_pointers();
    join_flags();
}

std::optional<Translator::BlockRun> Translator::run_one_block() {
    claim_thread();
    if (!translatable() || vcpu_.block.attention.load(std::memory_order_relaxed)) return std::nullopt;
    select_mode();
    const Block* block = find_or_translate();
    if (!block) return std::nullopt;
    enter(*block);
    if (static_cast<Exit>(area().exit_code) == Exit::event) return BlockRun{block, 0, 0};
    if (static_cast<Exit>(area().exit_code) == Exit::dispatch)
        return BlockRun{block, block->instruction_count, block->points.back().live_flags};
    const u64 offset = vcpu_.state.rip - block->key.rip;
    const auto point = std::ranges::find(block->points, offset, &Block::Point::offset);
    return BlockRun{block, static_cast<unsigned>(point - block->points.begin()), point->live_flags};
}

u64 Translator::on_interpret(u64 number) {
    const Site site = cache_->table.sites[number];
    CpuState& state = vcpu_.state;
    state.rip = site_rip(site);
    hide_x87_pointers();
    if (!options_.chain) {
        area().exit_code = static_cast<u64>(Exit::interpret);
        return 0;
    }
    vcpu_.counters.fallbacks++;
    area().exit_code = static_cast<u64>(Exit::dispatch);
    join_flags();
    const u64 next = state.rip + site.instruction_length;
    fallbacks_by_mnemonic_[site.mnemonic]++;
    step_interpreter();
    part_flags();
    state.extended.xstate_bv = 7;
    remember_x87_pointers();
    if (state.activity != Activity::running) return 0;
    return continue_at(site, next);
}

// --- translating
// --------------------------------------------------------------------------------------------------------

Block* Translator::find_or_translate() {
    const u64 rip = vcpu_.state.rip;
    const GuestLinear where = linear(rip);
    const u8* page = code_page(where);
    if (!page) return nullptr;
    const Mode mode = current_mode();
    const BlockKey key{rip, page, mode.packed()};
    if (const auto* found = cache_->find(key)) return found->block;
    // Good for now and announced when it changes, as every translation found: its page needs no preparation.
    if (const Block* known = cache_->elsewhere(key); known && cache_->space_left() >= largest_block_code) {
        vcpu_.counters.blocks_copied++;
        return &cache_->copy(*known, key);
    }
    if (!is_hot(heat(page + where.offset()))) return nullptr;
    const bus::Nanoseconds before = vcpu_.clock.now();
    Block* block = translate(key, mode);
    const bus::Nanoseconds spent = vcpu_.clock.now() - before;
    vcpu_.counters.nanoseconds_translating += spent;
    vcpu_.counters.nanoseconds_translated -= spent;  // the run loop counts the whole of it there
    return block;
}

/// Counts. Code that is written to again and again is interpreted longer each time: programs keep variables
/// between their functions.
bool Translator::is_hot(Heat& heat) const {
    constexpr unsigned most = 250;
    if (heat.count >= std::min(options_.threshold << heat.dropped, most)) return true;
    heat.count++;
    return false;
}

/// The page of RAM there, marked as code before its bytes are read: a write from now on is noticed.
std::optional<GuestPhysical> Translator::prepare_code_page(GuestLinear where) {
    const auto place = vcpu_.mmu.translate(where, Access::execute, vcpu_.mmu.fetch_privilege());
    if (!place || !vcpu_.memory.page(place->physical)) return std::nullopt;
    const GuestPhysical page{place->physical.page()};
    if (vcpu_.memory.holds_settled_code_of(page, vcpu_.index)) return page;
    if (keeper_) return keeper_->keep(page) ? std::optional(page) : std::nullopt;
    vcpu_.memory.mark_code(page, vcpu_.index);
    vcpu_.mmu.revoke_write(page);
    return page;
}

Block* Translator::translate(const BlockKey& key, Mode mode) {
    if (cache_->space_left() < largest_block_code) drop_everything();
    const CodeSegment segment = current_code_segment();
    if (key.rip > segment.last) return nullptr;
    const u64 where = segment.linear(key.rip);
    const auto first = prepare_code_page({where});
    if (!first || vcpu_.memory.page(*first) != key.page) return nullptr;
    const GuestCode guest_code{key.rip, segment, mode.code_size(), key.page};
    GuestBlock guest = read_guest_block(guest_code, decode_cache_);
    const u64 behind = (where | ~page_mask) + 1;
    const u64 second_linear = mode.legacy ? static_cast<u32>(behind) : behind;
    const u8* second_page = nullptr;
    if (guest.straddles) {
        const auto second = prepare_code_page({second_linear});
        if (!second || !vcpu_.memory.holds_settled_code_of(*first, vcpu_.index)) return nullptr;
        second_page = vcpu_.memory.page(*second);
        guest = read_straddling_instruction(guest_code, second_page, decode_cache_);
    }
    if (guest.instructions.empty()) return nullptr;

    Block& block = cache_->create(key, mode);
    block.lines = guest.lines;
    block.page_offset = static_cast<u16>(where & ~page_mask);
    block.second_page = second_page;
    block.second_lines = guest.second_lines;
    const u32 base = cache_->next_code();
    asmjit::CodeHolder& code = code_holder_;
    code.reset(asmjit::ResetPolicy::kSoft);
    code.init(asmjit::Environment::host(), host_code(base));
    code.attach(&assembler_);
    BlockEmitter e(assembler_, stubs_, cache_->table, block, segment, base, options_.chain);
    e.begin_block(guest.instructions.front().live_before() & x86::flags::status);
    for (const GuestInstruction& g : guest.instructions) {
        e.begin_instruction(g);
        if (second_page) e.require_mapping(second_linear, second_page);
        emit_instruction(e, vcpu_.model.features());
    }
    const GuestInstruction& last = guest.instructions.back();
    if (!leaves_by_itself(last.instruction)) e.jump_to(last.next_rip());
    e.finish();
    code.flatten();
    code.resolveUnresolvedLinks();
    code.relocateToBase(host_code(base));
    code.copyFlattenedData(code_.writable() + base, code.codeSize());
    block.guest_bytes = static_cast<u16>(last.next_rip() - key.rip);
    block.instruction_count = static_cast<u16>(guest.instructions.size());
    if (!options_.chain) {
        for (const GuestInstruction& g : guest.instructions)
            block.points.push_back({static_cast<u16>(g.rip - key.rip), g.live_before()});
        block.points.push_back({block.guest_bytes, last.live_after});
    }
    cache_->publish(block);
    vcpu_.counters.blocks_translated++;
    vcpu_.counters.instructions_translated += block.instruction_count;
    vcpu_.counters.translated_code_bytes += block.code_end - base;
    return &block;
}

// --- forgetting
// ---------------------------------------------------------------------------------------------------------

void Translator::forget_jumps(unsigned privilege) {
    JumpCacheUse& use = jump_use_[privilege];
    JumpCache& cache = area().jump_cache[privilege];
    if (use.count > JumpCacheUse::capacity)
        cache.clear();
    else
        for (unsigned n = 0; n < use.count; n++) cache.forget(use.indices[n]);
    use.count = 0;
    use.pages.fill(0);
    use.local = false;
    use.halves = {};
}

void Translator::forget_all_jumps() {
    cache_->disconnect_crossings();
    for (unsigned p = 0; p < privilege_count; p++) forget_jumps(p);
    jump_tags_ = {};
    last_tag_ = 0;
    select_jump_tag();
}

void Translator::select_jump_tag() {
    JumpTag& known = jump_tags_[address_space_ % jump_tags_.size()];
    if (known.address_space != address_space_ || known.tag == 0) {
        if ((last_tag_ + 1) >> tag_bits) return forget_all_jumps();
        known = {address_space_, ++last_tag_};
    }
    area().jump_tag = known.tag << tag_shift;
}

void Translator::tlb_flushed(bool global_too, u64 address_space) {
    address_space_ = address_space;
    if (global_too) return forget_all_jumps();
    for (const Privilege p : {Privilege::supervisor, Privilege::supervisor_any})
        if (jump_use_[static_cast<unsigned>(p)].local) forget_jumps(static_cast<unsigned>(p));
    select_jump_tag();
}

void Translator::tlb_page_invalidated(GuestLinear page, bool may_hold_code) {
    if (!may_hold_code) return;
    jump_tags_[address_space_ % jump_tags_.size()] = {};  // user code is looked up anew
    select_jump_tag();
    const u64 hash = (page.value >> page_shift) * 0x9e3779b97f4a7c15 >> 52;
    const bool upper_half = page.value >> 63;
    for (const Privilege p : {Privilege::supervisor, Privilege::supervisor_any}) {
        const JumpCacheUse& use = jump_use_[static_cast<unsigned>(p)];
        if (use.halves[upper_half] && use.pages[hash >> 6] >> (hash & 63) & 1)
            forget_jumps(static_cast<unsigned>(p));
    }
    cache_->disconnect_crossings_to(page.value);
}

void Translator::code_about_to_change(GuestPhysical address, u64 size, u64) {
    const u8* page = vcpu_.memory.writable_page(address);
    bool dropped = false;
    const bool empty = cache_->invalidate(page, code_lines(address.offset(), size), [&](Block& block) {
        dropped = true;
        constexpr u8 most_patience = 5;
        Heat& h = heat(block.key.page + block.page_offset);
        h = {.count = 0, .dropped = static_cast<u8>(std::min<unsigned>(h.dropped + 1u, most_patience))};
        JumpCache& jumps = area().jump_cache[Mode::privilege_of(block.key.mode)];
        const unsigned place = JumpCache::index(block.key.rip);
        if (jumps.entries[place].code == host_code(block.entry_flags_saved)) jumps.forget(place);
    });
    if (dropped) vcpu_.counters.code_page_invalidations++;
    if (empty) vcpu_.memory.unmark_code(address, vcpu_.index);
}

void Translator::drop_everything() {
    vcpu_.counters.cache_flushes++;
    cache_->clear();
    forget_all_jumps();
    // Pages stay marked as code until the next write to them finds no block there.
}

// --- host faults
// --------------------------------------------------------------------------------------------------------

bool Translator::on_fault(host::FaultFrame& frame, void* owner) {
    Translator& t = *static_cast<Translator*>(owner);
    const u32 offset = static_cast<u32>(frame.rip() - reinterpret_cast<u64>(t.code_.executable()));
    const Block* block = t.cache_->containing(offset);
    if (!block) return false;
    const auto point = std::ranges::lower_bound(block->fault_points, offset, {}, &Block::FaultPoint::code);
    if (point == block->fault_points.end() || point->code != offset) return false;
    const Site& site = t.cache_->table.sites[point->site];
    t.area().exit_value = point->site;
    frame.rip() = site.flags == FlagsAt::host ? t.stubs_.fault_flags_in_host : t.stubs_.fault_flags_saved;
    return true;
}

std::vector<std::pair<std::string, u64>> Translator::fallback_profile() const {
    std::vector<std::pair<std::string, u64>> profile;
    for (std::size_t m = 0; m < fallbacks_by_mnemonic_.size(); m++)
        if (fallbacks_by_mnemonic_[m]) {
            const char* name = ZydisMnemonicGetString(static_cast<ZydisMnemonic>(m));
            profile.emplace_back(name ? name : "?", fallbacks_by_mnemonic_[m]);
        }
    std::ranges::sort(profile, std::greater{}, &std::pair<std::string, u64>::second);
    return profile;
}

}  // namespace softmetal
