// A Linux image as it is entered in real mode (Linux Documentation/arch/x86/boot.rst, "The Real-Mode Kernel
// Header"): its parts, with their places and the header filled in, for firmware's boot program to load.
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"
#include "machine/boot/boot_request.hpp"

#include <vector>

namespace softmetal::machine {

struct RealModeKernel {
    struct Part {
        u32 address = 0;
        std::vector<u8> bytes;
    };
    Part setup;         // boot sector, header and real-mode code
    Part payload;       // the protected-mode kernel
    Part command_line;  // with its final zero
    Part initrd;        // its address is the highest that will do
};

/// Has the image no other entry point, as far as its header says, that load_linux() could use?
[[nodiscard]] bool needs_real_mode_entry(std::span<const std::byte> kernel);

/// The error says why this kernel cannot be started so in a machine with that much RAM.
[[nodiscard]] Result<RealModeKernel> prepare_real_mode_kernel(const BootRequest& boot, u64 ram_bytes);

}  // namespace softmetal::machine
