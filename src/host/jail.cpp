#include "host/jail.hpp"

#include "host/system_call_filter.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fmt/format.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace softmetal::host {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool keep_root = true;
#else
constexpr bool keep_root = false;
#endif

class Jailer {
 public:
    void leave_namespaces(Jail jail) {
        const int spaces =
            CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS | (jail == Jail::network ? 0 : CLONE_NEWNET);
        // With a user namespace no privilege is needed; where those are off, root can do without.
        if (unshare(CLONE_NEWUSER | spaces) != 0 && unshare(spaces) != 0)
            return refused("namespaces of its own");
        if (!keep_root) empty_root();
    }

    void drop_capabilities() {
        for (int capability = 0; capability <= CAP_LAST_CAP; ++capability)
            prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);  // refused without CAP_SETPCAP, and moot then
        __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
        __user_cap_data_struct none[2] = {};
        if (syscall(SYS_capset, &header, none) != 0) refused("dropping its capabilities");
    }

    JailReport take_report() { return std::move(report_); }

 private:
    /// A tmpfs of its own becomes the root directory, read-only and empty; the old one is let go.
    void empty_root() {
        const bool done =
            mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
            mount("none", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,nr_inodes=1") == 0 &&
            chdir("/proc") == 0 && syscall(SYS_pivot_root, ".", ".") == 0 && umount2(".", MNT_DETACH) == 0 &&
            chdir("/") == 0 &&
            mount(nullptr, "/", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                  nullptr) == 0;
        if (!done) refused("an empty root directory");
    }

    void refused(const char* what) {
        report_.refused.push_back(
            fmt::format("the host does not let a process of ours have {}: {}", what, std::strerror(errno)));
    }

    JailReport report_;
};

}  // namespace

Result<JailReport> enter_jail(Jail jail) {
    const rlimit no_core{0, 0};
    if (setrlimit(RLIMIT_CORE, &no_core) != 0)
        return fail(fmt::format("cannot switch core dumps off: {}", std::strerror(errno)));
    Jailer jailer;
    jailer.leave_namespaces(jail);
    jailer.drop_capabilities();
    // A change of credentials has made the kernel forget this.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return fail(fmt::format("cannot give privileges up: {}", std::strerror(errno)));
    if (auto filtered = install_system_call_filter(jail); !filtered) return std::unexpected(filtered.error());
    return jailer.take_report();
}

}  // namespace softmetal::host
