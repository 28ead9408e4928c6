#include "guest_runner.hpp"

#include "x86/page_tables.hpp"

#include <cstring>

namespace softmetal::differential {
namespace {

// Guest-physical pages; the kernel half maps them one to one.
constexpr u64 ram_bytes = 1 << 20;
constexpr u64 pml4 = 0x1000, first_table = 0x2000;
constexpr u64 gdt = 0x20000, idt = 0x21000, tss = 0x22000, handlers = 0x23000, handler_stack_end = 0x25000;
constexpr u64 case_pages = 0x30000;
constexpr u64 kernel_base = 0xffff'8000'0000'0000;
constexpr u64 handler_spacing = 16;
constexpr unsigned vectors = 32;
constexpr u16 kernel_code = 0x10, kernel_data = 0x18, task = 0x80;

struct HostSelectors {
    u16 cs, ss, ds, es, fs, gs;
};

/// MOV r, Sreg and PUSH FS show them, so the guest has the host's.
HostSelectors host_selectors() {
    HostSelectors s;
    asm("mov %%cs, %0" : "=r"(s.cs));
    asm("mov %%ss, %0" : "=r"(s.ss));
    asm("mov %%ds, %0" : "=r"(s.ds));
    asm("mov %%es, %0" : "=r"(s.es));
    asm("mov %%fs, %0" : "=r"(s.fs));
    asm("mov %%gs, %0" : "=r"(s.gs));
    return s;
}

constexpr u64 code_descriptor = 0x00af'9b00'0000'ffff, data_descriptor = 0x00cf'9300'0000'ffff;
constexpr u64 user_level = u64{3} << 45;

x86::SegmentRegister segment(u16 selector, u64 descriptor) {
    return {.selector = selector,
            .attributes = static_cast<u32>(descriptor >> 40) & 0xf0ff,
            .base = 0,
            .limit = 0xffffffff};
}

}  // namespace

Result<std::unique_ptr<GuestRunner>> GuestRunner::create(std::string_view engine) {
    auto memory = GuestMemory::create(ram_bytes);
    if (!memory) return std::unexpected(memory.error());
    std::unique_ptr<GuestRunner> runner(new GuestRunner(std::move(*memory)));
    auto made = make_engine(engine, runner->vcpu_);
    if (!made) return std::unexpected(made.error());
    runner->engine_ = std::move(*made);
    return runner;
}

GuestRunner::GuestRunner(std::unique_ptr<GuestMemory> memory)
    : memory_(std::move(memory)),
      model_(CpuModel::host(1, 1'000'000'000)),
      vcpu_(0, model_, {*memory_, ports_, mmio_, clock_}),
      next_table_(first_table) {
    build_tables();
    initial_ = initial_state();
    vcpu_.state = initial_;
    vcpu_.mmu.flush_all();
}

void GuestRunner::map(u64 linear, u64 physical, u64 rights) {
    u64 table = pml4;
    for (unsigned shift = 39; shift > page_shift; shift -= 9) {
        const u64 entry = table + (linear >> shift & 511) * 8;
        if (!get(entry)) {
            put(entry, next_table_ | x86::pte::present | x86::pte::writable | x86::pte::user);
            next_table_ += page_size;
        }
        table = get(entry) & page_mask;
    }
    put(table + (linear >> page_shift & 511) * 8, physical | x86::pte::present | rights);
}

void GuestRunner::build_tables() {
    using namespace x86;
    for (std::size_t i = 0; i < pages.size(); i++) {
        u64 rights = pte::user | (pages[i].writable ? pte::writable : 0);
        if (pages[i].linear != layout::code) rights |= pte::no_execute;
        map(pages[i].linear, case_pages + i * page_size, rights);
    }
    for (u64 page = gdt; page < handler_stack_end; page += page_size)
        map(kernel_base + page, page, pte::writable);

    const HostSelectors host = host_selectors();
    put(gdt + kernel_code, code_descriptor);
    put(gdt + kernel_data, data_descriptor);
    put(gdt + selector::offset(host.cs), code_descriptor | user_level);
    put(gdt + selector::offset(host.ss), data_descriptor | user_level);

    // A handler says which vector it is by where its HLT stands. INT3 needs a gate that user level may call.
    for (u64 vector = 0; vector < vectors; vector++) {
        const u64 handler = kernel_base + handlers + vector * handler_spacing;
        const u64 attributes = 0x8e00 | (vector == completed ? 0x6000 : 0);
        put(idt + vector * 16,
            (handler & 0xffff) | u64{kernel_code} << 16 | attributes << 32 | (handler >> 16 & 0xffff) << 48);
        put(idt + vector * 16 + 8, handler >> 32);
        *memory_->pointer({handlers + vector * handler_spacing}) = 0xf4;
    }
    const u64 stack = kernel_base + handler_stack_end;
    std::memcpy(memory_->pointer({tss + 4}), &stack, 8);  // RSP0
}

CpuState GuestRunner::initial_state() const {
    using namespace x86;
    CpuState s;
    s.cr0 = cr0::pe | cr0::mp | cr0::et | cr0::ne | cr0::wp | cr0::am | cr0::pg;
    s.cr3 = pml4;
    s.cr4 = (cr4::pae | cr4::osfxsr | cr4::osxmmexcpt | cr4::osxsave) & model_.supported_cr4();
    s.efer = efer::sce | efer::lme | efer::lma | efer::nxe;
    s.xcr0 = model_.supported_xcr0();
    s.gdtr = {kernel_base + gdt, 0xfff};
    s.idtr = {kernel_base + idt, vectors * 16 - 1};
    const HostSelectors host = host_selectors();
    s.seg(Segment::cs) = segment(host.cs, code_descriptor | user_level);
    s.seg(Segment::ss) = segment(host.ss, data_descriptor | user_level);
    for (const auto& [which, selector] : {std::pair{Segment::ds, host.ds},
                                          {Segment::es, host.es},
                                          {Segment::fs, host.fs},
                                          {Segment::gs, host.gs}})
        s.seg(which) = {.selector = selector};
    s.tr = {.selector = task,
            .attributes = system_type::tss_busy | segment_attribute::present,
            .base = kernel_base + tss,
            .limit = 0x67};
    return s;
}

void GuestRunner::run(const TestCase& test, Outcome& outcome) {
    for (std::size_t i = 0; i < pages.size(); i++) {
        memory_->about_to_write({case_pages + i * page_size}, page_size);
        std::memcpy(memory_->pointer({case_pages + i * page_size}), test.memory.bytes[i].data(), page_size);
    }
    CpuState& s = vcpu_.state;
    s = initial_;
    s.gpr = test.registers.gpr;
    s.rip = test.registers.rip;
    s.rflags = test.registers.rflags;
    s.extended = test.registers.extended;
    s.seg(x86::Segment::gs).base = test.gs_base;

    constexpr u64 budget = 20'000;  // a REP of a few thousand elements, one at a time
    engine_->run(budget);

    outcome = {};
    Registers& r = outcome.registers;
    r.gpr = s.gpr;
    r.extended = s.extended;
    // The host's state comes out of an XSAVE, which on AMD has the pointers of a pending exception only.
    if (model_.is_amd() && !s.extended.x87_exception_pending())
        r.extended.fop = 0, r.extended.fip = r.extended.fdp = 0;
    if (s.activity == Activity::shutdown) {
        outcome.vector = shut_down;
    } else if (s.activity != Activity::halted) {
        outcome.vector = endless;
        r.rip = s.rip;
    } else {
        outcome.vector = static_cast<unsigned>((s.rip - kernel_base - handlers) / handler_spacing);
        // The frame lies at the handler's RSP: error code where the vector has one, RIP, CS, RFLAGS, RSP, SS.
        u64 frame = s.gpr[x86::rsp] - kernel_base;
        if (frame <= handler_stack_end - 40 && outcome.vector < vectors) {
            if (x86::has_error_code(static_cast<x86::Vector>(outcome.vector))) {
                outcome.error_code = static_cast<u32>(get(frame));
                frame += 8;
            }
            r.rip = get(frame);
            r.rflags = get(frame + 16);
            r.gpr[x86::rsp] = get(frame + 24);
        }
        if (outcome.vector == 14) outcome.cr2 = s.cr2;
    }
    for (std::size_t i = 0; i < pages.size(); i++)
        std::memcpy(outcome.memory.bytes[i].data(), memory_->pointer({case_pages + i * page_size}),
                    page_size);
}

}  // namespace softmetal::differential
