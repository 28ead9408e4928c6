// What a boot loader is asked to start: a kernel with its initrd and command line, whatever its format.
#pragma once

#include "base/address.hpp"
#include "machine/boot/boot_screen.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace softmetal::machine {

struct BootRequest {
    std::span<const std::byte> kernel, initrd;
    std::string_view command_line;
    GuestPhysical rsdp{};
    std::optional<BootScreen> screen = {};    // for kernels whose protocol can say so
    std::string_view kernel_name = "kernel";  // the first word of a Multiboot command line
};

inline constexpr std::string_view boot_loader_name = "softmetal";

}  // namespace softmetal::machine
