#include "machine/boot/entry_state.hpp"

#include "machine/boot/linux_loader.hpp"
#include "x86/page_tables.hpp"

#include <array>
#include <fmt/format.h>
#include <vector>

namespace softmetal::machine {
namespace {

// The selectors that the protocol names: __BOOT_CS and __BOOT_DS.
constexpr u16 code_selector = 0x10, data_selector = 0x18;
constexpr u64 code64_descriptor = 0x00af'9b00'0000'ffff;  // flat, 64-bit, execute/read, accessed
constexpr u64 code32_descriptor = 0x00cf'9b00'0000'ffff;  // flat, 4 GiB, execute/read, accessed
constexpr u64 data_descriptor = 0x00cf'9300'0000'ffff;    // flat, 4 GiB, read/write, accessed

constexpr u64 mapped_gib = 4;
constexpr u64 entries = 512;
constexpr u64 large_page = 2u << 20;

/// PML4, PDPT, then a page directory of 2 MiB pages for each GiB (SDM vol. 3, ch. 4.5).
std::vector<u64> identity_page_tables(u64 base) {
    using namespace x86::pte;
    const u64 table = present | writable;
    std::vector<u64> tables((2 + mapped_gib) * entries);
    tables[0] = (base + page_size) | table;
    for (u64 gib = 0; gib < mapped_gib; gib++) {
        tables[entries + gib] = (base + (2 + gib) * page_size) | table;
        for (u64 i = 0; i < entries; i++)
            tables[(2 + gib) * entries + i] = (gib * entries + i) * large_page | table | large;
    }
    return tables;
}

x86::SegmentRegister flat_segment(u16 selector, u64 descriptor) {
    x86::SegmentRegister s;
    s.selector = selector;
    s.attributes = static_cast<u32>(bits(descriptor, 55, 40)) & ~0xf00u;  // without the limit's nibble
    s.limit = 0xffff'ffff;
    return s;
}

std::unexpected<Error> too_small() { return fail("guest memory is too small to boot in"); }

}  // namespace

Result<> enter_kernel(GuestMemory& memory, CpuState& state, const KernelEntry& entry) {
    const bool long_mode = entry.mode == EntryMode::long_mode;
    const u64 code_descriptor = long_mode ? code64_descriptor : code32_descriptor;
    const std::array<u64, gdt_size / 8> gdt = {0, 0, code_descriptor, data_descriptor};
    if (!memory.write(entry.gdt, std::as_bytes(std::span(gdt)))) return too_small();

    using x86::Segment;
    state.cr0 = x86::cr0::pe | x86::cr0::et | x86::cr0::ne;
    if (long_mode) {
        const auto tables = identity_page_tables(boot_address::page_tables);
        if (!memory.write({boot_address::page_tables}, std::as_bytes(std::span(tables)))) return too_small();
        state.cr0 |= x86::cr0::pg;
        state.cr3 = boot_address::page_tables;
        state.cr4 = x86::cr4::pae;
        state.efer = x86::efer::lme | x86::efer::lma;
    }
    state.seg(Segment::cs) = flat_segment(code_selector, code_descriptor);
    for (Segment s : {Segment::ds, Segment::es, Segment::ss, Segment::fs, Segment::gs})
        state.seg(s) = flat_segment(data_selector, data_descriptor);
    state.gdtr = {entry.gdt.value, gdt_size - 1};
    state.idtr = {0, 0};
    state.rflags = x86::flags::always_one;
    state.rip = entry.address.value;
    state.gpr = {};
    state.gpr[x86::rax] = entry.eax;
    state.gpr[x86::rbx] = entry.ebx;
    state.gpr[x86::rsi] = entry.esi;
    state.gpr[x86::rsp] = entry.esp;
    state.activity = Activity::running;
    return {};
}

Result<KernelEntry> enter_flat_32(BootMemory& memory, u64 address, u32 eax, GuestPhysical ebx) {
    constexpr u64 highest_entry = 0xffff'ffff;
    if (address > highest_entry)
        return fail(fmt::format("the kernel's entry point {:#x} is not below 4 GiB", address));
    const auto gdt = memory.find(gdt_size, 8, 0, "the descriptor table");
    if (!gdt) return std::unexpected(gdt.error());
    return KernelEntry{.address = {address}, .gdt = *gdt, .eax = eax, .ebx = static_cast<u32>(ebx.value)};
}

}  // namespace softmetal::machine
