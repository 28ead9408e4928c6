// System instructions, ports, flags that privilege guards, extended state.
#include "guest.hpp"

namespace softmetal::test {
namespace {

namespace flags = x86::flags;
using namespace asmjit::x86;

TEST(System, TimeStampFollowsVirtualTime) {
    Guest g(Mode::long64);
    g.clock.time = 0x1'2345'6789;  // at 1 GHz a nanosecond is a tick
    g.vcpu->state.tsc_aux = 7;
    g.run([](Assembler& a) { a.rdtscp(); });
    EXPECT_EQ(g.gpr(x86::rdx) << 32 | g.gpr(x86::rax), 0x1'2345'6789u);
    EXPECT_EQ(g.gpr(x86::rcx), 7u);
}

TEST(System, TimeStampMayBeForbidden) {
    Guest g(Mode::long64, 3);
    g.vcpu->state.cr4 |= x86::cr4::tsd;
    g.run([](Assembler& a) { a.rdtsc(); });
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->vector, x86::Vector::general_protection);
}

TEST(System, CpuidComesFromTheModel) {
    Guest g(Mode::long64);
    g.gpr(x86::rax) = 0xffffffff00000000;
    g.run([](Assembler& a) { a.cpuid(); });
    const CpuidLeaf leaf = g.model.cpuid(0, 0, g.vcpu->state, 0, false);
    EXPECT_EQ(g.gpr(x86::rax), leaf.eax);
    EXPECT_EQ(g.gpr(x86::rbx), leaf.ebx);
    EXPECT_EQ(g.gpr(x86::rcx), leaf.ecx);
    EXPECT_EQ(g.gpr(x86::rdx), leaf.edx);
}

TEST(System, WhatTheModelLacksIsAbsent) {
    const auto vector_of = [](std::initializer_list<u8> code, u32 msr = 0) {
        Guest g(Mode::flat32, 0, "pentium3");
        g.gpr(x86::rcx) = msr;
        g.vcpu->state.cr4 |= x86::cr4::osfxsr;
        g.run_bytes(code);
        return g.fault() ? std::optional(g.fault()->vector) : std::nullopt;
    };
    EXPECT_EQ(vector_of({0x0f, 0x58, 0xc1}), std::nullopt);                           // ADDPS
    EXPECT_EQ(vector_of({0x66, 0x0f, 0x58, 0xc1}), x86::Vector::invalid_opcode);      // ADDPD: SSE2
    EXPECT_EQ(vector_of({0x0f, 0x05}), x86::Vector::invalid_opcode);                  // SYSCALL
    EXPECT_EQ(vector_of({0x0f, 0x32}, 0xc0000080), x86::Vector::general_protection);  // RDMSR of EFER
    EXPECT_EQ(vector_of({0x0f, 0x32}, 0x277), std::nullopt);                          // of PAT
    EXPECT_EQ(vector_of({0xb8, 0, 0, 0x10, 0, 0x0f, 0x22, 0xe0}),
              x86::Vector::general_protection);  // CR4.SMEP
}

TEST(System, CountOfLeadingZerosIsABitScanToModelsWithoutIt) {
    Guest g(Mode::flat32, 0, "pentium3");
    g.gpr(x86::rcx) = 0x100;
    g.run_bytes({0xf3, 0x0f, 0xbd, 0xc1});
    EXPECT_FALSE(g.fault());
    EXPECT_EQ(g.gpr(x86::rax), 8u);  // LZCNT would say 23
}

TEST(System, Ports) {
    Guest g(Mode::long64);
    g.gpr(x86::rdx) = Guest::port_base + 1;
    g.gpr(x86::rax) = 0xaabbccdd;
    g.run([](Assembler& a) {
        a.out(dx, eax);
        a.in(al, dx);
    });
    ASSERT_EQ(g.recorder.writes.size(), 1u);
    EXPECT_EQ(g.recorder.writes[0].width, 4u);
    EXPECT_EQ(g.recorder.writes[0].value, 0xaabbccddu);
    EXPECT_EQ(g.gpr(x86::rax), 0xaabbcc11u);
}

TEST(System, HaltStopsTheRun) {
    Guest g(Mode::long64);
    g.run([](Assembler& a) { a.nop(); });
    EXPECT_EQ(g.vcpu->state.activity, Activity::halted);
    EXPECT_EQ(g.vcpu->state.rip, Guest::code + 2);
    EXPECT_EQ(g.vcpu->counters.instructions_interpreted, 2u);
}

TEST(System, PopfPrivileges) {
    Guest g(Mode::long64, 3);
    g.vcpu->state.rflags |= flags::interrupt;
    g.run([](Assembler& a) {
        a.push(0x3000);  // IOPL 3, IF clear: neither is the user's to change
        a.popfq();
        a.pushfq();
        a.pop(rax);
        a.int3();
    });
    EXPECT_TRUE(g.gpr(x86::rax) & flags::interrupt);
    EXPECT_FALSE(g.gpr(x86::rax) & flags::iopl);
}

TEST(System, InterruptFlagWithIopl) {
    Guest g(Mode::long64, 3);
    g.vcpu->state.rflags |= flags::interrupt | flags::iopl;
    g.run([](Assembler& a) {
        a.cli();
        a.pushfq();
        a.pop(rax);
        a.sti();
        a.int3();
    });
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->vector, x86::Vector::breakpoint);
    EXPECT_FALSE(g.gpr(x86::rax) & flags::interrupt);
}

