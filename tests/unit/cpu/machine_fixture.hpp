// A vCPU on a few megabytes of RAM, and helpers that lay out page tables, descriptor tables and TSSs in it.
#pragma once

#include "cpu/event_delivery.hpp"
#include "cpu/far_transfer.hpp"
#include "cpu/segmentation.hpp"
#include "cpu/system_registers.hpp"
#include "cpu/vcpu.hpp"
#include "x86/msrs.hpp"
#include "x86/page_tables.hpp"

#include <cstring>
#include <functional>
#include <gtest/gtest.h>

namespace softmetal::testing {

inline constexpr u64 test_tsc_hz = 2'500'000'000;
inline constexpr bus::Nanoseconds test_wall_clock = 1'735'689'598'700'000'000;

struct ManualClock final : bus::Clock {
    bus::Nanoseconds time = 0;
    [[nodiscard]] bus::Nanoseconds now() const override { return time; }
};

/// A local APIC with one interrupt at most and registers that remember.
struct FakeApic final : bus::LocalApic {
    std::optional<u8> pending;
    u8 tpr = 0;
    u64 base_value = 0xfee00900;
    u32 last_offset = 0, last_value = 0;
    u64 deadline = 0;
    [[nodiscard]] bool deliverable() const override { return pending.has_value(); }
    [[nodiscard]] std::optional<u8> acknowledge() override { return std::exchange(pending, std::nullopt); }
    [[nodiscard]] u8 task_priority() const override { return tpr; }
    void set_task_priority(u8 value) override { tpr = value; }
    [[nodiscard]] u64 base() const override { return base_value; }
    [[nodiscard]] bool set_base(u64 value) override {
        if (value & 0xff) return false;
        base_value = value;
        return true;
    }
    [[nodiscard]] u32 read_register(u32 offset) override { return 0xa0000000 | offset; }
    void write_register(u32 offset, u32 value) override {
        last_offset = offset;
        last_value = value;
    }
    [[nodiscard]] std::optional<u64> read_msr(u32 index) override {
        if (index == x86::msr::tsc_deadline) return deadline;
        return std::nullopt;
    }
    [[nodiscard]] bool write_msr(u32 index, u64 value) override {
        if (index != x86::msr::tsc_deadline) return false;
        deadline = value;
        return true;
    }
};

/// Registers that answer with their own offset, and remember what was written.
struct FakeDevice final : bus::IoHandler {
    struct Access {
        u64 offset;
        unsigned width;
        u64 value;
        bool operator==(const Access&) const = default;
    };
    std::vector<Access> reads, writes;
    [[nodiscard]] u64 read_io(u64 offset, unsigned width) override {
        reads.push_back({offset, width, 0});
        return offset;
    }
    void write_io(u64 offset, unsigned width, u64 value) override {
        writes.push_back({offset, width, value});
    }
};

struct Raised {
    x86::Vector vector;
    u32 error_code;
    bool operator==(const Raised&) const = default;
};
inline std::ostream& operator<<(std::ostream& out, const Raised& r) {
    return out << "exception " << static_cast<unsigned>(r.vector) << " code " << r.error_code;
}

/// The exception `action` raises; none where it completes.
inline std::optional<Raised> raised_by(const std::function<void()>& action) {
    try {
        action();
    } catch (const GuestException& e) {
        return Raised{e.vector, e.error_code};
    }
    return std::nullopt;
}

inline Raised gp(u32 code = 0) { return {x86::Vector::general_protection, code}; }
inline Raised pf(u32 code) { return {x86::Vector::page_fault, code}; }

class MachineTest : public ::testing::Test {
 protected:
    // Where things lie in guest-physical memory; identity-mapped where a test turns paging on.
    static constexpr u64 ram_size = u64{8} << 20;
    static constexpr u64 gdt = 0x1000, idt = 0x2000, tss = 0x3000, ldt = 0x3800, page_tables = 0x100000,
                         kernel_stack = 0x20000, user_stack = 0x30000, ist_stack = 0x28000;
    // Selectors of the flat descriptors set_up_segments() makes.
    static constexpr u16 code64 = 0x08, kernel_data = 0x10, user_code32 = 0x1b, user_data = 0x23,
                         user_code64 = 0x2b, code32 = 0x30, task = 0x40, code16 = 0x50;

    MachineTest()
        : memory_(*GuestMemory::create(ram_size)),
          vcpu_(0, model(), {*memory_, ports_, mmio_, clock_, test_wall_clock}) {
        vcpu_.apic = &apic_;
    }

    static const CpuModel& model() {
        static const CpuModel m = CpuModel::host(2, test_tsc_hz);
        return m;
    }

    CpuState& state() { return vcpu_.state; }
    u64& gpr(x86::Gpr r) { return vcpu_.state.gpr[r]; }
    x86::SegmentRegister& seg(x86::Segment s) { return vcpu_.state.seg(s); }

    template <class T>
    void poke(u64 physical, T value) {
        std::memcpy(memory_->pointer({physical}), &value, sizeof value);
    }
    template <class T = u64>
    T peek(u64 physical) {
        T value;
        std::memcpy(&value, memory_->pointer({physical}), sizeof value);
        return value;
    }

