// ISA DMA as the device on a channel sees it: it offers or wants bytes, the controller knows where in memory.
#pragma once

#include "base/integers.hpp"

#include <cstddef>
#include <span>

namespace softmetal::bus {

class IsaDmaChannel {
 public:
    virtual ~IsaDmaChannel() = default;
    struct Moved {
        std::size_t bytes = 0;        // fewer than offered where the channel is masked or has come to its end
        bool terminal_count = false;  // the last of them was the channel's last
    };
    // Any thread; the device may hold its lock.
    [[nodiscard]] virtual Moved to_memory(std::span<const std::byte> data) = 0;
    [[nodiscard]] virtual Moved from_memory(std::span<std::byte> into) = 0;
};

}  // namespace softmetal::bus
