#include "machine/boot/entry_state.hpp"

#include "machine/boot/linux_loader.hpp"
#include "x86/page_tables.hpp"

#include <array>
#include <vector>

namespace softmetal::machine {
namespace {

// The selectors that the protocol names: __BOOT_CS and __BOOT_DS.
constexpr u16 code_selector = 0x10, data_selector = 0x18;
constexpr u64 code_descriptor = 0x00af'9b00'0000'ffff;  // flat, 64-bit, execute/read, accessed
constexpr u64 data_descriptor = 0x00cf'9300'0000'ffff;  // flat, 4 GiB, read/write, accessed
constexpr std::array<u64, 4> gdt = {0, 0, code_descriptor, data_descriptor};

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

}  // namespace

Result<> enter_long_mode(GuestMemory& memory, CpuState& state, GuestPhysical entry) {
    const auto tables = identity_page_tables(boot_address::page_tables);
    if (!memory.write({boot_address::gdt}, std::as_bytes(std::span(gdt))) ||
        !memory.write({boot_address::page_tables}, std::as_bytes(std::span(tables))))
        return fail("guest memory is too small to boot in");

    using x86::Segment;
    state.cr0 = x86::cr0::pe | x86::cr0::et | x86::cr0::ne | x86::cr0::pg;
    state.cr3 = boot_address::page_tables;
    state.cr4 = x86::cr4::pae;
    state.efer = x86::efer::lme | x86::efer::lma;
    state.seg(Segment::cs) = flat_segment(code_selector, code_descriptor);
    for (Segment s : {Segment::ds, Segment::es, Segment::ss, Segment::fs, Segment::gs})
        state.seg(s) = flat_segment(data_selector, data_descriptor);
    state.gdtr = {boot_address::gdt, sizeof gdt - 1};
    state.idtr = {0, 0};
    state.rflags = x86::flags::always_one;
    state.rip = entry.value;
    state.gpr = {};
    state.gpr[x86::rsi] = boot_address::boot_params;
    state.gpr[x86::rsp] = boot_address::stack_top;
    state.activity = Activity::running;
    return {};
}

}  // namespace softmetal::machine
