// The test program starts itself: a child asked for as "--be <what>" does one thing and exits.
#include "host/child_process.hpp"

#include "host/control_socket.hpp"
#include "host/jail.hpp"

#include <array>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace softmetal::host {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool loosened = true;
#else
constexpr bool loosened = false;
#endif

constexpr int success = 42;

int jailed(const std::function<int()>& then) {
    if (!enter_jail()) return 1;
    return then();
}

/// In the jail of the process that serves viewers, with a socket to one that listens.
int serving(const std::function<int(int listener)>& then) {
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listen(listener, 1) != 0 || !enter_jail(Jail::viewers)) return 1;
    return then(listener);
}

sockaddr_in somewhere() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(9);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

int count_open_descriptors() {
    int count = 0;
    for (int fd = 0; fd < 1024; ++fd) count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

const std::map<std::string, std::function<int()>>& roles() {
    static const std::map<std::string, std::function<int()>> map = {
        {"descriptors", [] { return count_open_descriptors() == 4 ? success : 1; }},
        {"session", [] { return getsid(0) == getpid() ? success : 1; }},
        {"signals",
         [] {
             sigset_t mask;
             sigprocmask(SIG_SETMASK, nullptr, &mask);
             return sigismember(&mask, SIGTERM) == 0 ? success : 1;
         }},
        {"echo",
         [] {
             ControlSocket control{UniqueFd(ChildProcess::passed_descriptor)};
             auto message = control.receive();
             return message && *message && control.send((*message)->bytes) ? success : 1;
         }},
        {"sleep",
         [] {
             sleep(30);
             return 1;
         }},
        // What the jail allows.
        {"jailed thread",
         [] {
             return jailed([] {
                 int result = 1;
                 std::thread([&] { result = success; }).join();
                 return result;
             });
         }},
        {"jailed code",
         [] {
             return jailed([] {
                 void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                 if (page == MAP_FAILED) return 1;
                 constexpr std::array<unsigned char, 6> code = {0xb8, success, 0,
                                                                0,    0,       0xc3};  // mov eax; ret
                 std::ranges::copy(code, static_cast<unsigned char*>(page));
                 return reinterpret_cast<int (*)()>(page)();
             });
         }},
        {"jailed allocation",
         [] {
             return jailed([] {
                 // Growing and trimming a thread's arena makes malloc look at /proc.
                 std::thread([] {
                     for (int i = 0; i < 64; ++i) {
                         std::vector<std::unique_ptr<char[]>> blocks;
                         for (int n = 0; n < 200; ++n) blocks.push_back(std::make_unique<char[]>(60'000));
                     }
                 }).join();
                 return success;
             });
         }},
        {"jailed abort", [] { return jailed([]() -> int { std::abort(); }); }},
        {"jailed core limit",
         [] {
             return jailed([] {
                 rlimit limit{};
                 return getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0 ? success : 1;
             });
         }},
        // What it does not.
        {"jailed open",
         [] {
             return jailed([] {
                 const int fd = open("/tmp/softmetal-jail-test", O_RDWR | O_CREAT, 0600);
                 return fd < 0 && errno == (loosened ? EPERM : EACCES) ? success : 1;
             });
         }},
        {"jailed socket",
         [] { return jailed([] { return socket(AF_INET, SOCK_STREAM, 0) < 0 ? success : 1; }); }},
        {"jailed fork", [] { return jailed([] { return fork() < 0 ? success : 1; }); }},
        {"jailed exec",
         [] {
             return jailed([] {
                 char name[] = "/bin/true";
                 char* const argv[] = {name, nullptr};
                 return execve(name, argv, nullptr) < 0 ? success : 1;
             });
         }},
        {"jailed kill", [] { return jailed([] { return kill(getppid(), SIGTERM) < 0 ? success : 1; }); }},
        {"jailed ptrace",
         [] { return jailed([] { return syscall(SYS_ptrace, 16, 1, 0, 0) < 0 ? success : 1; }); }},
        {"serving accept",
         [] {
             return serving([](int listener) {
                 fcntl(listener, F_SETFL, O_NONBLOCK);
                 return accept4(listener, nullptr, nullptr, 0) < 0 && errno == EAGAIN ? success : 1;
             });
         }},
        {"serving connect",
         [] {
             return serving([](int listener) {
                 const sockaddr_in to = somewhere();
                 return connect(listener, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0 ? success
                                                                                                 : 1;
             });
         }},
        {"serving send to others",
         [] {
             return serving([](int listener) {
                 const sockaddr_in to = somewhere();
                 const auto* const generic = reinterpret_cast<const sockaddr*>(&to);
                 return sendto(listener, "x", 1, MSG_FASTOPEN, generic, sizeof to) < 0 ? success : 1;
             });
         }},
        {"serving descriptors",
         [] {
             return serving([](int listener) {
                 const msghdr message{};
                 return sendmsg(listener, &message, 0) < 0 ? success : 1;
             });
         }},
        {"serving code",
         [] {
             return serving([](int) {
                 return mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                                MAP_FAILED
                            ? success
                            : 1;
             });
         }},
        {"serving socket",
         [] { return serving([](int) { return socket(AF_INET, SOCK_STREAM, 0) < 0 ? success : 1; }); }},
        {"jailed privileges",
         [] {
             return jailed([] {
                 syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0);
                 return success;
             });
         }},
    };
    return map;
}

ChildProcess start(const std::string& role,
                   UniqueFd passed = UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC))) {
    return ChildProcess::start_self({"host_tests", "--be", role}, std::move(passed)).value();
}

/// Runs before main(), so that the test framework need not know about children.
const bool dispatched = [] {
    const std::string command_line = [] {
        const UniqueFd file(open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC));
        std::string text(4096, '\0');
        const auto count = read(file.get(), text.data(), text.size());
        text.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
        return text;
    }();
    const std::string marker = std::string("\0--be\0", 6);
    const auto at = command_line.find(marker);
    if (at == std::string::npos) return true;
    const auto role = roles().find(command_line.substr(at + marker.size()).c_str());
    _exit(role == roles().end() ? 99 : role->second());
}();

