#include "native_runner.hpp"

#include "test_segments.hpp"

#include <asm/ldt.h>
#include <asm/prctl.h>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

namespace softmetal::differential {
namespace {

constexpr std::array<int, 16> greg_of = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                         REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                         REG_R12, REG_R13, REG_R14, REG_R15};
constexpr std::array<int, 5> signals = {SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

/// The case under way; handlers find it here. One thread.
struct Transfer {
    const TestCase* test = nullptr;
    Outcome* outcome = nullptr;
    bool local_segments = false;
    u8 code_size = 8;
    u64 host_gs_base = 0;
    std::array<greg_t, NGREG> host_registers{};
    ExtendedState host_extended{};
};
Transfer transfer;

constexpr std::size_t header_offset = 512, header_size = 64;

/// Compiled code uses neither DS, ES and GS nor does the host's kernel, but it keeps them for the process.
/// From here on FS is not the host's: nothing compiled may come behind this but the way out of a handler.
void load_selectors(const Selectors& s) {
    asm volatile("mov %0, %%ds; mov %1, %%es; mov %2, %%gs; mov %3, %%fs" ::"r"(s.ds), "r"(s.es), "r"(s.gs),
                 "r"(s.fs));
}
/// In front of or behind load_selectors(), which changes them.
void load_bases(u64 fs_base, u64 gs_base) {
    asm volatile("wrfsbase %0; wrgsbase %1" ::"r"(fs_base), "r"(gs_base));
}
/// All but CS and SS, which the frame has.
Selectors save_selectors() {
    Selectors s;
    asm volatile("mov %%ds, %0; mov %%es, %1; mov %%gs, %2; mov %%fs, %3"
                 : "=r"(s.ds), "=r"(s.es), "=r"(s.gs), "=r"(s.fs));
    return s;
}

/// The frame's CS decides which mode it is left for.
struct FrameSelectors {
    u16 cs, gs, fs, ss;
};
FrameSelectors frame_selectors(const ucontext_t& context) {
    FrameSelectors s;
    std::memcpy(&s, &context.uc_mcontext.gregs[REG_CSGSFS], sizeof s);
    return s;
}
void set_frame_selectors(ucontext_t& context, const FrameSelectors& s) {
    std::memcpy(&context.uc_mcontext.gregs[REG_CSGSFS], &s, sizeof s);
}

void load(ucontext_t& context, const TestCase& test) {
    auto& g = context.uc_mcontext.gregs;
    std::memcpy(transfer.host_registers.data(), g, sizeof g);
    std::memcpy(static_cast<void*>(&transfer.host_extended), context.uc_mcontext.fpregs,
                sizeof(ExtendedState));
    for (unsigned i = 0; i < 16; i++) g[greg_of[i]] = static_cast<greg_t>(test.registers.gpr[i]);
    g[REG_RIP] = static_cast<greg_t>(test.registers.rip);
    g[REG_EFL] = static_cast<greg_t>(test.registers.rflags);
    FrameSelectors s = frame_selectors(context);
    s.cs = test.selectors.cs;
    s.ss = test.selectors.ss;
    set_frame_selectors(context, s);

    // The frame's area is an XSAVE image in standard format. Bytes 464..511 are the kernel's own (its magic
    // numbers and sizes), and components beyond AVX stay as they are.
    auto* area = reinterpret_cast<u8*>(context.uc_mcontext.fpregs);
    const auto* from = reinterpret_cast<const u8*>(&test.registers.extended);
    std::memcpy(area, from, 464);
    u64 components;
    std::memcpy(&components, area + header_offset, 8);
    components |= 7;
    std::memcpy(area + header_offset, &components, 8);
    std::memcpy(area + header_offset + header_size, from + header_offset + header_size, 256);
}

void save(ucontext_t& context, Outcome& outcome) {
    auto& g = context.uc_mcontext.gregs;
    outcome.vector = static_cast<unsigned>(g[REG_TRAPNO]);
    outcome.error_code = static_cast<u32>(g[REG_ERR]);
    outcome.cr2 = outcome.vector == 14 ? static_cast<u64>(g[REG_CR2]) : 0;
    for (unsigned i = 0; i < 16; i++) outcome.registers.gpr[i] = static_cast<u64>(g[greg_of[i]]);
    outcome.registers.rip = static_cast<u64>(g[REG_RIP]);
    outcome.registers.rflags = static_cast<u64>(g[REG_EFL]);
    outcome.selectors.cs = frame_selectors(context).cs;
    outcome.selectors.ss = frame_selectors(context).ss;
    // Above ESP a 16-bit stack leaves what the host's kernel had there (its espfix64), and compatibility mode
    // what it likes (SDM vol. 1, ch. 3.4.1.1).
    if (transfer.code_size != 8 || outcome.selectors.cs != segments::user_code64)
        outcome.registers.gpr[x86::rsp] &= 0xffffffff;

    ExtendedState& x = outcome.registers.extended;
    std::memcpy(static_cast<void*>(&x), context.uc_mcontext.fpregs, sizeof x);
    // A component not in XSTATE_BV is in its initial state, whatever the area holds (SDM vol. 1, ch. 13.6).
    const ExtendedState initial;
    if (!(x.xstate_bv & 1)) {
        x.fcw = initial.fcw, x.fsw = 0, x.ftw = 0, x.fop = 0, x.fip = x.fdp = 0;
        x.x87 = initial.x87;
    }
    if (!(x.xstate_bv & 2)) x.xmm = initial.xmm;
    if (!(x.xstate_bv & 4)) x.ymm_high = initial.ymm_high;
}

}  // namespace

extern "C" {
/// The host's FS base, which its compiled code finds its thread's data through; 0 where it cannot be set.
u64 oracle_host_fs_base = 0;
/// Those that a signal found.
u64 oracle_found_fs_base = 0, oracle_found_gs_base = 0;
void oracle_handle_signal(int, siginfo_t*, void* opaque);
void oracle_signal_entry(int, siginfo_t*, void* opaque);
}
// The case may have loaded FS or its base, and the host's kernel leaves it so.
asm(R"(
    .pushsection .text
oracle_signal_entry:
    movq oracle_host_fs_base(%rip), %rax
    testq %rax, %rax
    jz oracle_handle_signal
    rdfsbase %rcx
    movq %rcx, oracle_found_fs_base(%rip)
    rdgsbase %rcx
    movq %rcx, oracle_found_gs_base(%rip)
    wrfsbase %rax
    jmp oracle_handle_signal
    .popsection
)");

extern "C" void oracle_handle_signal(int, siginfo_t*, void* opaque) {
    // The kernel leaves AC, NT and ID as the case set them; AC would fault compiled code, and sigreturn keeps
    // all three.
    asm volatile("pushfq; andq $~0x244000, (%%rsp); popfq" ::: "cc", "memory");
    auto& context = *static_cast<ucontext_t*>(opaque);
    if (transfer.test) {
        const TestCase& test = *transfer.test;
        load(context, test);
        transfer.test = nullptr;
        transfer.local_segments = test.local_segments;
        transfer.code_size = test.code_size;
        transfer.host_gs_base = oracle_found_gs_base;
        if (!test.local_segments) return;
        const bool code64 = test.code_size == 8;
        const u64 fs_base = test.fs_base, gs_base = test.gs_base;
        load_selectors(test.selectors);
        if (code64) load_bases(fs_base, gs_base);
        return;
    }
    Outcome& outcome = *transfer.outcome;
    outcome.selectors = save_selectors();
    if (transfer.local_segments) {
        load_selectors({});
        load_bases(oracle_host_fs_base, transfer.host_gs_base);
        if (transfer.code_size == 8)
            outcome.fs_base = oracle_found_fs_base, outcome.gs_base = oracle_found_gs_base;
    }
    save(context, outcome);
    std::memcpy(context.uc_mcontext.gregs, transfer.host_registers.data(), sizeof context.uc_mcontext.gregs);
    std::memcpy(context.uc_mcontext.fpregs, &transfer.host_extended, sizeof(ExtendedState));
}

namespace {

/// The engine has handlers of its own for some of these: ours are there for the length of one case.
class SignalHandlers {
 public:
    SignalHandlers() {
        struct sigaction action {};
        action.sa_sigaction = oracle_signal_entry;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
        for (std::size_t i = 0; i < signals.size(); i++) sigaction(signals[i], &action, &previous_[i]);
    }
    ~SignalHandlers() {
        for (std::size_t i = 0; i < signals.size(); i++) sigaction(signals[i], &previous_[i], nullptr);
    }
    SignalHandlers(const SignalHandlers&) = delete;
    SignalHandlers& operator=(const SignalHandlers&) = delete;

