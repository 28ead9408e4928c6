#include "monitor/register_dump.hpp"

#include <array>
#include <fmt/format.h>
#include <iterator>
#include <string_view>

namespace softmetal::monitor {
namespace {

constexpr std::array<std::string_view, x86::gpr_count> gpr_names = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP",
                                                                    "RSI", "RDI", "R8 ", "R9 ", "R10", "R11",
                                                                    "R12", "R13", "R14", "R15"};
constexpr std::array<std::string_view, x86::segment_count> segment_names = {"ES", "CS", "SS",
                                                                            "DS", "FS", "GS"};

void segment_line(std::string& out, std::string_view name, const x86::SegmentRegister& s) {
    fmt::format_to(std::back_inserter(out), "{:4} {:04x} base {:016x} limit {:08x} attributes {:05x}\n", name,
                   s.selector, s.base, s.limit, s.attributes);
}

}  // namespace

std::string_view activity_name(Activity activity) {
    switch (activity) {
        case Activity::running: return "running";
        case Activity::halted: return "halted";
        case Activity::wait_for_startup: return "waiting for start-up";
        case Activity::shutdown: return "shut down";
    }
    return "?";
}

std::string register_dump(const CpuState& state) {
    std::string out;
    const auto add = std::back_inserter(out);
    for (unsigned i = 0; i < x86::gpr_count; i++)
        fmt::format_to(add, "{} {:016x}{}", gpr_names[i], state.gpr[i], i % 4 == 3 ? '\n' : ' ');
    fmt::format_to(add, "RIP {:016x} RFLAGS {:08x} CPL {} {}\n", state.rip, state.rflags, state.cpl(),
                   activity_name(state.activity));
    for (unsigned i = 0; i < x86::segment_count; i++) segment_line(out, segment_names[i], state.segment[i]);
    segment_line(out, "LDTR", state.ldtr);
    segment_line(out, "TR", state.tr);
    fmt::format_to(add, "GDTR {:016x}:{:04x} IDTR {:016x}:{:04x}\n", state.gdtr.base, state.gdtr.limit,
                   state.idtr.base, state.idtr.limit);
    fmt::format_to(add, "CR0 {:08x} CR2 {:016x} CR3 {:016x} CR4 {:08x} EFER {:04x} XCR0 {:x}\n", state.cr0,
                   state.cr2, state.cr3, state.cr4, state.efer, state.xcr0);
    fmt::format_to(add, "DR0 {:016x} DR1 {:016x} DR2 {:016x} DR3 {:016x} DR6 {:08x} DR7 {:08x}\n",
                   state.dr[0], state.dr[1], state.dr[2], state.dr[3], state.dr6, state.dr7);
    return out;
}

}  // namespace softmetal::monitor
