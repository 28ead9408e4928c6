// A device's view of guest memory. No device keeps raw pointers: this view knows code pages and dirty pages.
#pragma once

#include "base/address.hpp"

#include <cstddef>
#include <span>

namespace softmetal::bus {

class DmaView {
 public:
    virtual ~DmaView() = default;
    /// Whole or not at all: false where any byte is not RAM. May cross pages. Any thread.
    [[nodiscard]] virtual bool read(GuestPhysical address, std::span<std::byte> into) const = 0;
    [[nodiscard]] virtual bool write(GuestPhysical address, std::span<const std::byte> from) = 0;
};

}  // namespace softmetal::bus
