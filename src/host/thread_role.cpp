#include "host/thread_role.hpp"

#include "host/system_call_rules.hpp"

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <sys/mman.h>
#include <sys/prctl.h>

namespace softmetal::host {
namespace {

// clang-format off
/// Of every role. What the jail refuses politely it refuses still: the stricter of two filters wins.
constexpr int needed_by_all[] = {
    // Descriptors, and waking other threads through them.
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(close), SCMP_SYS(epoll_ctl), SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_gettime),
    // Memory that is not executed (mmap and mprotect are below).
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
    // Locks, signals to itself, its end.
    SCMP_SYS(futex), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(getcpu), SCMP_SYS(rseq), SCMP_SYS(set_robust_list),
    SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(tgkill), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(prctl),
    // Time and chance.
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday),
    SCMP_SYS(time), SCMP_SYS(getrandom), SCMP_SYS(sysinfo),
    // What the C library tries.
    SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(newfstatat), SCMP_SYS(ioctl), SCMP_SYS(fcntl), SCMP_SYS(prlimit64),
};

constexpr int for_messages[] = {
    SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(sendto), SCMP_SYS(recvmsg), SCMP_SYS(recvfrom), SCMP_SYS(recvmmsg),
    SCMP_SYS(shutdown), SCMP_SYS(poll), SCMP_SYS(ppoll),
};

constexpr int for_events[] = {SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(fstat), SCMP_SYS(dup)};

constexpr int for_files[] = {
    SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(preadv), SCMP_SYS(pwritev), SCMP_SYS(preadv2), SCMP_SYS(pwritev2), SCMP_SYS(lseek),
    SCMP_SYS(fstat), SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(sync_file_range), SCMP_SYS(fallocate), SCMP_SYS(fadvise64),
};

constexpr int for_vcpus[] = {SCMP_SYS(arch_prctl), SCMP_SYS(membarrier)};
// clang-format on

struct Needs {
    const char* name;  // 15 characters at most
    std::array<std::span<const int>, 2> calls;
};

Needs needs_of(ThreadRole role) {
    switch (role) {
        case ThreadRole::vcpu: return {"vcpu", {for_messages, for_vcpus}};
        case ThreadRole::event_loop: return {"event-loop", {for_messages, for_events}};
        case ThreadRole::block_store: return {"block-store", {for_files}};
        case ThreadRole::remote_store: return {"remote-store", {for_messages, for_events}};
        case ThreadRole::screen: return {"screen", {for_messages, for_events}};
        case ThreadRole::debugger: return {"debugger", {for_messages, for_events}};
    }
    std::abort();
}

std::atomic<bool> confining = false;

Result<> confine(const Needs& needs) {
    SystemCallRules rules(SCMP_ACT_KILL_PROCESS);
    for (int call : needed_by_all) rules.add(SCMP_ACT_ALLOW, call);
    for (const auto& group : needs.calls)
        for (int call : group) rules.add(SCMP_ACT_ALLOW, call);
    for (int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)})
        rules.add(SCMP_ACT_ALLOW, call, masked_equal(2, PROT_EXEC, 0));
    return rules.load(SystemCallRules::Scope::thread);
}

}  // namespace

void begin_to_confine_threads() { confining = true; }

std::thread start_loop_thread(EventLoop& loop, ThreadRole role) {
    return std::thread([&loop, role] {
        enter_thread_role(role);
        loop.run();
    });
}

void enter_thread_role(ThreadRole role) {
    const Needs needs = needs_of(role);
    prctl(PR_SET_NAME, needs.name);
    if (sanitized || !confining) return;
    if (const auto confined = confine(needs); !confined) {
        std::fprintf(stderr, "softmetal: a thread cannot be confined: %s\n",
                     confined.error().message.c_str());
        std::abort();
    }
}

}  // namespace softmetal::host
