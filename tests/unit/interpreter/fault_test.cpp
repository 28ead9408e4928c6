// Faults: vector, error code, pushed RIP, and nothing else changed.
#include "guest.hpp"

namespace softmetal::test {
namespace {

namespace flags = x86::flags;
using namespace asmjit::x86;

void expect_fault(const Guest& g, x86::Vector vector, u32 error_code, u64 rip) {
    const auto fault = g.fault();
    ASSERT_TRUE(fault);
    EXPECT_EQ(fault->vector, vector);
    EXPECT_EQ(fault->error_code, error_code);
    EXPECT_EQ(fault->rip, rip);
}

TEST(Faults, ReadOfUnmappedPage) {
    Guest g(Mode::long64);
    g.gpr(x86::rdi) = Guest::unmapped + 8;
    g.gpr(x86::rax) = 0x77;
    g.run([](Assembler& a) { a.mov(rax, qword_ptr(rdi)); });
    expect_fault(g, x86::Vector::page_fault, 0, Guest::code);
    EXPECT_EQ(g.vcpu->state.cr2, Guest::unmapped + 8);
    EXPECT_EQ(g.gpr(x86::rax), 0x77u);
}

TEST(Faults, StraddlingStoreWritesNothing) {
    Guest g(Mode::long64);
    g.gpr(x86::rdi) = Guest::unmapped - 4;
    g.poke<u32>(Guest::unmapped - 4, 0xabcd);
    g.run([](Assembler& a) { a.add(qword_ptr(rdi), 1); });
    expect_fault(g, x86::Vector::page_fault, 2, Guest::code);
    EXPECT_EQ(g.vcpu->state.cr2, Guest::unmapped);
    EXPECT_EQ(g.peek<u32>(Guest::unmapped - 4), 0xabcdu);
    EXPECT_FALSE(g.flag(flags::cf | flags::zf));
}

TEST(Faults, ReadModifyWriteOfReadOnlyPageIsAWriteFault) {
    Guest g(Mode::long64, 3);
    g.gpr(x86::rdi) = Guest::read_only;
    g.vcpu->state.rflags |= flags::cf;
    g.run([](Assembler& a) { a.adc(dword_ptr(rdi), 1); });
    expect_fault(g, x86::Vector::page_fault, 7, Guest::code);
    // The flags pushed are those before the instruction.
    EXPECT_TRUE(g.peek<u64>(g.gpr(x86::rsp) + 24) & flags::cf);
}

TEST(Faults, PushLeavesTheStackPointer) {
    Guest g(Mode::long64, 3);
    g.gpr(x86::rsp) = Guest::unmapped + 4;
    g.run([](Assembler& a) { a.push(rax); });
    expect_fault(g, x86::Vector::page_fault, 6, Guest::code);
    EXPECT_EQ(g.peek<u64>(g.gpr(x86::rsp) + 32), Guest::unmapped + 4);  // RSP in the frame
}

TEST(Faults, PopToFaultingMemoryLeavesTheStackPointer) {
    Guest g(Mode::long64, 3);
    g.gpr(x86::rdi) = Guest::unmapped;
    g.run([](Assembler& a) { a.pop(qword_ptr(rdi)); });
    expect_fault(g, x86::Vector::page_fault, 6, Guest::code);
    EXPECT_EQ(g.peek<u64>(g.gpr(x86::rsp) + 32), Guest::stack_top);
}

TEST(Faults, NonCanonicalAddresses) {
    Guest g(Mode::long64);
    g.gpr(x86::rdi) = u64{1} << 47;
    g.run([](Assembler& a) { a.mov(al, byte_ptr(rdi)); });
    expect_fault(g, x86::Vector::general_protection, 0, Guest::code);

    Guest on_stack(Mode::long64, 3);
    on_stack.gpr(x86::rbp) = u64{1} << 47;
    on_stack.run([](Assembler& a) { a.mov(al, byte_ptr(rbp)); });
    expect_fault(on_stack, x86::Vector::stack_fault, 0, Guest::code);
}

TEST(Faults, JumpToNonCanonicalAddressFaultsAtTheJump) {
    Guest g(Mode::long64);
    g.gpr(x86::rax) = u64{1} << 47;
    g.run([](Assembler& a) {
        a.nop();
        a.call(rax);
    });
    expect_fault(g, x86::Vector::general_protection, 0, Guest::code + 1);
}

TEST(Faults, PrivilegedInstructionsInUserCode) {
    for (const Guest::Program& program : std::initializer_list<Guest::Program>{
             [](Assembler& a) { a.hlt(); }, [](Assembler& a) { a.cli(); }, [](Assembler& a) { a.clts(); },
             [](Assembler& a) { a.mov(rax, cr0); }, [](Assembler& a) { a.mov(cr3, rax); },
             [](Assembler& a) { a.rdmsr(); }, [](Assembler& a) { a.wrmsr(); },
             [](Assembler& a) { a.lgdt(ptr(rdi)); }, [](Assembler& a) { a.invlpg(ptr(rdi)); },
             [](Assembler& a) { a.in(al, dx); }, [](Assembler& a) { a.swapgs(); },
             [](Assembler& a) { a.wbinvd(); }, [](Assembler& a) { a.mov(rax, dr7); }}) {
        Guest g(Mode::long64, 3);
        g.place(program);
        SCOPED_TRACE(::testing::PrintToString(g.peek<std::array<u8, 4>>(Guest::code)));
        g.go();
        expect_fault(g, x86::Vector::general_protection, 0, Guest::code);
    }
}

TEST(Faults, UndefinedInstructions) {
    for (const std::initializer_list<u8>& bytes : std::initializer_list<std::initializer_list<u8>>{
             {0x0f, 0x0b},                          // UD2
             {0x06},                                // PUSH ES in 64-bit mode
             {0x0f, 0xaa},                          // RSM outside system management mode
             {0xf0, 0x90},                          // LOCK NOP
             {0xf0, 0x01, 0xc0},                    // LOCK ADD EAX, EAX
             {0x0f, 0x01, 0xc8},                    // MONITOR: not reported
             {0x0f, 0x01, 0xc1},                    // VMCALL
             {0xc7, 0xf8, 0x00, 0x00, 0x00, 0x00},  // XBEGIN
             {0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc0},  // EVEX
         }) {
        Guest g(Mode::long64);
        g.run_bytes(bytes);
        expect_fault(g, x86::Vector::invalid_opcode, 0, Guest::code);
    }
}

TEST(Faults, FifteenBytesAtMost) {
    Guest g(Mode::long64);
    for (u64 n = 0; n < 16; n++) g.poke<u8>(Guest::code + n, 0x66);
    g.poke<u8>(Guest::code + 16, 0x90);
    g.go();
    expect_fault(g, x86::Vector::general_protection, 0, Guest::code);
}

TEST(Faults, FetchAcrossPages) {
    // MOV EAX, imm32 with its last three bytes on the next page.
    constexpr u64 start = Guest::unmapped - 2;
    Guest g(Mode::long64);
    g.place_bytes(std::array<u8, 2>{0xb8, 0x01}, start);
    g.go(start);
    expect_fault(g, x86::Vector::page_fault, 16, start);
    EXPECT_EQ(g.vcpu->state.cr2, Guest::unmapped);

    // With a page there it runs; the pages need not be neighbours in memory.
    constexpr u64 elsewhere = 0x90000;
    g.place_bytes(std::array<u8, 4>{0x02, 0x03, 0x04, 0xf4}, elsewhere);
    g.set_page(Guest::unmapped, elsewhere | 7);
    for (int repeat = 0; repeat < 2; repeat++) {
        g.gpr(x86::rax) = 0;
        g.go(start);
        EXPECT_FALSE(g.fault());
        EXPECT_EQ(g.gpr(x86::rax), 0x04030201u);
    }
    // The tail changes: the cached decoding may not survive it.
    g.poke<u8>(elsewhere, 0x55);
    g.go(start);
    EXPECT_EQ(g.gpr(x86::rax), 0x04035501u);
}

TEST(Faults, CompleteInstructionAtPageEndNeedsNoNextPage) {
    constexpr u64 start = Guest::unmapped - 2;
    Guest g(Mode::long64);
    g.place_bytes(std::array<u8, 2>{0x90, 0xf4}, start);
    g.go(start);
    EXPECT_EQ(g.vcpu->state.activity, Activity::halted);
    EXPECT_FALSE(g.fault());
    EXPECT_EQ(g.vcpu->state.rip, Guest::unmapped);
}

TEST(Faults, NoExecute) {
    Guest g(Mode::long64);
    constexpr u64 start = 0x1d0000;
    g.set_page(start, start | 7 | u64{1} << 63);
    g.go(start);
    expect_fault(g, x86::Vector::page_fault, 17, start);
}

TEST(Faults, AlignmentCheckInUserCodeOnly) {
    for (const unsigned cpl : {0u, 3u}) {
        Guest g(Mode::long64, cpl);
        g.vcpu->state.cr0 |= x86::cr0::am;
        g.vcpu->state.rflags |= flags::ac;
        g.gpr(x86::rdi) = Guest::data + 1;
        g.run([](Assembler& a) { a.mov(eax, dword_ptr(rdi)); });
        if (cpl == 3)
            expect_fault(g, x86::Vector::alignment_check, 0, Guest::code);
        else
            EXPECT_FALSE(g.fault());
    }
}

TEST(Faults, FarPointersAreAlignedAsTheirOffsets) {
    const auto checked = [](std::initializer_list<u8> code) {
        Guest g(Mode::long64, 3);
        g.vcpu->state.cr0 |= x86::cr0::am;
        g.vcpu->state.rflags |= flags::ac;
        g.gpr(x86::rdi) = Guest::data + 2;
        g.run_bytes(code);
        return g.fault() && g.fault()->vector == x86::Vector::alignment_check;
    };
    EXPECT_FALSE(checked({0x66, 0x0f, 0xb5, 0x07}));  // LGS AX, [RDI]: a word in front
    EXPECT_TRUE(checked({0x0f, 0xb5, 0x07}));         // LGS EAX, [RDI]
}

TEST(Faults, UnitsSwitchedOff) {
    struct Case {
        u64 cr0_set, cr4_clear;
        Guest::Program program;
        x86::Vector vector;
    };
    const auto sse = [](Assembler& a) { a.addps(xmm0, xmm1); };
    const auto x87 = [](Assembler& a) { a.fld1(); };
    const auto avx = [](Assembler& a) { a.vaddps(xmm0, xmm1, xmm2); };
    using x86::Vector;
    for (const Case& c : std::initializer_list<Case>{
             {x86::cr0::ts, 0, sse, Vector::device_not_available},
             {x86::cr0::em, 0, sse, Vector::invalid_opcode},
             {0, x86::cr4::osfxsr, sse, Vector::invalid_opcode},
             {x86::cr0::ts, 0, x87, Vector::device_not_available},
             {x86::cr0::em, 0, x87, Vector::device_not_available},
             {0, x86::cr4::osxsave, avx, Vector::invalid_opcode},
             {x86::cr0::ts, 0, [](Assembler& a) { a.emit(Inst::kIdFwait); }, Vector::device_not_available},
         }) {
        Guest g(Mode::long64);
        g.vcpu->state.cr0 |= c.cr0_set;
        g.vcpu->state.cr4 &= ~c.cr4_clear;
        g.run(c.program);
        expect_fault(g, c.vector, 0, Guest::code);
    }
}

TEST(Faults, SoftwareInterruptsPushTheNextInstruction) {
    Guest g(Mode::long64, 3);
    g.run([](Assembler& a) { a.int_(0x80); });
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(static_cast<unsigned>(g.fault()->vector), 0x80u);
    EXPECT_EQ(g.fault()->rip, Guest::code + 2);

    Guest breakpoint(Mode::long64, 3);
    breakpoint.run([](Assembler& a) { a.int3(); });
    ASSERT_TRUE(breakpoint.fault());
    EXPECT_EQ(breakpoint.fault()->vector, x86::Vector::breakpoint);
    EXPECT_EQ(breakpoint.fault()->rip, Guest::code + 1);
}

TEST(Faults, UnmaskedVectorException) {
    Guest g(Mode::long64);
    g.vcpu->state.extended.mxcsr = 0x1f80 & ~0x200u;  // ZM
    g.run([](Assembler& a) {
        a.mov(eax, 1);
        a.cvtsi2sd(xmm0, eax);
        a.xorpd(xmm1, xmm1);
        a.divsd(xmm0, xmm1);
    });
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->vector, x86::Vector::simd_floating_point);
    EXPECT_TRUE(g.vcpu->state.extended.mxcsr & 4);
}

TEST(Faults, MisalignedVectorOperand) {
    Guest g(Mode::long64);
    g.gpr(x86::rdi) = Guest::data + 1;
    g.run([](Assembler& a) { a.movaps(xmm0, ptr(rdi)); });
    expect_fault(g, x86::Vector::general_protection, 0, Guest::code);
}

/// A user program with alignment checks on.
void check_alignment(Guest& g) {
    g.vcpu->state.cr0 |= x86::cr0::am;
    g.vcpu->state.rflags |= flags::ac;
}

TEST(Faults, VectorsAreCheckedForAlignmentOnAmdOnly) {
    for (const u64 misaligned : {8u, 16u}) {
        Guest g(Mode::long64, 3);
        check_alignment(g);
        g.gpr(x86::rdi) = Guest::data + misaligned;
        g.run([](Assembler& a) {
            if (CpuModel::host(1, 1'000'000'000).features().avx)
                a.vmovups(ymm0, ptr(rdi));  // by 16 bytes, whatever its size
            else
                a.movups(xmm0, ptr(rdi));
            a.ud2();
        });
        if (g.model.is_amd() && misaligned == 8) {
            expect_fault(g, x86::Vector::alignment_check, 0, Guest::code);
        } else {
            ASSERT_TRUE(g.fault());
            EXPECT_EQ(g.fault()->vector, x86::Vector::invalid_opcode);
        }
    }
}

TEST(Faults, MisalignedMaskAllowsMisalignedComputationButNoAlignedMove) {
    Guest g(Mode::long64, 3);
    if (!g.model.features().misalignsse) GTEST_SKIP() << "AMD's MXCSR.MM";
    g.gpr(x86::rdi) = Guest::data + 1;
    g.vcpu->state.extended.mxcsr |= x86::mxcsr::misaligned_mask;
    g.run([](Assembler& a) {
        a.paddd(xmm0, ptr(rdi));
        a.ud2();
    });
    expect_fault(g, x86::Vector::invalid_opcode, 0, Guest::code + 4);
    Guest move(Mode::long64, 3);
    move.gpr(x86::rdi) = Guest::data + 1;
    move.vcpu->state.extended.mxcsr |= x86::mxcsr::misaligned_mask;
    move.run([](Assembler& a) { a.movdqa(xmm0, ptr(rdi)); });
    expect_fault(move, x86::Vector::general_protection, 0, Guest::code);
    Guest checked(Mode::long64, 3);
    check_alignment(checked);
    checked.gpr(x86::rdi) = Guest::data + 1;
    checked.vcpu->state.extended.mxcsr |= x86::mxcsr::misaligned_mask;
    checked.run([](Assembler& a) { a.paddd(xmm0, ptr(rdi)); });
    expect_fault(checked, x86::Vector::alignment_check, 0, Guest::code);
}

TEST(Faults, MisalignedOperandOfShaFaultsOnIntelOnly) {
    Guest g(Mode::long64);
    if (!g.model.features().sha) GTEST_SKIP();
    g.gpr(x86::rdi) = Guest::data + 1;
    g.run([](Assembler& a) { a.sha1nexte(xmm0, ptr(rdi)); });
    if (g.model.is_amd())
        EXPECT_FALSE(g.fault());
    else
        expect_fault(g, x86::Vector::general_protection, 0, Guest::code);
}

TEST(Faults, StoreOfMmxRegisterSetsTopBeforeItFaultsOnIntelOnly) {
    Guest g(Mode::long64);
    g.vcpu->state.extended.fsw = 3 << 11;
    g.gpr(x86::rdi) = Guest::unmapped;
    g.run([](Assembler& a) { a.movq(qword_ptr(rdi), mm1); });
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.vcpu->state.extended.fsw, g.model.is_amd() ? 3 << 11 : 0);
}

TEST(Faults, ShortNearBranchOnAmdOnly) {
    Guest g(Mode::long64);
    g.gpr(x86::rax) = 0xffff'ffff'0001'2345;
    g.poke<u8>(0x2345, 0xf4);
    g.poke<u64>(Guest::stack_top - 2, 0x1122'3344'5566'7788);
    g.run_bytes({0x66, 0xff, 0xd0});  // call ax, or call rax
    EXPECT_FALSE(g.fault() && g.fault()->vector != x86::Vector::page_fault);
    if (!g.model.is_amd()) return;
    EXPECT_EQ(g.vcpu->state.rip, 0x2346u);
    EXPECT_EQ(g.gpr(x86::rsp), Guest::stack_top - 2);
    EXPECT_EQ(g.peek<u16>(Guest::stack_top - 2), static_cast<u16>(Guest::code + 3));
    EXPECT_EQ(g.peek<u16>(Guest::stack_top), 0x5566);
}

TEST(Faults, PrefixDecidesLoopOnAmdOnly) {
    Guest g(Mode::long64);
    g.gpr(x86::rcx) = 2;
    g.vcpu->state.rflags |= flags::zf;
    g.run_bytes({0xf3, 0xe0, 0x01, 0xf4, 0xf4});  // F3 LOOPNE, over a HLT
    EXPECT_EQ(g.vcpu->state.rip, Guest::code + (g.model.is_amd() ? 5 : 4));
    EXPECT_EQ(g.gpr(x86::rcx), 1u);
}

}  // namespace
}  // namespace softmetal::test