TEST(System, SystemCallAndReturn) {
    Guest g(Mode::long64, 3);
    CpuState& s = g.vcpu->state;
    constexpr u64 entry = 0x110000;
    s.star = u64{0x10 | 3} << 48 | u64{0x08} << 32;
    s.lstar = entry;
    s.sfmask = flags::df;
    g.place(
        [](Assembler& a) {
            a.db(0x48);
            a.db(0x0f);
            a.db(0x07);
        },
        entry);  // SYSRETQ
    s.rflags |= flags::df;
    g.run([](Assembler& a) {
        a.syscall();
        a.mov(ebx, 1);
        a.int3();
    });
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->vector, x86::Vector::breakpoint);
    EXPECT_EQ(g.gpr(x86::rbx), 1u);
    EXPECT_EQ(g.gpr(x86::rcx), Guest::code + 2);
    EXPECT_EQ(g.vcpu->counters.system_calls, 1u);
}

TEST(System, ATrapFlagThatSysretLoadsTrapsAtOnce) {
    Guest g(Mode::long64, 3);
    CpuState& s = g.vcpu->state;
    constexpr u64 entry = 0x110000;
    s.star = u64{0x10 | 3} << 48 | u64{0x08} << 32;
    s.lstar = entry;
    g.place(
        [](Assembler& a) {
            a.or_(r11, 0x100);
            a.db(0x48);
            a.db(0x0f);
            a.db(0x07);
        },
        entry);
    g.run([](Assembler& a) {
        a.syscall();
        a.mov(ebx, 1);
    });
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->vector, x86::Vector::debug);
    EXPECT_EQ(g.fault()->rip, Guest::code + 2);
    EXPECT_TRUE(s.dr6 & x86::dr6::single_step);
}

TEST(System, TheVendorsHypercallAnswersThatThereIsNone) {
    for (const bool amd_form : {false, true}) {
        Guest g(Mode::long64);
        g.gpr(x86::rax) = 5;
        g.run_bytes({0x0f, 0x01, static_cast<u8>(amd_form ? 0xd9 : 0xc1)});
        if (amd_form == g.model.is_amd()) {
            EXPECT_FALSE(g.fault());
            EXPECT_EQ(static_cast<i64>(g.gpr(x86::rax)), -1000);
        } else {
            ASSERT_TRUE(g.fault());
            EXPECT_EQ(g.fault()->vector, x86::Vector::invalid_opcode);
        }
    }
}

TEST(System, SegmentBases) {
    Guest g(Mode::long64);
    g.vcpu->state.cr4 |= x86::cr4::fsgsbase;
    g.vcpu->state.kernel_gs_base = 0x5000;
    g.gpr(x86::rax) = Guest::data;
    g.poke<u32>(Guest::data + 4, 99);
    g.run([](Assembler& a) {
        a.wrfsbase(rax);
        Mem m = dword_ptr(4);
        m.setSegment(fs);
        a.mov(ebx, m);
        a.swapgs();
        a.rdgsbase(rcx);
    });
    EXPECT_FALSE(g.fault());
    EXPECT_EQ(g.gpr(x86::rbx), 99u);
    EXPECT_EQ(g.gpr(x86::rcx), 0x5000u);
}