 private:
    std::array<struct sigaction, signals.size()> previous_{};
};

u64 get_gs_base() {
    u64 base = 0;
    syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
    return base;
}
void set_gs_base(u64 base) { syscall(SYS_arch_prctl, ARCH_SET_GS, base); }

bool can_set_fs_base() {
    constexpr unsigned long fsgsbase = 1ul << 1;
    return getauxval(AT_HWCAP2) & fsgsbase;
}

/// Linux's modify_ldt(2).
bool set_local_descriptors() {
    constexpr int write_entry =
        0x11;  // the call's newer form, which does as asked about AVL and conforming code
    for (unsigned i = 0; i < segments::local.size(); i++) {
        const segments::LocalSegment& s = segments::local[i];
        user_desc entry{};
        entry.entry_number = i;
        entry.base_addr = s.base;
        entry.limit = s.limit;
        entry.limit_in_pages = s.pages;
        entry.seg_32bit = s.big;
        entry.contents = static_cast<unsigned>(s.code) << 1 | static_cast<unsigned>(s.expand_down);
        entry.read_exec_only = !s.writable_or_readable;
        entry.seg_not_present = !s.present;
        entry.useable = 1;
        // An error comes back as 32 bits, which the C library takes for success.
        const auto result = static_cast<int>(syscall(SYS_modify_ldt, write_entry, &entry, sizeof entry));
        if (result == 0) continue;
        if (result != -1) errno = -result;
        return false;
    }
    return true;
}

}  // namespace

Result<> NativeRunner::can_have_local_segments() {
    if (!can_set_fs_base())
        return fail("the host's kernel does not let programs set FS's base, which cases change");
    if (set_local_descriptors()) return {};
    return fail(std::string("the host's kernel has no local descriptors for 32-bit code: ") +
                std::strerror(errno));
}

Result<std::unique_ptr<NativeRunner>> NativeRunner::create(bool local_segments) {
    if (local_segments)
        if (auto possible = can_have_local_segments(); !possible) return std::unexpected(possible.error());
    if (can_set_fs_base()) asm volatile("rdfsbase %0" : "=r"(oracle_host_fs_base));
    const int fd = memfd_create("oracle", MFD_CLOEXEC);
    constexpr std::size_t size = pages.size() * page_size;
    if (fd < 0 || ftruncate(fd, size) != 0)
        return fail(std::string("no memory file: ") + std::strerror(errno));
    // The hole is reserved first, so that nothing of the host's ever lies between the pages.
    const auto failed = [&] {
        const std::string why = std::strerror(errno);
        close(fd);
        return fail("the oracle's addresses cannot be mapped: " + why);
    };
    void* hole = mmap(reinterpret_cast<void*>(layout::hole), layout::hole_end - layout::hole, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (hole == MAP_FAILED) return failed();
    for (std::size_t i = 0; i < pages.size(); i++) {
        int rights = PROT_READ | (pages[i].writable ? PROT_WRITE : 0);
        if (pages[i].linear == layout::code) rights |= PROT_EXEC;
        void* page = mmap(reinterpret_cast<void*>(pages[i].linear), page_size, rights,
                          MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, static_cast<off_t>(i * page_size));
        if (page == MAP_FAILED) return failed();
    }
    void* writable = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (writable == MAP_FAILED) return failed();
    close(fd);
    return std::unique_ptr<NativeRunner>(new NativeRunner(static_cast<u8*>(writable)));
}

NativeRunner::~NativeRunner() {
    munmap(reinterpret_cast<void*>(layout::hole), layout::hole_end - layout::hole);
    munmap(writable_, pages.size() * page_size);
}

void NativeRunner::run(const TestCase& test, Outcome& outcome) {
    std::memcpy(writable_, test.memory.bytes.data(), sizeof test.memory.bytes);
    transfer.test = &test;
    transfer.outcome = &outcome;
    outcome.fs_base = outcome.gs_base = 0;
    const bool only_gs = test.gs_base && !test.local_segments;
    const u64 host_gs = only_gs ? get_gs_base() : 0;
    if (only_gs) set_gs_base(test.gs_base);
    {
        const SignalHandlers handlers;
        asm volatile("int3" ::: "memory", "cc");
    }
    if (only_gs) set_gs_base(host_gs);
    std::memcpy(outcome.memory.bytes.data(), writable_, sizeof outcome.memory.bytes);
}

}  // namespace softmetal::differential
