// The jails of our processes: once inside, one has the descriptors it was given, memory, threads and time,
// and nothing else of the host. What a guest that broke the monitor would gain is its own VM's files. The
// process that is the guest's network can use the host's network besides; the one that serves viewers can be
// connected to.
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"
#include "host/system_call_filter.hpp"

#include <string>
#include <vector>

namespace softmetal::host {

struct JailReport {
    /// The defences in depth that this host refused (nested containers often refuse namespaces), each a
    /// sentence. The system-call filter is not among them: without it enter_jail() fails.
    std::vector<std::string> refused;
};

/// For ever, for every thread made later; the process must have one thread only. After it:
/// - no new privileges, no capabilities, no core dumps (guest memory must not reach files);
/// - user, mount, network, IPC and UTS namespaces of its own, with an empty root directory, where the host
///   lets it;
/// - system calls other than those the VM needs kill the process. Opening files is refused with EACCES and
///   ioctl() with ENOTTY instead, because the C library probes with them (malloc reads
///   /proc/sys/vm/overcommit_memory) and copes.
/// In a build with AddressSanitizer or ThreadSanitizer, whose runtimes read /proc and clone a process to
/// search for leaks, files can be opened for reading, the root is kept, and forbidden calls fail with EPERM.
/// Jail::network keeps the network namespace, and may open and use IPv4 and IPv6 sockets.
[[nodiscard]] Result<JailReport> enter_jail(Jail jail = Jail::machine);

}  // namespace softmetal::host