TEST(System, UserInstructionPrevention) {
    for (const bool umip : {false, true}) {
        Guest g(Mode::long64, 3);
        if (umip) g.vcpu->state.cr4 |= x86::cr4::umip;
        g.run([](Assembler& a) {
            a.sldt(eax);
            a.int3();
        });
        ASSERT_TRUE(g.fault());
        EXPECT_EQ(g.fault()->vector, umip ? x86::Vector::general_protection : x86::Vector::breakpoint);
    }
}

TEST(System, DescriptorTables) {
    Guest g(Mode::long64);
    g.poke<u16>(Guest::data, 0x3f);
    g.poke<u64>(Guest::data + 2, 0xffff800000001000);
    g.run([](Assembler& a) {
        a.mov(rdi, Guest::data);
        a.lgdt(ptr(rdi));
        a.sgdt(ptr(rdi, 16));
    });
    EXPECT_FALSE(g.fault());
    EXPECT_EQ(g.vcpu->state.gdtr.base, 0xffff800000001000);
    EXPECT_EQ(g.peek<u16>(Guest::data + 16), 0x3f);
    EXPECT_EQ(g.peek<u64>(Guest::data + 18), 0xffff800000001000);
}

TEST(ExtendedState, SaveAndRestoreLegacyArea) {
    Guest g(Mode::long64);
    g.vcpu->state.extended.xmm[3] = {0x1111, 0x2222};
    g.run([](Assembler& a) {
        a.mov(rdi, Guest::data);
        a.fxsave64(ptr(rdi));
        a.xorps(xmm3, xmm3);
        a.fxrstor64(ptr(rdi));
    });
    EXPECT_FALSE(g.fault());
    EXPECT_EQ(g.vcpu->state.extended.xmm[3].low, 0x1111u);
    EXPECT_EQ(g.vcpu->state.extended.xmm[3].high, 0x2222u);
}

TEST(ExtendedState, X87EnvironmentAndState) {
    Guest g(Mode::long64);
    g.run([](Assembler& a) {
        a.mov(rdi, Guest::data);
        a.fninit();
        a.fld1();
        a.fldz();
        a.fnstenv(ptr(rdi));
        a.fnsave(ptr(rdi, 0x100));
        a.frstor(ptr(rdi, 0x100));
        a.fstp(qword_ptr(rdi, 0x200));
        a.fstp(qword_ptr(rdi, 0x208));
        a.fldenv(ptr(rdi));
    });
    EXPECT_FALSE(g.fault());
    EXPECT_EQ(g.peek<u16>(Guest::data), 0x37f);
    EXPECT_EQ(g.peek<u16>(Guest::data + 4), 6u << 11);  // TOP
    EXPECT_EQ(g.peek<u16>(Guest::data + 8), 0x1fff);    // R7 valid, R6 zero, others empty
    EXPECT_EQ(g.peek<double>(Guest::data + 0x200), 0.0);
    EXPECT_EQ(g.peek<double>(Guest::data + 0x208), 1.0);
    EXPECT_EQ(g.vcpu->state.extended.fsw >> 11 & 7, 6);
}

TEST(ExtendedState, PendingX87ExceptionIsRaisedByTheNextInstruction) {
    Guest g(Mode::long64);
    g.vcpu->state.extended.fcw = 0x37b;  // ZM clear
    g.run([](Assembler& a) {
        a.fld1();
        a.fldz();
        a.fdivp(st1);
        a.nop();
        a.fld1();
    });
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->vector, x86::Vector::x87_floating_point);
    EXPECT_EQ(g.fault()->rip, Guest::code + 7);
}

TEST(ExtendedState, MxcsrReservedBits) {
    Guest g(Mode::long64);
    g.poke<u32>(Guest::data, 0x10000);
    g.gpr(x86::rdi) = Guest::data;
    g.run([](Assembler& a) { a.ldmxcsr(dword_ptr(rdi)); });
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->vector, x86::Vector::general_protection);
}

