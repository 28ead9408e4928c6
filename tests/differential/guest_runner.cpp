#include "guest_runner.hpp"

#include "test_segments.hpp"

#include <cstring>

namespace softmetal::differential {

Result<std::unique_ptr<GuestRunner>> GuestRunner::create(std::string_view engine, KernelMode mode,
                                                         const CpuModel& model) {
    auto memory = GuestMemory::create(GuestKernel::ram_bytes);
    if (!memory) return std::unexpected(memory.error());
    std::unique_ptr<GuestRunner> runner(new GuestRunner(std::move(*memory), mode, model));
    auto made = make_engine(engine, runner->vcpu_);
    if (!made) return std::unexpected(made.error());
    runner->engine_ = std::move(*made);
    return runner;
}

GuestRunner::GuestRunner(std::unique_ptr<GuestMemory> memory, KernelMode mode, const CpuModel& model)
    : memory_(std::move(memory)),
      kernel_(*memory_, mode),
      model_(model),
      vcpu_(0, model_, {*memory_, ports_, mmio_, clock_}),
      initial_(kernel_.initial_state(model_)) {
    vcpu_.state = initial_;
    vcpu_.mmu.flush_all();
}

void GuestRunner::prepare(const TestCase& test) {
    using x86::Segment;
    for (std::size_t i = 0; i < pages.size(); i++) {
        const GuestPhysical page{GuestKernel::case_pages + i * page_size};
        memory_->about_to_write(page, page_size);
        std::memcpy(memory_->pointer(page), test.memory.bytes[i].data(), page_size);
    }
    CpuState& s = vcpu_.state;
    s = initial_;
    s.gpr = test.registers.gpr;
    s.rip = test.registers.rip;
    s.rflags = test.registers.rflags;
    s.extended = test.registers.extended;
    s.seg(Segment::cs) = segments::loaded(test.selectors.cs);
    s.seg(Segment::ds) = segments::loaded(test.selectors.ds);
    s.seg(Segment::es) = segments::loaded(test.selectors.es);
    s.seg(Segment::fs) = segments::loaded(test.selectors.fs);
    s.seg(Segment::gs) = segments::loaded(test.selectors.gs);
    s.seg(Segment::ss) = segments::loaded(test.selectors.ss);
    if (test.code_size == 8) {
        s.seg(Segment::fs).base = test.fs_base;
        s.seg(Segment::gs).base = test.gs_base;
    }
}

void GuestRunner::run(const TestCase& test, Outcome& outcome) {
    prepare(test);
    constexpr u64 budget = 20'000;  // a REP of a few thousand elements, one at a time
    engine_->run(budget);

    using x86::Segment;
    const CpuState& s = vcpu_.state;
    outcome = {};
    Registers& r = outcome.registers;
    r.gpr = s.gpr;
    r.extended = s.extended;
    outcome.selectors = {.ds = s.seg(Segment::ds).selector,
                         .es = s.seg(Segment::es).selector,
                         .fs = s.seg(Segment::fs).selector,
                         .gs = s.seg(Segment::gs).selector};
    if (test.code_size == 8 && test.local_segments) {
        outcome.fs_base = s.seg(Segment::fs).base;
        outcome.gs_base = s.seg(Segment::gs).base;
    }
    // The host's state comes out of an XSAVE, which on AMD has the pointers of a pending exception only.
    if (model_.is_amd() && !s.extended.x87_exception_pending())
        r.extended.fop = 0, r.extended.fip = r.extended.fdp = 0;
    if (s.activity == Activity::shutdown) {
        outcome.vector = shut_down;
    } else if (const auto e = kernel_.exception(s); e && s.activity == Activity::halted) {
        outcome.vector = e->vector;
        outcome.error_code = e->error_code;
        r.rip = e->rip, r.rflags = e->rflags, r.gpr[x86::rsp] = e->rsp;
        outcome.selectors.cs = e->cs, outcome.selectors.ss = e->ss;
        if (test.code_size != 8 || e->cs != segments::user_code64) r.gpr[x86::rsp] &= 0xffffffff;
        if (outcome.vector == static_cast<unsigned>(x86::Vector::page_fault)) outcome.cr2 = s.cr2;
    } else {
        outcome.vector = endless;
        r.rip = s.rip;
    }
    for (std::size_t i = 0; i < pages.size(); i++)
        std::memcpy(outcome.memory.bytes[i].data(),
                    memory_->pointer({GuestKernel::case_pages + i * page_size}), page_size);
}

}  // namespace softmetal::differential