    // --- paging
    // A fresh zeroed table page.
    u64 new_table() {
        const u64 table = next_table_;
        next_table_ += page_size;
        std::memset(memory_->page({table}), 0, page_size);
        return table;
    }
    /// Maps a 4 KiB page in the 4-level tables at CR3 with `flags`; tables above it allow everything.
    /// Returns the address of the leaf entry.
    u64 map(u64 linear, u64 physical, u64 flags, unsigned leaf_level = 1) {
        namespace pte = x86::pte;
        u64 table = state().cr3 & page_mask;
        for (unsigned level = 4; level > leaf_level; level--) {
            const u64 at = table + (linear >> (12 + 9 * (level - 1)) & 511) * 8;
            if (!(peek(at) & pte::present)) poke(at, new_table() | pte::present | pte::writable | pte::user);
            table = peek(at) & 0x000ffffffffff000;
        }
        const u64 at = table + (linear >> (12 + 9 * (leaf_level - 1)) & 511) * 8;
        poke(at, physical | flags | (leaf_level > 1 ? x86::pte::large : 0));
        return at;
    }

    // --- segments
    static constexpr u64 descriptor(u64 base, u64 raw_limit, u64 attributes) {
        return (raw_limit & 0xffff) | (base & 0xffffff) << 16 | (attributes & 0xf0ff) << 40 |
               (raw_limit >> 16 & 0xf) << 48 | (base >> 24 & 0xff) << 56;
    }
    void set_descriptor(u16 selector, u64 value) { poke(gdt + (selector & ~7u), value); }
    void set_up_segments() {
        std::memset(memory_->page({gdt}), 0, page_size);
        set_descriptor(code64, descriptor(0, 0xfffff, 0xa09b));
        set_descriptor(kernel_data, descriptor(0, 0xfffff, 0xc093));
        set_descriptor(user_code32, descriptor(0, 0xfffff, 0xc0fb));
        set_descriptor(user_data, descriptor(0, 0xfffff, 0xc0f3));
        set_descriptor(user_code64, descriptor(0, 0xfffff, 0xa0fb));
        set_descriptor(code32, descriptor(0, 0xfffff, 0xc09b));
        set_descriptor(code16, descriptor(0, 0xffff, 0x009b));
        set_descriptor(task, descriptor(tss, 0x67, 0x89));
        state().gdtr = {gdt, 0xff};
        state().idtr = {idt, 0xfff};
        std::memset(memory_->page({idt}), 0, page_size);
        std::memset(memory_->page({tss}), 0, page_size);
    }
    void use(u16 code, u16 data) {
        const auto load = [&](u16 selector) {
            return Descriptor{.low = peek(gdt + (selector & ~7u))}.as_segment(selector);
        };
        seg(x86::Segment::cs) = load(code);
        for (const auto s : {x86::Segment::ss, x86::Segment::ds, x86::Segment::es}) seg(s) = load(data);
    }
    /// 4-level paging with the low 4 MiB identity-mapped for everybody, 64-bit code at CPL 0.
    void enter_long_mode() {
        set_up_segments();
        state().cr3 = new_table();
        for (u64 a = 0; a < 0x400000; a += page_size)
            map(a, a, x86::pte::present | x86::pte::writable | x86::pte::user);
        state().cr4 = x86::cr4::pae | x86::cr4::osfxsr;
        state().efer = x86::efer::lme | x86::efer::lma | x86::efer::nxe | x86::efer::sce;
        state().cr0 = x86::cr0::pe | x86::cr0::pg | x86::cr0::wp | x86::cr0::et;
        use(code64, kernel_data);
        state().tr = {.selector = task, .attributes = 0x8b, .base = tss, .limit = 0x67};
        poke(tss + 4, kernel_stack);
        gpr(x86::rsp) = kernel_stack;
        vcpu_.mmu.flush_all();
    }
    /// Flat 32-bit code at CPL 0, no paging.
    void enter_protected_mode() {
        set_up_segments();
        state().cr0 = x86::cr0::pe | x86::cr0::et;
        use(code32, kernel_data);
        state().tr = {.selector = task, .attributes = 0x8b, .base = tss, .limit = 0x67};
        set_descriptor(task, descriptor(tss, 0x67, 0x8b));
        poke<u32>(tss + 4, kernel_stack);
        poke<u32>(tss + 8, kernel_data);
        gpr(x86::rsp) = kernel_stack;
        vcpu_.mmu.flush_all();
    }
    void set_gate64(u8 vector, u16 selector, u64 offset, u64 type_and_dpl, unsigned ist = 0) {
        poke(idt + vector * 16u, (offset & 0xffff) | u64{selector} << 16 | u64{ist} << 32 |
                                     type_and_dpl << 40 | (offset >> 16 & 0xffff) << 48);
        poke(idt + vector * 16u + 8, offset >> 32);
    }
    void set_gate32(u8 vector, u16 selector, u32 offset, u64 type_and_dpl) {
        poke(idt + vector * 8u,
             (offset & 0xffff) | u64{selector} << 16 | type_and_dpl << 40 | u64{offset >> 16} << 48);
    }

    std::unique_ptr<GuestMemory> memory_;
    bus::AddressSpace ports_, mmio_;
    ManualClock clock_;
    FakeApic apic_;
    Vcpu vcpu_;

    u64 next_table_ = page_tables;
};

}  // namespace softmetal::testing
