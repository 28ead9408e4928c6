// A guest without an operating system: identity-mapped memory, an IDT whose handlers halt, code from an
// assembler.
#pragma once

#include "cpu/vcpu.hpp"
#include "interpreter/interpreter.hpp"
#include "translator/translator.hpp"

#include <asmjit/x86.h>
#include <cstring>
#include <functional>
#include <gtest/gtest.h>

namespace softmetal::testing {

class ManualClock final : public bus::Clock {
 public:
    [[nodiscard]] bus::Nanoseconds now() const override { return 0; }
};

class SmallGuest {
 public:
    static constexpr u64 memory_bytes = 16 << 20;
    static constexpr u64 tables = 0x10000, gdt = 0x20000, idt = 0x21000, handlers = 0x22000, idt32 = 0x23000,
                         code = 0x100000, data = 0x200000, stack_top = 0x300000, unmapped = 0x800000;

    using Assembler = asmjit::x86::Assembler;
    /// 64-bit mode, compatibility mode, or protected mode without paging. All at CPL 0.
    enum class Code { bits64, bits32, protected32 };
    static constexpr u16 code32 = 0x18, data32 = 0x20, user_code32 = 0x2b, user_data32 = 0x33;

    explicit SmallGuest(const std::function<void(Assembler&)>& program, Code kind = Code::bits64)
        : memory(std::move(*GuestMemory::create(memory_bytes))),
          model(CpuModel::host(1, 1'000'000'000)),
          vcpu(0, model, {*memory, ports, mmio, clock}) {
        build_tables();
        asmjit::CodeHolder holder;
        holder.init(asmjit::Environment(kind == Code::bits64 ? asmjit::Arch::kX64 : asmjit::Arch::kX86),
                    code);
        Assembler a(&holder);
        program(a);
        a.hlt();
        holder.flatten();
        holder.relocateToBase(code);
        holder.copyFlattenedData(memory->pointer({code}), 0x10000);
        enter_long_mode();
        if (kind == Code::bits64) return;
        vcpu.state.seg(x86::Segment::cs).attributes = 0xc09b;
        if (kind == Code::protected32) leave_long_mode();
    }

    template <class T>
    T& at(u64 address) {
        return *reinterpret_cast<T*>(memory->pointer({address}));
    }
    [[nodiscard]] bool halted() const { return vcpu.state.activity == Activity::halted; }
    /// The vector whose handler halted; none where the program itself did.
    [[nodiscard]] std::optional<unsigned> vector() const {
        const u64 rip = vcpu.state.rip;
        if (rip < handlers || rip >= handlers + 256 * 16) return std::nullopt;
        return static_cast<unsigned>((rip - handlers) / 16);
    }

    void run_interpreted() {
        Interpreter interpreter(vcpu);
        for (unsigned n = 0; n < 1000 && vcpu.state.activity == Activity::running; n++) interpreter.run(1000);
    }
    void run_translated(Translator::Options options = {.cache_bytes = 1 << 20, .threshold = 0}) {
        host::FaultStack fault_stack;
        Interpreter interpreter(vcpu);
        auto translator = Translator::create(vcpu, interpreter, options);
        ASSERT_TRUE(translator);
        for (unsigned n = 0; n < 1000 && vcpu.state.activity == Activity::running; n++)
            (*translator)->run(1000);
    }

    std::unique_ptr<GuestMemory> memory;
    bus::AddressSpace ports, mmio;
    ManualClock clock;
    CpuModel model;
    Vcpu vcpu;

 private:
    void build_tables() {
        constexpr u64 present_writable = 3;
        at<u64>(tables) = (tables + 0x1000) | present_writable;
        at<u64>(tables + 0x1000) = (tables + 0x2000) | present_writable;
        // 4 KiB pages for all of RAM but `unmapped`.
        for (u64 large = 0; large < memory_bytes >> 21; large++) {
            const u64 table = tables + 0x3000 + large * 0x1000;
            at<u64>(tables + 0x2000 + large * 8) = table | present_writable;
            for (u64 n = 0; n < 512; n++) {
                const u64 address = (large << 21) + (n << 12);
                at<u64>(table + n * 8) = address == unmapped ? 0 : address | present_writable;
            }
        }
        at<u64>(gdt + 8) = 0x00af9b000000ffff;   // 64-bit code
        at<u64>(gdt + 16) = 0x00cf93000000ffff;  // data
        at<u64>(gdt + code32) = 0x00cf9b000000ffff;
        at<u64>(gdt + data32) = 0x00cf93000000ffff;
        at<u64>(gdt + (user_code32 & ~7)) = 0x00cffb000000ffff;
        at<u64>(gdt + (user_data32 & ~7)) = 0x00cff3000000ffff;
        for (u64 v = 0; v < 256; v++) {
            const u64 handler = handlers + v * 16;
            at<u64>(idt + v * 16) = (handler & 0xffff) | 8 << 16 | u64{0x8e00} << 32 | (handler >> 16) << 48;
            at<u64>(idt + v * 16 + 8) = 0;
            at<u64>(idt32 + v * 8) =
                (handler & 0xffff) | u64{code32} << 16 | u64{0x8e00} << 32 | (handler >> 16) << 48;
            at<u8>(handler) = 0xf4;  // HLT
        }
    }
    void enter_long_mode() {
        CpuState& s = vcpu.state;
        s.cr0 = x86::cr0::pe | x86::cr0::pg | x86::cr0::ne | x86::cr0::et | x86::cr0::mp;
        s.cr4 = x86::cr4::pae | x86::cr4::osfxsr | x86::cr4::osxmmexcpt | x86::cr4::osxsave;
        s.xcr0 = model.supported_xcr0();
        s.efer = x86::efer::lme | x86::efer::lma;
        s.cr3 = tables;
        s.gdtr = {gdt, 0x37};
        s.idtr = {idt, 0xfff};
        x86::SegmentRegister& cs = s.seg(x86::Segment::cs);
        cs.selector = 8;
        cs.attributes = 0xa09b & ~0x0f00u;
        cs.base = 0;
        cs.limit = 0xffffffff;
        for (auto seg :
             {x86::Segment::ds, x86::Segment::es, x86::Segment::ss, x86::Segment::fs, x86::Segment::gs}) {
            s.seg(seg).selector = 16;
            s.seg(seg).attributes = 0xc093;
            s.seg(seg).limit = 0xffffffff;
            s.seg(seg).base = 0;
        }
        s.gpr[x86::rsp] = stack_top;
        s.rip = code;
        s.rflags = x86::flags::always_one;
        s.activity = Activity::running;
        vcpu.mmu.flush_all();
    }
    void leave_long_mode() {
        CpuState& s = vcpu.state;
        s.cr0 &= ~x86::cr0::pg;
        s.efer = 0;
        s.idtr = {idt32, 0x7ff};
        s.seg(x86::Segment::cs).selector = code32;
        for (auto seg : {x86::Segment::ds, x86::Segment::es, x86::Segment::ss}) s.seg(seg).selector = data32;
        vcpu.mmu.flush_all();
    }
};

}  // namespace softmetal::testing
