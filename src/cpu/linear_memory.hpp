// Guest memory by linear address, as instructions access it: TLB first, then the page walk, RAM or devices.
// Everything here may throw GuestException; nothing has been written when it does, even across two pages.
#pragma once

#include "cpu/mmu.hpp"

#include <bit>
#include <concepts>
#include <cstring>
#include <span>

namespace softmetal {

class Vcpu;

class LinearMemory {
 public:
    explicit LinearMemory(Vcpu& vcpu);

    /// Little-endian values of 1, 2, 4 or 8 bytes, one host access of that width where the page is RAM.
    template <std::unsigned_integral T>
    [[nodiscard]] T read(GuestLinear a, Privilege p) {
        if (const u8* host = find(a, sizeof(T), Access::read, p)) {
            T value;
            std::memcpy(&value, host, sizeof(T));
            return value;
        }
        return static_cast<T>(read_slow(a, sizeof(T), p));
    }
    template <std::unsigned_integral T>
    void write(GuestLinear a, T value, Privilege p) {
        if (u8* host = find(a, sizeof(T), Access::write, p)) {
            std::memcpy(host, &value, sizeof(T));
            return;
        }
        write_slow(a, sizeof(T), value, p);
    }

    /// Any length; device memory is accessed in pieces of at most 8 bytes. Both ends' rights are checked
    /// first.
    void read_bytes(GuestLinear a, std::span<std::byte> into, Privilege p);
    void write_bytes(GuestLinear a, std::span<const std::byte> from, Privilege p);

    /// Host address for an instruction that works in place, or null where it must go through read_bytes and
    /// write_bytes instead (device memory, a straddle of two pages, a write to a code page). Access::write
    /// implies read.
    [[nodiscard]] u8* in_place(GuestLinear a, unsigned size, Access access, Privilege p);

    /// Raises the fault that a write of these bytes would raise, and sets A and D bits as it would.
    void probe_write(GuestLinear a, u64 size, Privilege p);

 private:
    [[nodiscard]] u8* find(GuestLinear a, unsigned size, Access access, Privilege p) const {
        const auto& tables = access == Access::write  ? tlb_.write
                             : access == Access::read ? tlb_.read
                                                      : tlb_.execute;
        return tables[static_cast<unsigned>(p)].find(a, size);
    }
    [[nodiscard]] u64 read_slow(GuestLinear a, unsigned size, Privilege p);
    void write_slow(GuestLinear a, unsigned size, u64 value, Privilege p);

    /// One page's part of an access: checked, not yet made.
    struct Part {
        Mmu::Fill place;
        unsigned size;
    };
    [[nodiscard]] Mmu::Fill fill(GuestLinear a, Access access, Privilege p);
    void read_part(Part part, std::byte* into);
    void write_part(Part part, const std::byte* from);
    [[nodiscard]] u64 device_read(GuestPhysical a, unsigned width);
    void device_write(GuestPhysical a, unsigned width, u64 value);

    Vcpu& vcpu_;
    Tlb& tlb_;
};

}  // namespace softmetal
