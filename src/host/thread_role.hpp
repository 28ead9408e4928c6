// What each thread of the virtual machine's process is for, and so which system calls it may make. The
// process' jail (jail.hpp) is the wall; these are narrower rooms within it. Threads share their memory, so
// one that is broken into can lead another astray, but not with a system call of its own.
#pragma once

#include "base/integers.hpp"
#include "host/event_loop.hpp"

#include <thread>

namespace softmetal::host {

enum class ThreadRole : u8 {
    vcpu,          // runs the guest; sends its frames to the network
    event_loop,    // timers, serial port, network, what the parent says
    block_store,   // files of disks
    remote_store,  // disks that a server has
    screen,        // frames for viewers, their keys
    debugger,      // gdb's packets
};

/// The calling thread has this role for ever: `ps -L` shows its name, and in Jail::machine a system call that
/// the role does not need kills the process. Outside a jail (unit tests) and in builds with sanitizers only
/// the name is set. Ends the process with a message where the host refuses the filter.
void enter_thread_role(ThreadRole role);

/// A thread of this role that runs the loop until it is stopped.
[[nodiscard]] std::thread start_loop_thread(EventLoop& loop, ThreadRole role);

/// By install_system_call_filter(), once the process is a jailed virtual machine.
void begin_to_confine_threads();

}  // namespace softmetal::host
