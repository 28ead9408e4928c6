// A device's view of guest memory. No device keeps raw pointers: this view knows code pages and dirty pages.
#pragma once

#include "base/address.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace softmetal::bus {

class DmaView {
 public:
    virtual ~DmaView() = default;
    /// Whole or not at all: false where any byte is not RAM. May cross pages. Any thread.
    [[nodiscard]] virtual bool read(GuestPhysical address, std::span<std::byte> into) const = 0;
    [[nodiscard]] virtual bool write(GuestPhysical address, std::span<const std::byte> from) = 0;

    /// For a transfer that goes on while the guest runs, without a copy: appends where the bytes lie in the
    /// host, in order. They stay there for the machine's life. False, and what has been appended is of no
    /// use, where any byte is not RAM. Whoever is to write there says so by changing(), before and after.
    [[nodiscard]] virtual bool locate(GuestPhysical, u64 /*length*/, bool /*to_write*/,
                                      std::vector<std::span<std::byte>>& /*places*/) const {
        return false;
    }
    virtual void changing(GuestPhysical, u64 /*length*/) {}
};

}  // namespace softmetal::bus
