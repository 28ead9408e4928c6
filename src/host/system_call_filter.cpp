#include "host/system_call_filter.hpp"

#include "host/system_call_rules.hpp"
#include "host/thread_role.hpp"

#include <cerrno>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

namespace softmetal::host {
namespace {

// clang-format off
constexpr int allowed[] = {
    // Descriptors it has.
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(pwrite64),
    SCMP_SYS(preadv), SCMP_SYS(pwritev), SCMP_SYS(preadv2), SCMP_SYS(pwritev2), SCMP_SYS(lseek), SCMP_SYS(fstat),
    SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(sync_file_range), SCMP_SYS(fallocate), SCMP_SYS(ftruncate),
    SCMP_SYS(fadvise64), SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(dup), SCMP_SYS(recvmsg),
    SCMP_SYS(recvmmsg), SCMP_SYS(recvfrom), SCMP_SYS(shutdown),
    // Waiting. Making these descriptors gives access to nothing.
    SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_pwait2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
    SCMP_SYS(timerfd_gettime), SCMP_SYS(eventfd2), SCMP_SYS(pipe2),
    // Memory (mmap and mprotect are below).
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
    SCMP_SYS(mincore), SCMP_SYS(msync), SCMP_SYS(memfd_create), SCMP_SYS(membarrier),
    // Threads (clone is below).
    SCMP_SYS(futex), SCMP_SYS(futex_waitv), SCMP_SYS(set_robust_list), SCMP_SYS(set_tid_address), SCMP_SYS(rseq),
    SCMP_SYS(gettid), SCMP_SYS(getpid), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(getcpu),
    SCMP_SYS(arch_prctl), SCMP_SYS(exit), SCMP_SYS(exit_group),
    // Signals to itself (tgkill is below).
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(rt_sigpending), SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall),
    // Time, chance and its own bills.
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom), SCMP_SYS(getrusage), SCMP_SYS(times),
    SCMP_SYS(sysinfo), SCMP_SYS(uname),
};

/// Not of the process that serves viewers. Generated code needs PROT_EXEC.
constexpr int allowed_to_others[] = {SCMP_SYS(mmap), SCMP_SYS(mprotect)};

constexpr int allowed_to_viewers[] = {
    SCMP_SYS(accept4), SCMP_SYS(getpeername), SCMP_SYS(getsockname), SCMP_SYS(setsockopt), SCMP_SYS(getsockopt),
    SCMP_SYS(select), SCMP_SYS(pselect6),
};

/// On sockets, which the process that is the guest's network opens and others do not have.
constexpr int allowed_to_network[] = {
    SCMP_SYS(sendmsg), SCMP_SYS(sendto),
    SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(getsockname),
    SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
};

/// What libraries try and can do without.
constexpr int refused_politely[] = {
    SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(statx), SCMP_SYS(access),
    SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd),
};

/// More of the same, which sanitizer runtimes cannot do without.
constexpr int needed_by_sanitizers[] = {
    SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(prctl),
    SCMP_SYS(newfstatat), SCMP_SYS(prlimit64), SCMP_SYS(getrlimit), SCMP_SYS(getppid),
};
// clang-format on

void allow_to_viewers(SystemCallRules& filter) {
    for (int call : allowed_to_viewers) filter.add(SCMP_ACT_ALLOW, call);
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(mmap), masked_equal(2, PROT_EXEC, 0));
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(mprotect), masked_equal(2, PROT_EXEC, 0));
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(fcntl), equal(1, F_SETFL));
}

}  // namespace

Result<> install_system_call_filter(Jail jail) {
    SystemCallRules filter(sanitized ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_KILL_PROCESS);
    for (int call : allowed) filter.add(SCMP_ACT_ALLOW, call);
    // Sending to an address, which a connected socket needs not, could begin a connection (MSG_FASTOPEN).
    if (jail != Jail::network) filter.add(SCMP_ACT_ALLOW, SCMP_SYS(sendto), equal(4, 0));
    if (jail == Jail::viewers)
        allow_to_viewers(filter);
    else
        for (int call : allowed_to_others) filter.add(SCMP_ACT_ALLOW, call);
    if (jail == Jail::machine) {
        // A connection to an NBD server: that it does not wait, and answers at once.
        for (const int request : {F_SETFL, F_SETFD})
            filter.add(SCMP_ACT_ALLOW, SCMP_SYS(fcntl), equal(1, static_cast<scmp_datum_t>(request)));
        filter.add(SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), equal(1, IPPROTO_TCP), equal(2, TCP_NODELAY));
    }
    if (jail == Jail::network) {
        for (int call : allowed_to_network) filter.add(SCMP_ACT_ALLOW, call);
        for (const int family : {AF_INET, AF_INET6})
            filter.add(SCMP_ACT_ALLOW, SCMP_SYS(socket), equal(0, static_cast<scmp_datum_t>(family)));
        for (const int request : {F_SETFL, F_SETFD})
            filter.add(SCMP_ACT_ALLOW, SCMP_SYS(fcntl), equal(1, static_cast<scmp_datum_t>(request)));
    }

    // Threads, not processes. clone3 hides its flags from filters; told that it does not exist, the C library
    // uses clone.
    constexpr scmp_datum_t thread = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(clone), masked_equal(0, thread, thread));
    filter.add(SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3));
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(tgkill), equal(0, static_cast<scmp_datum_t>(getpid())));

    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(fcntl), equal(1, F_GETFL));
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(fcntl), equal(1, F_GETFD));
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(fcntl), equal(1, F_DUPFD_CLOEXEC));
    const scmp_datum_t harmless_request = jail == Jail::network ? FIONREAD : BLKGETSIZE64;
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(ioctl), equal(1, harmless_request));
    filter.add(SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), not_equal(1, harmless_request));
    if (sanitized) {
        filter.add(SCMP_ACT_ALLOW, SCMP_SYS(open), masked_equal(1, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
        filter.add(SCMP_ACT_ALLOW, SCMP_SYS(openat),
                   masked_equal(2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY));
        for (int call : needed_by_sanitizers) filter.add(SCMP_ACT_ALLOW, call);
        return filter.load(SystemCallRules::Scope::process);
    }
    for (int call : refused_politely) filter.add(SCMP_ACT_ERRNO(EACCES), call);
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(prctl), equal(0, PR_SET_NAME));
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(prctl), equal(0, PR_SET_VMA));
    // fstat() is newfstatat() of a descriptor in the C library; the path is out of a filter's sight, but the
    // root directory is empty.
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), masked_equal(3, AT_EMPTY_PATH, AT_EMPTY_PATH));
    filter.add(SCMP_ACT_ERRNO(EACCES), SCMP_SYS(newfstatat), masked_equal(3, AT_EMPTY_PATH, 0));
    // Asking for its own limits, not setting them.
    filter.add(SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), equal(0, 0), equal(2, 0));
    // Its threads confine themselves further. With flags a filter could be had that answers for another.
    if (jail == Jail::machine)
        filter.add(SCMP_ACT_ALLOW, SCMP_SYS(seccomp), equal(0, SECCOMP_SET_MODE_FILTER), equal(1, 0));
    auto loaded = filter.load(SystemCallRules::Scope::process);
    if (loaded && jail == Jail::machine) begin_to_confine_threads();
    return loaded;
}

}  // namespace softmetal::host
