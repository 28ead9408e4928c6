#include "cpu/linear_memory.hpp"

#include "cpu/vcpu.hpp"

#include <algorithm>

namespace softmetal {

LinearMemory::LinearMemory(Vcpu& vcpu) : vcpu_(vcpu), tlb_(vcpu.block.tlb) {}

namespace {

/// In modes other than long mode, linear addresses wrap at 4 GiB.
GuestLinear wrapped(const CpuState& state, GuestLinear a) {
    return state.long_mode_active() ? a : GuestLinear{a.value & 0xffffffff};
}

/// The largest naturally aligned piece of at most 8 bytes at `a`.
unsigned device_piece(u64 a, unsigned left) {
    const unsigned aligned = a % 8 == 0 ? 8 : 1u << std::countr_zero(a % 8);
    return std::min(aligned, std::bit_floor(left));
}

constexpr u64 apic_enabled = bit(11), apic_x2apic = bit(10);

bool in_apic_page(const Vcpu& vcpu, GuestPhysical a) {
    if (!vcpu.apic) return false;
    const u64 base = vcpu.apic->base();
    return (base & (apic_enabled | apic_x2apic)) == apic_enabled &&
           a.page() == (base & page_mask & low_bits(guest_physical_address_bits));
}

}  // namespace

Mmu::Fill LinearMemory::fill(GuestLinear a, Access access, Privilege p) {
    auto filled = vcpu_.mmu.fill(wrapped(vcpu_.state, a), access, p);
    if (!filled) throw filled.error();
    return *filled;
}

// --- devices

u64 LinearMemory::device_read(GuestPhysical a, unsigned width) {
    vcpu_.counters.mmio_accesses++;
    if (!in_apic_page(vcpu_, a)) return vcpu_.mmio.read(a.value, width);
    // Registers are 32 bits wide at multiples of 16; other accesses see the same bytes (SDM vol. 3, ch.
    // 10.4.1).
    const u32 offset = static_cast<u32>(a.offset());
    const u64 value = vcpu_.apic->read_register(offset & ~3u) >> (offset % 4 * 8);
    return value & low_bits(width * 8);
}

void LinearMemory::device_write(GuestPhysical a, unsigned width, u64 value) {
    vcpu_.counters.mmio_accesses++;
    if (!in_apic_page(vcpu_, a)) return vcpu_.mmio.write(a.value, width, value);
    vcpu_.apic->write_register(static_cast<u32>(a.offset()) & ~3u, static_cast<u32>(value));
}

// --- parts of an access

void LinearMemory::read_part(Part part, std::byte* into) {
    if (part.place.host) {
        std::memcpy(into, part.place.host, part.size);
        return;
    }
    GuestPhysical a = part.place.physical;
    if (const u8* ram = vcpu_.memory.pointer(a)) {
        std::memcpy(into, ram, part.size);
        return;
    }
    for (unsigned left = part.size; left;) {
        const unsigned piece = device_piece(a.value, left);
        const u64 value = device_read(a, piece);
        std::memcpy(into, &value, piece);
        into += piece;
        a.value += piece;
        left -= piece;
    }
}

void LinearMemory::write_part(Part part, const std::byte* from) {
    GuestPhysical a = part.place.physical;
    u8* ram = part.place.host;
    if (!ram) {
        ram = vcpu_.memory.writable_pointer(a);
        if (ram) vcpu_.memory.about_to_write(a, part.size);
    }
    if (ram) {
        std::memcpy(ram, from, part.size);
        return;
    }
    for (unsigned left = part.size; left;) {
        const unsigned piece = device_piece(a.value, left);
        u64 value = 0;
        std::memcpy(&value, from, piece);
        device_write(a, piece, value);
        from += piece;
        a.value += piece;
        left -= piece;
    }
}

// --- single values that missed the TLB

u64 LinearMemory::read_slow(GuestLinear a, unsigned size, Privilege p) {
    const auto in_first = static_cast<unsigned>(std::min<u64>(size, page_size - a.offset()));
    const Part first{fill(a, Access::read, p), in_first};
    u64 value = 0;
    if (in_first == size) {
        // A device sees the guest's own width, aligned or not.
        if (!first.place.host && !vcpu_.memory.page(first.place.physical))
            return device_read(first.place.physical, size);
        vcpu_.note_access(a, size, Access::read);
        read_part(first, reinterpret_cast<std::byte*>(&value));
        return value;
    }
    const Part second{fill(a + in_first, Access::read, p), size - in_first};
    vcpu_.note_access(a, size, Access::read);
    read_part(first, reinterpret_cast<std::byte*>(&value));
    read_part(second, reinterpret_cast<std::byte*>(&value) + in_first);
    return value;
}

void LinearMemory::write_slow(GuestLinear a, unsigned size, u64 value, Privilege p) {
    const auto in_first = static_cast<unsigned>(std::min<u64>(size, page_size - a.offset()));
    const Part first{fill(a, Access::write, p), in_first};
    const auto* bytes = reinterpret_cast<const std::byte*>(&value);
    if (in_first == size) {
        if (!first.place.host && !vcpu_.memory.writable_page(first.place.physical))
            device_write(first.place.physical, size, value);
        else
            write_part(first, bytes);
        vcpu_.note_access(a, size, Access::write);
        return;
    }
    const Part second{fill(a + in_first, Access::write, p), size - in_first};
    write_part(first, bytes);
    write_part(second, bytes + in_first);
    vcpu_.note_access(a, size, Access::write);
}

// --- any length

void LinearMemory::read_bytes(GuestLinear a, std::span<std::byte> into, Privilege p) {
    // Rights of all pages first, in their order, so that a device's page is not read in vain.
    const bool crosses = a.offset() + into.size() > page_size;
    if (crosses) static_cast<void>(fill(a, Access::read, p));
    for (u64 next = page_size - a.offset(); next < into.size(); next += page_size)
        static_cast<void>(fill(a + next, Access::read, p));
    const GuestLinear start = a;
    const u64 size = into.size();
    while (!into.empty()) {
        const auto chunk = static_cast<unsigned>(std::min<u64>(into.size(), page_size - a.offset()));
        read_part({fill(a, Access::read, p), chunk}, into.data());
        into = into.subspan(chunk);
        a.value += chunk;
    }
    vcpu_.note_access(start, size, Access::read);
}

void LinearMemory::write_bytes(GuestLinear a, std::span<const std::byte> from, Privilege p) {
    if (a.offset() + from.size() > page_size) probe_write(a, from.size(), p);
    const GuestLinear start = a;
    const u64 size = from.size();
    while (!from.empty()) {
        const auto chunk = static_cast<unsigned>(std::min<u64>(from.size(), page_size - a.offset()));
        write_part({fill(a, Access::write, p), chunk}, from.data());
        from = from.subspan(chunk);
        a.value += chunk;
    }
    vcpu_.note_access(start, size, Access::write);
}

u8* LinearMemory::in_place(GuestLinear a, unsigned size, Access access, Privilege p) {
    if (u8* host = find(a, size, access, p)) return host;
    if (a.offset() + size > page_size) return nullptr;
    return fill(a, access, p).host;
}

void LinearMemory::probe_write(GuestLinear a, u64 size, Privilege p) {
    if (size == 0) return;
    for (u64 at = 0; at < size; at += page_size - (a + at).offset())
        static_cast<void>(fill(a + at, Access::write, p));
}

}  // namespace softmetal
