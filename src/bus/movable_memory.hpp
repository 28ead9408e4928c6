// Memory of a device's that processors reach as quickly as RAM, at an address that software chooses.
#pragma once

#include "base/integers.hpp"

#include <optional>
#include <span>

namespace softmetal::bus {

class MovableMemory {
 public:
    virtual ~MovableMemory() = default;
    /// The bytes themselves, in which processors may read and write at any moment.
    [[nodiscard]] virtual std::span<u8> bytes() = 0;
    /// Where processors see it; nowhere without an address, which is a multiple of a page. Any thread; takes
    /// effect on the calling processor with its next instruction, on others soon.
    virtual void place(std::optional<u64> address) = 0;
};

}  // namespace softmetal::bus
