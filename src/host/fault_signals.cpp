#include "host/fault_signals.hpp"

#include <array>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

namespace softmetal::host {
namespace {

ucontext_t& as_context(void* p) { return *static_cast<ucontext_t*>(p); }

/// x86 register numbers to the kernel's order in the signal frame.
constexpr std::array<int, 16> greg_of = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                         REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                         REG_R12, REG_R13, REG_R14, REG_R15};

u64& greg(void* context, int index) {
    return reinterpret_cast<u64&>(as_context(context).uc_mcontext.gregs[index]);
}

/// Read by signal handlers, so plain atomics and no lock; written under a mutex by engine constructors.
struct Route {
    std::atomic<u64> begin{0};
    std::atomic<u64> size{0};  // 0 = free
    std::atomic<FaultHandler> handler{nullptr};
    std::atomic<void*> owner{nullptr};
};
std::array<Route, 256> routes;
std::mutex routes_mutex;

constexpr std::array<int, 4> fault_signals = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};

void die_of(int signal) {
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, nullptr);
}

void on_fault(int signal, siginfo_t* info, void* context) {
    // Sent by a process (kill, abort), so the frame tells of no fault and no retried instruction would repeat
    // it.
    if (info->si_code <= 0) {
        die_of(signal);
        raise(signal);
        return;
    }
    FaultFrame frame(context);
    const u64 rip = frame.rip();
    for (Route& route : routes) {
        if (rip - route.begin.load(std::memory_order_relaxed) >= route.size.load(std::memory_order_acquire))
            continue;
        if (route.handler.load()(frame, route.owner.load())) return;
    }
    die_of(signal);  // not ours: the retried instruction meets the default action
}

void install_once() {
    static std::once_flag once;
    std::call_once(once, [] {
        struct sigaction action {};
        action.sa_sigaction = on_fault;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
        sigemptyset(&action.sa_mask);
        for (int signal : fault_signals) sigaction(signal, &action, nullptr);
    });
}

constexpr std::size_t stack_bytes = 128 * 1024;  // an AVX-512 frame takes 3 KiB, sanitized handlers much more

}  // namespace

u8 FaultFrame::vector() const { return static_cast<u8>(greg(context_, REG_TRAPNO)); }
u64 FaultFrame::error_code() const { return greg(context_, REG_ERR); }
u64 FaultFrame::address() const { return greg(context_, REG_CR2); }
u64& FaultFrame::rip() { return greg(context_, REG_RIP); }
u64& FaultFrame::gpr(unsigned index) { return greg(context_, greg_of[index & 15]); }
u64& FaultFrame::rflags() { return greg(context_, REG_EFL); }
u32& FaultFrame::mxcsr() { return as_context(context_).uc_mcontext.fpregs->mxcsr; }
void* FaultFrame::fxsave_area() { return as_context(context_).uc_mcontext.fpregs; }

void route_faults(const void* code, u64 size, FaultHandler handler, void* owner) {
    install_once();
    std::lock_guard lock(routes_mutex);
    for (Route& route : routes) {
        if (route.size.load() != 0) continue;
        route.begin = reinterpret_cast<u64>(code);
        route.handler = handler;
        route.owner = owner;
        route.size.store(size, std::memory_order_release);
        return;
    }
    std::abort();  // 256 at once in one process: the caller's bug, not a guest's
}

void forget_faults(const void* code) {
    std::lock_guard lock(routes_mutex);
    for (Route& route : routes)
        if (route.begin.load() == reinterpret_cast<u64>(code)) route.size.store(0, std::memory_order_release);
}

FaultStack::FaultStack() {
    void* memory =
        mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED) return;
    memory_ = memory;
    stack_t stack{};
    stack.ss_sp = memory;
    stack.ss_size = stack_bytes;
    sigaltstack(&stack, nullptr);
}

FaultStack::~FaultStack() {
    if (!memory_) return;
    stack_t stack{};
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, nullptr);
    munmap(memory_, stack_bytes);
}

}  // namespace softmetal::host