TEST(ExtendedState, MaskedStoreTouchesSelectedElementsOnly) {
    Guest g(Mode::long64);
    if (!g.model.features().avx) GTEST_SKIP();
    auto& e = g.vcpu->state.extended;
    e.xmm[1] = {0x80000000'80000000, 0};  // elements 0 and 1
    e.xmm[2] = {0x22222222'11111111, 0x44444444'33333333};
    g.gpr(x86::rdi) = Guest::unmapped - 8;
    g.run([](Assembler& a) {
        a.vmaskmovps(ptr(rdi), xmm1, xmm2);
        a.vmaskmovps(xmm3, xmm1, ptr(rdi));
    });
    EXPECT_FALSE(g.fault());
    EXPECT_EQ(g.peek<u64>(Guest::unmapped - 8), 0x22222222'11111111u);
    EXPECT_EQ(e.xmm[3].low, 0x22222222'11111111u);
    EXPECT_EQ(e.xmm[3].high, 0u);
}

TEST(ExtendedState, GatherKeepsWhatItHasDone) {
    Guest g(Mode::long64);
    if (!g.model.features().avx2) GTEST_SKIP();
    auto& e = g.vcpu->state.extended;
    g.poke<u32>(Guest::unmapped - 8, 0xaaaa);
    g.poke<u32>(Guest::unmapped - 4, 0xbbbb);
    e.xmm[1] = {0x00000001'00000000, 0x00000000'00000002};  // indices 0, 1, 2 (unmapped), 0
    e.xmm[2] = {~u64{0}, ~u64{0}};
    g.gpr(x86::rdi) = Guest::unmapped - 8;
    g.run([](Assembler& a) { a.vpgatherdd(xmm3, ptr(rdi, xmm1, 2), xmm2); });
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->vector, x86::Vector::page_fault);
    EXPECT_EQ(g.vcpu->state.cr2, Guest::unmapped);
    EXPECT_EQ(e.xmm[3].low, 0x0000bbbb'0000aaaau);
    EXPECT_EQ(e.xmm[2].low, 0u);
    EXPECT_EQ(e.xmm[2].high, ~u64{0});

    g.set_page(Guest::unmapped, Guest::unmapped | 7);
    g.poke<u32>(Guest::unmapped, 0xcccc);
    g.go();
    EXPECT_FALSE(g.fault());
    EXPECT_EQ(e.xmm[3].high, 0x0000aaaa'0000ccccu);
    EXPECT_EQ(e.xmm[2].high, 0u);
}

TEST(ExtendedState, GatherMakesItsMaskWholeOnIntelOnly) {
    Guest g(Mode::long64);
    if (!g.model.features().avx2) GTEST_SKIP();
    auto& e = g.vcpu->state.extended;
    e.xmm[1] = {};                                          // indices 0
    e.xmm[2] = {0x80000001'80000000, 0x00000003'80000002};  // elements 0, 1 and 2
    e.ymm_high[2] = e.ymm_high[3] = {1, 2};
    g.gpr(x86::rdi) = Guest::unmapped;
    g.run([](Assembler& a) { a.vpgatherdd(xmm3, ptr(rdi, xmm1), xmm2); });
    ASSERT_TRUE(g.fault());
    const bool amd = g.model.is_amd();
    EXPECT_EQ(e.xmm[2].low, amd ? 0x80000001'80000000 : ~u64{0});
    EXPECT_EQ(e.xmm[2].high, amd ? 0x00000003'80000002 : 0xffffffff);
    EXPECT_EQ(e.ymm_high[2].low, amd ? 1u : 0u);
}

TEST(ExtendedState, MaskedByteStore) {
    Guest g(Mode::long64);
    auto& e = g.vcpu->state.extended;
    e.xmm[0] = {0x8877665544332211, 0};
    e.xmm[1] = {0x8000000000000080, 0};
    g.gpr(x86::rdi) = Guest::data;
    g.run([](Assembler& a) { a.maskmovdqu(xmm0, xmm1); });
    EXPECT_FALSE(g.fault());
    EXPECT_EQ(g.peek<u64>(Guest::data), 0x8800000000000011u);
}

}  // namespace
}  // namespace softmetal::test
