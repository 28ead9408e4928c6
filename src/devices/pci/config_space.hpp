// The 256 bytes of a function's configuration space: which bits software may change, and the capability list.
#pragma once

#include "base/integers.hpp"
#include "base/result.hpp"

#include <array>
#include <span>

namespace softmetal::devices::pci {

class ConfigSpace {
 public:
    static constexpr unsigned size = 256;

    /// Software's view. `width` is 1, 2 or 4; an access that leaves the space is cut off at its end.
    [[nodiscard]] u32 read(u8 offset, unsigned width) const;
    void write(u8 offset, unsigned width, u32 value);

    /// The device's view: any bit. The value now is also the value after reset.
    void define(u8 offset, unsigned width, u32 value, u32 writable = 0);
    /// Any bit, until the next reset.
    void set(u8 offset, unsigned width, u32 value);
    void reset() { bytes_ = initial_; }

    /// Appends to the capability list a capability of 2 + body.size() bytes; its offset. Called while the
    /// function is built: the list must fit.
    [[nodiscard]] u8 add_capability(u8 id, std::span<const u8> body);

    [[nodiscard]] std::span<const u8, size> bytes() const { return bytes_; }
    /// Fails where a bit that software cannot write differs, apart from those in `ignored_offset`'s byte.
    [[nodiscard]] Result<> load(std::span<const u8, size> bytes, u8 ignored_offset);

 private:
    std::array<u8, size> bytes_{}, initial_{}, writable_{};
    u8 last_capability_ = 0;
    unsigned free_ = 0x40;
};

}  // namespace softmetal::devices::pci
