#include "translator/lockstep.hpp"

#include "translator/undo_log.hpp"
#include "x86/page_tables.hpp"

#include <Zydis/Zydis.h>
#include <cstring>
#include <fmt/format.h>

namespace softmetal {

using translator::PageLog;

class Lockstep::UndoLog {
 public:
    PageLog translated, interpreted;
    std::vector<std::array<u8, page_size>> translated_result;  // by page of `translated`
};

Lockstep::Lockstep(Vcpu& vcpu, Interpreter& interpreter, Translator& translator,
                   std::function<void(std::string)> report)
    : vcpu_(vcpu),
      interpreter_(interpreter),
      translator_(translator),
      report_(std::move(report)),
      undo_(std::make_unique<UndoLog>()) {}

Lockstep::~Lockstep() { vcpu_.mmu.observe_writes(nullptr); }

void Lockstep::run(u64 budget) {
    do {
        compare_one_block();
        if (differences_) return;
        // The instruction the translator stopped at, or the one that promises progress.
        interpreter_.step();
        vcpu_.notice_interrupt_window();
    } while (--budget && !vcpu_.block.attention.load(std::memory_order_relaxed) &&
             vcpu_.state.activity == Activity::running);
}

void Lockstep::compare_one_block() {
    UndoLog& undo = *undo_;
    const CpuState before = vcpu_.state;
    undo.translated.clear();
    vcpu_.mmu.observe_writes(&undo.translated);
    const auto run = translator_.run_one_block();
    vcpu_.mmu.observe_writes(nullptr);
    if (!run || run->instructions == 0) {
        vcpu_.state = before;
        return;
    }
    const CpuState translated = vcpu_.state;

    // Undo.
    undo.translated_result.resize(
        std::max<std::size_t>(undo.translated_result.size(), undo.translated.count()));
    if (undo.translated.overflowed()) return;
    for (unsigned n = 0; n < undo.translated.count(); n++) {
        PageLog::Page& page = undo.translated.page(n);
        std::memcpy(undo.translated_result[n].data(), page.host, page_size);
        std::memcpy(page.host, page.before.data(), page_size);
    }
    vcpu_.state = before;

    // The reference.
    undo.interpreted.clear();
    vcpu_.mmu.observe_writes(&undo.interpreted);
    const u64 events = vcpu_.counters.page_faults + vcpu_.counters.exceptions;
    for (unsigned n = 0; n < run->instructions; n++) interpreter_.step();
    vcpu_.mmu.observe_writes(nullptr);
    blocks_compared_++;

    std::string what = compare(translated, run->live_flags);
    if (vcpu_.counters.page_faults + vcpu_.counters.exceptions != events)
        what += "  the interpreter raised an exception, the translator none\n";
    const auto differs = [](u64 a, u64 b) {
        // A walk may set A and D bits of a page-table entry the block has just written; the second walk finds
        // it in the TLB.
        constexpr u64 tolerated = x86::pte::accessed | x86::pte::dirty;
        return a != b && ((a ^ b) & ~tolerated || !(a & x86::pte::present));
    };
    const auto compare_page = [&](const u8* host, const u8* other) {
        for (unsigned offset = 0; offset < page_size; offset += 8) {
            u64 a, b;
            std::memcpy(&a, other + offset, 8);
            std::memcpy(&b, host + offset, 8);
            if (differs(a, b))
                what += fmt::format("  memory, page offset {:#x}: translated {:016x}, interpreted {:016x}\n",
                                    offset, a, b);
        }
    };
    for (unsigned n = 0; n < undo.translated.count(); n++)
        compare_page(undo.translated.page(n).host, undo.translated_result[n].data());
    for (unsigned n = 0; n < undo.interpreted.count(); n++)
        if (!undo.translated.find(undo.interpreted.page(n).host))
            compare_page(undo.interpreted.page(n).host, undo.interpreted.page(n).before.data());
    if (!what.empty()) describe(*run, before, what);
}

std::string Lockstep::compare(const CpuState& translated, u16 live_flags) const {
    const CpuState& reference = vcpu_.state;
    std::string what;
    const auto check = [&](const char* name, u64 t, u64 r) {
        if (t != r) what += fmt::format("  {}: translated {:016x}, interpreted {:016x}\n", name, t, r);
    };
    static constexpr std::array names = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                         "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    for (unsigned n = 0; n < x86::gpr_count; n++) check(names[n], translated.gpr[n], reference.gpr[n]);
    check("rip", translated.rip, reference.rip);
    const u64 flags = ~x86::flags::status | live_flags;
    check("rflags", translated.rflags & flags, reference.rflags & flags);
    const ExtendedState& t = translated.extended;
    const ExtendedState& r = reference.extended;
    check("mxcsr", t.mxcsr, r.mxcsr);
    check("fcw", t.fcw, r.fcw);
    check("fsw", t.fsw, r.fsw);
    check("ftw", t.ftw, r.ftw);
    for (unsigned n = 0; n < 16; n++) {
        check("xmm low", t.xmm[n].low, r.xmm[n].low);
        check("xmm high", t.xmm[n].high, r.xmm[n].high);
        check("ymm third", t.ymm_high[n].low, r.ymm_high[n].low);
        check("ymm fourth", t.ymm_high[n].high, r.ymm_high[n].high);
    }
    for (unsigned n = 0; n < 8; n++) {
        check("st mantissa", t.x87[n].low, r.x87[n].low);
        check("st exponent", t.x87[n].high & 0xffff, r.x87[n].high & 0xffff);
    }
    return what;
}

void Lockstep::describe(const Translator::BlockRun& run, const CpuState& before, const std::string& what) {
    differences_++;
    std::string text = fmt::format("lockstep: block at {:#x}, {} instructions, rflags before {:#x}\n{}",
                                   before.rip, run.instructions, before.rflags, what);
    const unsigned size = run.block->mode.code_size();
    const ZydisMachineMode mode = size == 8   ? ZYDIS_MACHINE_MODE_LONG_64
                                  : size == 4 ? ZYDIS_MACHINE_MODE_LONG_COMPAT_32
                                              : ZYDIS_MACHINE_MODE_LONG_COMPAT_16;
    const u64 in_page = before.linear_rip() & ~page_mask;
    const u8* code = run.block->key.page + in_page;
    for (unsigned n = 0; n < run.instructions; n++) {
        const unsigned offset = run.block->points[n].offset;
        ZydisDisassembledInstruction line;
        const u64 rip = before.rip + offset;
        if (ZYAN_SUCCESS(
                ZydisDisassembleIntel(mode, rip, code + offset, page_size - (in_page + offset), &line)))
            text += fmt::format("    {:x}  {}\n", rip, line.text);
    }
    report_(std::move(text));
}

}  // namespace softmetal
