// Preloaded into softmetal by broken_monitor_test.py: what a guest that has broken into one of its processes
// would run there. Once the chosen thread is confined, it makes one attack on the host with bare system calls
// and says how it went. Only the first of that name: a process that was killed may be started again.
//   BROKEN_ROLE    name of the process or thread that attacks, as ps shows it; "nobody-jailed": before any
//                  jail, as a control
//   BROKEN_ATTACK  a name from the table below
//   BROKEN_PORT    where somebody listens on 127.0.0.1
//   BROKEN_FILE    a file that can be read and written
//   BROKEN_REPORT  the file that all this is said to
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <sched.h>
#include <string_view>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

// Learned while the host can still be asked.
long parent = 0, self = 0;
char environment_secret = 's';
const char* role = "";
const char* attack_name = "";
const char* file = "";
const char* report_file = "";
int port = 0;
int report = -1;

long call(long number, auto... arguments) { return syscall(number, arguments...); }

void say(const char* what, const char* detail) {
    std::array<char, 256> line;
    const int length = std::snprintf(line.data(), line.size(), "broken monitor: %s: %s\n", what, detail);
    (void)!write(report, line.data(), static_cast<std::size_t>(length));
}

long connect_somewhere() {
    const long fd = call(SYS_socket, AF_INET, SOCK_STREAM, 0);
    if (fd < 0) return fd;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return call(SYS_connect, fd, &address, sizeof address);
}

/// With MSG_FASTOPEN the same as connect(), on a socket that one has been given.
long send_somewhere() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    return call(SYS_sendto, 2, "x", 1, MSG_FASTOPEN, &address, sizeof address);
}

long hand_on() {
    const msghdr message{};
    return call(SYS_sendmsg, 2, &message, 0);
}

long run_program() {
    const char* const arguments[] = {"/bin/sh", "-c", "echo 'broken monitor: execve: SUCCEEDED' >>\"$0\"",
                                     report_file, nullptr};
    const char* const none[] = {nullptr};
    return call(SYS_execve, arguments[0], arguments, none);
}

long read_parent() {
    char byte = 0;
    const iovec mine{&byte, 1}, theirs{&environment_secret, 1};
    return call(SYS_process_vm_readv, parent, &mine, 1, &theirs, 1, 0);
}

/// Asynchronous I/O makes the kernel send signals to whom one names.
long signal_through_a_descriptor() {
    if (const long owned = call(SYS_fcntl, 2, F_SETOWN, parent); owned < 0) return owned;
    return call(SYS_fcntl, 2, F_SETFL, O_ASYNC);
}

long listen_for_events() {
    perf_event_attr attributes{};
    attributes.size = sizeof attributes;
    attributes.type = PERF_TYPE_SOFTWARE;
    attributes.config = PERF_COUNT_SW_CPU_CLOCK;
    attributes.exclude_kernel = 1;
    return call(SYS_perf_event_open, &attributes, 0, -1, -1, 0);
}

long make_code() {
    return call(SYS_mmap, nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

long read_limits_of_parent() {
    rlimit limit{};
    return call(SYS_prlimit64, parent, RLIMIT_NOFILE, nullptr, &limit);
}

struct Attack {
    std::string_view name;
    long (*make)();
};
constexpr Attack attacks[] = {
    {"open", [] { return call(SYS_open, file, O_RDONLY); }},
    {"open for writing", [] { return call(SYS_openat, AT_FDCWD, file, O_RDWR); }},
    {"create a file",
     [] { return call(SYS_openat, AT_FDCWD, "broken-monitor-was-here", O_CREAT | O_WRONLY, 0600); }},
    {"list the root directory", [] { return call(SYS_openat, AT_FDCWD, "/", O_RDONLY | O_DIRECTORY); }},
    {"connect", connect_somewhere},
    {"connect locally", [] { return call(SYS_socket, AF_UNIX, SOCK_STREAM, 0); }},
    {"send to an address", send_somewhere},
    {"hand a descriptor on", hand_on},
    {"execve", run_program},
    {"fork", [] { return call(SYS_clone, SIGCHLD, 0, 0, 0, 0); }},
    {"ptrace", [] { return call(SYS_ptrace, PTRACE_SEIZE, parent, 0, 0); }},
    {"signal the parent", [] { return call(SYS_kill, parent, SIGCONT); }},
    {"signal a thread of the parent", [] { return call(SYS_tgkill, parent, parent, SIGCONT); }},
    {"signal through a descriptor", signal_through_a_descriptor},
    {"process descriptor", [] { return call(SYS_pidfd_open, parent, 0); }},
    {"read the parent's memory", read_parent},
    {"limits of the parent", read_limits_of_parent},
    {"kernel events", listen_for_events},
    {"kernel programs", [] { return call(SYS_bpf, BPF_MAP_CREATE, nullptr, 0); }},
    {"io_uring", [] { return call(SYS_io_uring_setup, 1, nullptr); }},
    {"mount", [] { return call(SYS_mount, "none", "/", "tmpfs", 0, nullptr); }},
    {"new namespaces", [] { return call(SYS_unshare, CLONE_NEWUSER); }},
    {"keys", [] { return call(SYS_keyctl, 0, -3, 1); }},
    {"priority", [] { return call(SYS_setpriority, PRIO_PROCESS, parent, 19); }},
    {"generated code", make_code},
    {"a place in a file", [] { return call(SYS_pread64, 0, &environment_secret, 0, 0); }},
    {"a new thread",
     [] { return call(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_SETTLS, 0, 0, 0, 0); }},
};

void attack() {
    for (const Attack& each : attacks) {
        if (each.name != attack_name) continue;
        say(attack_name, "tried");
        const long result = each.make();
        say(attack_name, result >= 0 ? "SUCCEEDED" : std::strerror(errno));
        return;
    }
    say(attack_name, "there is no such attack");
}

const char* value(const char* name) {
    const char* const found = std::getenv(name);
    return found ? found : "";
}

__attribute__((constructor)) void learn() {
    parent = getppid();
    self = getpid();
    role = value("BROKEN_ROLE");
    attack_name = value("BROKEN_ATTACK");
    file = value("BROKEN_FILE");
    port = std::atoi(value("BROKEN_PORT"));
    report_file = value("BROKEN_REPORT");
    report = open(report_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (std::string_view(role) == "nobody-jailed") attack();
}

thread_local bool chosen = false;
bool done = false;

bool somebody_attacked() {
    struct stat status {};
    return fstat(report, &status) == 0 && status.st_size != 0;
}

}  // namespace

// What softmetal calls on its way into a jail: the name first, then the filter.
extern "C" int prctl(int option, ...) {
    va_list list;
    va_start(list, option);
    std::array<unsigned long, 4> arguments;
    for (unsigned long& each : arguments) each = va_arg(list, unsigned long);
    va_end(list);
    if (option == 15 /* PR_SET_NAME */)
        chosen =
            std::string_view(reinterpret_cast<const char*>(arguments[0])) == role && !somebody_attacked();
    return static_cast<int>(call(SYS_prctl, option, arguments[0], arguments[1], arguments[2], arguments[3]));
}

extern "C" int seccomp_load(void* context) {
    static const auto real = reinterpret_cast<int (*)(void*)>(dlsym(RTLD_NEXT, "seccomp_load"));
    const int result = real(context);
    if (chosen && !done) {
        done = true;
        attack();
    }
    return result;
}
