// What `softmetal run` tells its caller by its exit status. --help prints the same list.
#pragma once

namespace softmetal::exit_codes {

inline constexpr int success = 0;        // the guest powered itself off, or the user quit with Ctrl-A x
inline constexpr int usage = 2;          // an option or a file is not as it must be; nothing was run
inline constexpr int guest_crash = 3;    // triple fault; the registers are on standard error
inline constexpr int host_error = 4;     // resources, output, or the VM process itself failed
inline constexpr int guest_reset = 5;    // with --on-reset exit
inline constexpr int signal_base = 128;  // plus the number of the signal that stopped it: 130, 143

/// With --debug-exit: the guest's own value, told apart from success. What remains of it is what the host's
/// exit status can hold.
[[nodiscard]] constexpr int of_debug_exit(unsigned value) {
    return static_cast<int>((value << 1 | 1) & 0xff);
}

}  // namespace softmetal::exit_codes
