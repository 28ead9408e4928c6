// What translated code calls while guest vector state is in the registers. This file is compiled without
// vector instructions; nothing here allocates, throws, or calls the C library.
#include "translator/runtime_calls.hpp"

#include "translator/translator.hpp"

namespace softmetal {

using translator::Block;
using translator::CodeSegment;
using translator::Link;
using translator::Mode;
using translator::Site;
using translator::TranslationCache;

/// Gives the stubs plain functions.
struct MonitorCallTargets {
    static Translator& self(void* context) { return *static_cast<Translator*>(context); }
    static u64 tlb_miss(void* c, u64 linear, u64 site) { return self(c).on_tlb_miss(linear, site); }
    static u64 resolve_link(void* c, u64, u64 link) { return self(c).on_resolve_link(link); }
    static u64 resolve_indirect(void* c, u64 rip, u64) { return self(c).on_resolve_indirect(rip); }
    static u64 leave(void* c, u64, u64 site) { return self(c).on_leave(site); }
    static u64 fast_call(void* c, u64 operand, u64 site) { return self(c).on_fast_call(operand, site); }
    static u64 interpret(void* c, u64, u64 site) { return self(c).on_interpret(site); }
};

translator::MonitorCalls monitor_calls(Translator& t) {
    using Targets = MonitorCallTargets;
    return {.context = &t,
            .tlb_miss = Targets::tlb_miss,
            .resolve_link = Targets::resolve_link,
            .resolve_indirect = Targets::resolve_indirect,
            .fast_call = Targets::fast_call,
            .interpret = Targets::interpret,
            .leave = Targets::leave};
}

namespace {

namespace attribute = x86::segment_attribute;
constexpr u32 plain_mask = attribute::unusable | attribute::not_system | attribute::code |
                           attribute::expand_down_or_conforming | attribute::writable_or_readable;
constexpr u32 plain_data = attribute::not_system | attribute::writable_or_readable;

bool covers_everything(const x86::SegmentRegister& s) { return s.base == 0 && s.limit == 0xffff'ffff; }

bool flat_data(const x86::SegmentRegister& s) {
    return covers_everything(s) && (s.attributes & plain_mask) == plain_data;
}

/// 32-bit code whose addresses are offsets in segments that allow everything (SDM vol. 3, ch. 3.2.1).
bool is_flat32(const CpuState& s) {
    const x86::SegmentRegister& ss = s.seg(x86::Segment::ss);
    return !s.real_mode() && !s.v86_mode() && s.code_size() == 4 &&
           covers_everything(s.seg(x86::Segment::cs)) && flat_data(ss) &&
           ss.attributes & attribute::default_big && flat_data(s.seg(x86::Segment::ds)) &&
           flat_data(s.seg(x86::Segment::es));
}

/// What translated code may access without asking anybody. Segments that expand downwards it leaves to the
/// interpreter. Real mode ignores types (SDM vol. 3, ch. 20.1).
TranslatedCodeArea::Reach reach_of(const x86::SegmentRegister& s, bool real_mode) {
    const bool code = s.attributes & attribute::code;
    const bool allows_more = s.attributes & attribute::writable_or_readable;
    if (!s.usable() || (!code && s.attributes & attribute::expand_down_or_conforming)) return {};
    const u64 end = u64{s.limit} + 1;
    return {.read_end = real_mode || !code || allows_more ? end : 0,
            .write_end = real_mode || (!code && allows_more) ? end : 0};
}

}  // namespace

CodeSegment Translator::current_code_segment() const {
    const CpuState& s = vcpu_.state;
    if (s.code64()) return {};
    const x86::SegmentRegister& cs = s.seg(x86::Segment::cs);
    return {.base = cs.base, .last = cs.limit};
}

Mode Translator::current_mode() {
    const CpuState& s = vcpu_.state;
    Mode mode;
    mode.privilege = vcpu_.mmu.data_privilege();
    mode.legacy = !s.code64();
    if (mode.legacy && !is_flat32(s)) {
        mode.segmented = true;
        mode.code16 = s.code_size() == 2;
        mode.stack16 = s.stack_size() == 2;
        // Never full: whoever may come with a new segment looks whether the table is crowded.
        mode.code_segment = code_segments_.number_of(current_code_segment()).value_or(0);
    }
    mode.x87 = !(s.cr0 & (x86::cr0::em | x86::cr0::ts));
    mode.sse = mode.x87 && s.cr4 & x86::cr4::osfxsr;
    mode.avx = mode.sse && s.cr4 & x86::cr4::osxsave && s.xcr0 & x86::xcr0::avx;
    mode.smap = s.cr4 & x86::cr4::smap;
    mode.fsgsbase = s.cr4 & x86::cr4::fsgsbase;
    return mode;
}

u64 Translator::on_tlb_miss(u64 linear, u64 number) {
    const Site& site = cache_->table.sites[number];
    vcpu_.state.rip = site_rip(site);
    area().exit_code = static_cast<u64>(Exit::interpret);
    area().exit_value = site.mnemonic;
    const u64 canonical = static_cast<u64>(static_cast<i64>(linear << 16) >> 16);
    const bool straddles = (linear & ~page_mask) + site.size > page_size;
    if (linear != canonical || straddles) return 0;
    const auto privilege = static_cast<Privilege>(Mode::privilege_of(site.block->key.mode));
    const auto fill = vcpu_.mmu.fill({linear}, site.access, privilege, CodeWrites::refused);
    // What faults is the interpreter's to raise: alignment or a pending x87 exception may come first. Device
    // memory and writes to code pages are not in the TLB and never will be: it performs them.
    if (!fill) return 0;
    if (fill->host) return host_code(site.resume);
    if (!fill->code_page || !options_.chain || !lies_beside_code(fill->physical, site.size)) return 0;
    area().fault_linear = reinterpret_cast<u64>(fill->code_page);
    return host_code(site.found);
}

/// A write to a page with translations of ours alone, which depend on none of those bytes: it need not be
/// announced. Whoever translates from the page from now on waits for this vCPU's next instruction boundary
/// (Mmu::fill has entered it among the page's writers).
bool Translator::lies_beside_code(GuestPhysical address, unsigned size) const {
    if (!vcpu_.memory.holds_code_of_only(address, vcpu_.index)) return false;
    const u64 lines = cache_->lines_on(vcpu_.memory.writable_page(address));
    return lines && !(lines & code_lines(address.offset(), size));
}

const u8* Translator::code_page(GuestLinear where) {
    const auto privilege = vcpu_.mmu.fetch_privilege();
    const u8* host = vcpu_.block.tlb.execute[static_cast<unsigned>(privilege)].find(where, 1);
    if (!host) {
        if (static_cast<u64>(static_cast<i64>(where.value << 16) >> 16) != where.value) return nullptr;
        const auto fill = vcpu_.mmu.fill(where, Access::execute, privilege, CodeWrites::refused);
        if (!fill || !fill->host) return nullptr;
        host = fill->host;
    }
    return host - where.offset();
}

const TranslationCache::Found* Translator::find_block(u64 rip, unsigned mode) {
    const u8* page = code_page(linear(rip));
    return page ? cache_->find({rip, page, mode}) : nullptr;
}

u64 Translator::remember_jump(const TranslationCache::Found& target) {
    const u64 rip = target.key.rip, where = linear(rip).value;
    const u64 code = host_code(target.entry_flags_saved);
    const unsigned privilege = Mode::privilege_of(target.key.mode);
    JumpCacheUse& use = jump_use_[privilege];
    const unsigned index = JumpCache::index(rip);
    area().jump_cache[privilege].entries[index] = {jump_key(rip, target.key.mode), code};
    if (use.count < JumpCacheUse::capacity)
        use.indices[use.count++] = static_cast<u16>(index);
    else
        use.count = JumpCacheUse::capacity + 1;
    use.halves[where >> 63] = true;
    const u64 page = (where >> page_shift) * 0x9e3779b97f4a7c15 >> 52;
    use.pages[page >> 6] |= u64{1} << (page & 63);
    if (privilege != static_cast<unsigned>(Privilege::user) && !use.local) use.local = !is_global({where});
    return code;
}

u64 Translator::on_resolve_link(u64 number) {
    Link& link = cache_->table.links[number];
    vcpu_.state.rip = link.target_rip;
    area().exit_code = static_cast<u64>(Exit::dispatch);
    const auto* found = find_block(link.target_rip, link.target_mode);
    if (!found) return 0;
    Block* target = found->block;
    // Within a page, that the page is the one at this address is what found us here. Elsewhere a link holds
    // until the target's page is mapped differently, which for a global page is announced.
    const bool lasting =
        link.crosses_pages ? is_global(linear(link.target_rip)) : target->key.page == link.from->key.page;
    if (link.from->valid && lasting) {
        cache_->connect(link, *target);
        vcpu_.counters.jumps_chained++;
    }
    return host_code(target->entry_flags_saved);
}

bool Translator::is_global(GuestLinear where) {
    const auto t =
        vcpu_.mmu.translate(where, Access::execute, vcpu_.mmu.fetch_privilege(), CodeWrites::refused);
    return t && t->global;
}

u64 Translator::on_resolve_indirect(u64 rip) {
    vcpu_.counters.indirect_misses++;
    vcpu_.state.rip = rip;
    area().exit_code = static_cast<u64>(Exit::dispatch);
    if (!options_.chain || vcpu_.block.attention.load(std::memory_order_relaxed)) return 0;
    const auto* target = find_block(rip, current_mode().packed());
    return target ? remember_jump(*target) : 0;
}

u64 Translator::on_fast_call(u64 operand, u64 number) {
    const Site& site = cache_->table.sites[number];
    CpuState& state = vcpu_.state;
    state.rip = site_rip(site);
    const u64 next = state.rip + site.instruction_length;
    area().exit_code = static_cast<u64>(Exit::dispatch);
    state.rflags = (state.rflags & ~x86::flags::status) | translator::unpack_flags(area().saved_flags);
    if (!fast_calls_.run(site.fast_call, next, operand)) {
        state.rflags &= ~x86::flags::status;
        area().exit_value = number;
        return stubs_.fault_flags_saved;  // the interpreter, then
    }
    area().saved_flags = translator::pack_flags(state.rflags);
    state.rflags &= ~x86::flags::status;
    vcpu_.notice_interrupt_window();
    return continue_at(site, next);
}

/// Behind an instruction that the monitor has executed: in the same block, at another one, or 0 to leave.
u64 Translator::continue_at(const Site& site, u64 next) {
    if (vcpu_.block.attention.load(std::memory_order_relaxed) || !translatable()) return 0;
    if (code_segments_.crowded()) return 0;
    const unsigned mode = current_mode().packed();
    if (Mode::family_of(mode) != Mode::family_of(mode_)) return 0;
    if (Mode::is_legacy(mode)) measure_segments();
    const u64 rip = vcpu_.state.rip;
    if (rip == next && site.resume && site.block->valid && mode == site.block->key.mode)
        return host_code(site.resume);
    const JumpCache::Entry& known =
        area().jump_cache[Mode::privilege_of(mode)].entries[JumpCache::index(rip)];
    if (known.rip == jump_key(rip, mode)) return known.code;
    const auto* target = find_block(rip, mode);
    return target ? remember_jump(*target) : 0;
}

void Translator::measure_segments() {
    const CpuState& s = vcpu_.state;
    for (unsigned n = 0; n < x86::segment_count; n++) area().reach[n] = reach_of(s.segment[n], s.real_mode());
    if (s.stack_size() == 2) {
        // Where SP is about to wrap, the interpreter looks after it.
        constexpr u64 end = 0x10000;
        TranslatedCodeArea::Reach& stack = area().reach[static_cast<unsigned>(x86::Segment::ss)];
        stack.read_end = stack.read_end < end ? stack.read_end : end;
        stack.write_end = stack.write_end < end ? stack.write_end : end;
    }
}

bool Translator::translatable() const {
    const CpuState& s = vcpu_.state;
    const unsigned cpl = s.cpl();
    return (cpl == 0 || cpl == 3) && s.shadow == InterruptShadow::none &&
           !(s.rflags & (x86::flags::tf | x86::flags::rf)) && !(s.dr7 & 0xff) && !s.ignores_x87_error &&
           !(cpl == 3 && s.rflags & x86::flags::ac && s.cr0 & x86::cr0::am);
}

u64 Translator::on_leave(u64 number) {
    vcpu_.state.rip = site_rip(cache_->table.sites[number]);
    area().exit_code = static_cast<u64>(Exit::event);
    return 0;
}

void translator::TranslationCache::connect(Link& link, Block& target) {
    if (link.to) return;
    if (link.crosses_pages && !link.in_crossing_list) {
        Link*& head = crossings_[crossing_bucket(link.target_rip)];
        link.next_crossing = head;
        head = &link;
        link.in_crossing_list = true;
    }
    link.to = &target;
    link.next_incoming = target.incoming;
    target.incoming = &link;
    const u32 entry = link.flags_saved ? target.entry_flags_saved : target.entry;
    const i32 distance = static_cast<i32>(entry) - static_cast<i32>(link.jump + 4);
    __builtin_memcpy(code_.writable() + link.jump, &distance, 4);
}

}  // namespace softmetal