class StartedChild : public ::testing::TestWithParam<const char*> {};
TEST_P(StartedChild, Succeeds) {
    ASSERT_TRUE(dispatched);
    const ProcessEnd end = start(GetParam()).wait();
    EXPECT_EQ(end.exit_status, success) << end.description();
}
INSTANTIATE_TEST_SUITE_P(Start, StartedChild, ::testing::Values("descriptors", "session", "signals"));
INSTANTIATE_TEST_SUITE_P(Jail, StartedChild,
                         ::testing::Values("jailed thread", "jailed code", "jailed allocation",
                                           "jailed core limit", "jailed open", "serving accept"));

class ForbiddenInJail : public ::testing::TestWithParam<const char*> {};
TEST_P(ForbiddenInJail, KillsTheProcess) {
    const ProcessEnd end = start(GetParam()).wait();
    if (loosened)
        EXPECT_EQ(end.exit_status, success) << end.description();
    else
        EXPECT_EQ(end.signal, SIGSYS) << end.description();
}
INSTANTIATE_TEST_SUITE_P(Jail, ForbiddenInJail,
                         ::testing::Values("jailed socket", "jailed fork", "jailed exec", "jailed kill",
                                           "jailed ptrace"));
INSTANTIATE_TEST_SUITE_P(ViewersJail, ForbiddenInJail,
                         ::testing::Values("serving connect", "serving send to others", "serving descriptors",
                                           "serving code", "serving socket"));
INSTANTIATE_TEST_SUITE_P(JailPrctl, ForbiddenInJail, ::testing::Values("jailed privileges"));

TEST(ChildProcess, MayAbortInItsJail) { EXPECT_EQ(start("jailed abort").wait().signal, SIGABRT); }

TEST(ChildProcess, TalksOverThePassedDescriptor) {
    auto [mine, theirs] = ControlSocket::create_pair().value();
    ChildProcess child = start("echo", UniqueFd(dup(theirs.fd())));
    const std::vector<u8> bytes = {1, 2, 3};
    ASSERT_TRUE(mine.send(bytes));
    EXPECT_EQ(mine.receive().value()->bytes, bytes);
    EXPECT_EQ(child.wait().exit_status, success);
}

TEST(ChildProcess, StrayDescriptorsStayBehind) {
    const int stray = dup(2);  // without close-on-exec, as a careless shell leaves it
    EXPECT_EQ(start("descriptors").wait().exit_status, success);
    close(stray);
}

TEST(ChildProcess, IsPolledAndKilled) {
    ChildProcess child = start("sleep");
    EXPECT_FALSE(child.poll().has_value());
    child.kill();
    EXPECT_EQ(child.wait().description(), "was killed by signal 9 (Killed)");
    EXPECT_EQ(child.poll()->signal, SIGKILL);
}

TEST(ChildProcess, DiesWithItsParent) {
    std::array<int, 2> pipe;
    ASSERT_EQ(pipe2(pipe.data(), O_CLOEXEC), 0);
    const pid_t middle = fork();
    if (middle == 0) {
        ChildProcess child = start("sleep");
        const int pid = child.process_id();
        _exit(write(pipe[1], &pid, sizeof pid) == sizeof pid ? 0 : 1);
    }
    int grandchild = 0;
    ASSERT_EQ(read(pipe[0], &grandchild, sizeof grandchild), static_cast<ssize_t>(sizeof grandchild));
    waitpid(middle, nullptr, 0);
    const auto gone = [&] {
        std::ifstream stat("/proc/" + std::to_string(grandchild) + "/stat");
        std::string text;
        std::getline(stat, text);
        return text.empty() || text.find(") Z ") != std::string::npos;
    };
    for (int i = 0; i < 200 && !gone(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_TRUE(gone());
}

}  // namespace
}  // namespace softmetal::host
