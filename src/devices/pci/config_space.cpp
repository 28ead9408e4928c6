#include "devices/pci/config_space.hpp"

#include "base/bits.hpp"
#include "devices/pci/pci_registers.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace softmetal::devices::pci {

u32 ConfigSpace::read(u8 offset, unsigned width) const {
    u32 value = 0;
    for (unsigned i = 0; i < width && offset + i < size; ++i) value |= u32{bytes_[offset + i]} << (8 * i);
    return value;
}

void ConfigSpace::write(u8 offset, unsigned width, u32 value) {
    for (unsigned i = 0; i < width && offset + i < size; ++i) {
        const u8 mask = writable_[offset + i];
        const u8 written = static_cast<u8>(value >> (8 * i));
        bytes_[offset + i] = static_cast<u8>((bytes_[offset + i] & ~mask) | (written & mask));
    }
}

void ConfigSpace::define(u8 offset, unsigned width, u32 value, u32 writable) {
    for (unsigned i = 0; i < width && offset + i < size; ++i) {
        bytes_[offset + i] = initial_[offset + i] = static_cast<u8>(value >> (8 * i));
        writable_[offset + i] = static_cast<u8>(writable >> (8 * i));
    }
}

void ConfigSpace::set(u8 offset, unsigned width, u32 value) {
    for (unsigned i = 0; i < width && offset + i < size; ++i)
        bytes_[offset + i] = static_cast<u8>(value >> (8 * i));
}

u8 ConfigSpace::add_capability(u8 id, std::span<const u8> body) {
    const u8 offset = static_cast<u8>(free_);
    define(offset, 2, id);
    for (unsigned i = 0; i < body.size(); ++i) define(static_cast<u8>(offset + 2 + i), 1, body[i]);
    define(last_capability_ ? static_cast<u8>(last_capability_ + 1) : reg::capabilities, 1, offset);
    define(reg::status, 2, read(reg::status, 2) | status::capability_list);
    last_capability_ = offset;
    free_ = static_cast<unsigned>(align_up(free_ + 2 + body.size(), 4));
    return offset;
}

Result<> ConfigSpace::load(std::span<const u8, size> bytes, u8 ignored_offset) {
    for (unsigned i = 0; i < size; ++i)
        if (i != ignored_offset && (bytes[i] ^ initial_[i]) & ~writable_[i])
            return fail(fmt::format("saved PCI configuration differs in the fixed byte {:#x}", i));
    std::ranges::copy(bytes, bytes_.begin());
    return {};
}

}  // namespace softmetal::devices::pci
