// System instructions that are emitted or run in the monitor with the guest's vectors in place, against the
// interpreter.
#include "same_in_both.hpp"

#include <gtest/gtest.h>

namespace softmetal {
namespace {

using namespace asmjit::x86;
using testing::same_in_both;
using testing::SmallGuest;
using Assembler = SmallGuest::Assembler;

TEST(SystemRules, FlagsThroughTheStack) {
    for (const u32 operand : {0u, 1u, 0x7fffffffu, 0x80000000u, 0xffffffffu})
        same_in_both([operand](Assembler& a) {
            a.mov(eax, operand);
            a.mov(rbx, SmallGuest::data);
            a.add(eax, 1);
            a.pushfq();
            a.mov(qword_ptr(rbx, 8), rax);
            a.pop(rcx);
            a.mov(qword_ptr(rbx), rcx);
            a.xor_(rcx, 0x8d5);  // every status flag the other way
            a.push(rcx);
            a.cmp(eax, eax);
            a.popfq();
            a.seto(dl);
            a.setc(dh);
            a.adc(r12d, 0);
            a.pushfq();
            a.pop(r13);
        });
}

TEST(SystemRules, SystemCallSavesFlagsThatNobodyElseReads) {
    same_in_both([](Assembler& a) {
        const auto called = a.newLabel();
        a.mov(ecx, 0xc0000080);  // EFER.SCE
        a.rdmsr();
        a.or_(eax, 1);
        a.wrmsr();
        a.mov(ecx, 0xc0000081);  // STAR: code at 8, data behind it
        a.xor_(eax, eax);
        a.mov(edx, 8);
        a.wrmsr();
        a.mov(ecx, 0xc0000082);  // LSTAR
        a.lea(rax, ptr(called));
        a.xor_(edx, edx);
        a.wrmsr();
        a.mov(rbx, SmallGuest::data);
        a.mov(eax, 0x7fffffff);
        a.add(eax, 1);         // OF, SF, AF and PF
        a.mov(rdx, ptr(rbx));  // a TLB look-up, which overwrites the host's flags
        a.syscall();
        a.bind(called);
        a.mov(r12, r11);
    });
}

TEST(SystemRules, WhatTheModelDoesNotHaveIsUndefined) {
    same_in_both([](Assembler& a) {
        a.mov(eax, 1);
        a.embedUInt8(0x0f);  // XTEST: transactional memory, which no model reports
        a.embedUInt8(0x01);
        a.embedUInt8(0xd6);
    });
    same_in_both([](Assembler& a) {
        a.xor_(ecx, ecx);
        a.embedUInt8(0x0f);  // RDPKRU
        a.embedUInt8(0x01);
        a.embedUInt8(0xee);
    });
}

TEST(SystemRules, InterruptFlagAndAlignmentCheckArePoppedToo) {
    same_in_both([](Assembler& a) {
        a.push(0x202 | 0x40000);  // IF and AC
        a.popfq();
        a.pushfq();
        a.pop(rax);
        a.cli();
        a.pushfq();
        a.pop(rcx);
        a.std();
        a.pushfq();
        a.pop(rdx);
        a.cld();
        a.pushfq();
        a.pop(rsi);
    });
}

TEST(SystemRules, PopFlagsFaultsLikeAnyPop) {
    same_in_both([](Assembler& a) {
        a.mov(rsp, SmallGuest::unmapped);
        a.popfq();
    });
    same_in_both([](Assembler& a) {
        a.mov(rsp, SmallGuest::unmapped + 8);
        a.pushfq();
    });
}

TEST(SystemRules, InterruptThatWaitsForIfComesWithSti) {
    SmallGuest g([](Assembler& a) {
        a.mov(ecx, 1000);
        const auto loop = a.newLabel();
        a.bind(loop);
        a.dec(ecx);
        a.jnz(loop);
        a.sti();
        a.mov(ebx, 1);  // in STI's shadow
        a.mov(esi, 1);
        a.hlt();
    });
    host::FaultStack fault_stack;
    Interpreter interpreter(g.vcpu);
    auto translator = Translator::create(g.vcpu, interpreter, {.cache_bytes = 1 << 20, .threshold = 0});
    ASSERT_TRUE(translator);
    g.vcpu.block.interrupt_waits_for = x86::flags::interrupt;
    (*translator)->run(100'000);
    EXPECT_TRUE(g.vcpu.block.attention.load() & attention::interrupt);
    EXPECT_EQ(g.vcpu.block.interrupt_waits_for, 0u);
    EXPECT_EQ(g.vcpu.state.gpr[x86::rcx], 0u);
    EXPECT_EQ(g.vcpu.state.gpr[x86::rbx], 1u);
    EXPECT_LT(g.vcpu.counters.instructions_interpreted, 100u);
}

TEST(SystemRules, InterruptsAreLetInBetweenStiAndCli) {
    SmallGuest g([](Assembler& a) {
        a.sti();
        a.nop();  // in STI's shadow
        a.cli();
        a.mov(esi, 1);
    });
    host::FaultStack fault_stack;
    Interpreter interpreter(g.vcpu);
    auto translator = Translator::create(g.vcpu, interpreter, {.cache_bytes = 1 << 20, .threshold = 0});
    ASSERT_TRUE(translator);
    g.vcpu.block.interrupt_waits_for = x86::flags::interrupt;
    (*translator)->run(100'000);
    EXPECT_TRUE(g.vcpu.block.attention.load() & attention::interrupt);
    EXPECT_TRUE(g.vcpu.state.rflags & x86::flags::interrupt);
    EXPECT_EQ(g.vcpu.state.rip, SmallGuest::code + 2);
}

TEST(SystemRules, InstructionsOfFifteenBytesStayThatShort) {
    same_in_both([](Assembler& a) {
        a.mov(rdx, SmallGuest::data);
        a.mov(ecx, 0x1234);
        for (unsigned n = 0; n < 13; n++) a.embedUInt8(0xf0);
        a.embedUInt8(0x01);  // lock add [rdx], ecx
        a.embedUInt8(0x0a);
    });
}

/// Whatever the jump cache holds where it holds nothing, no target may be taken for it.
TEST(SystemRules, TargetsThatAreNotCanonicalAreNotFoundInTheJumpCache) {
    for (const u64 target : {u64{1} << 63, u64{1} << 62, u64{1} << 48, u64{1} << 47, u64{0x8001} << 48}) {
        SmallGuest g([target](Assembler& a) {
            a.mov(rax, target);
            a.jmp(rax);
        });
        g.run_translated();
        EXPECT_EQ(g.vector(), 13u) << target;
    }
}

TEST(SystemRules, DirectionFlagReachesStringInstructions) {
    same_in_both([](Assembler& a) {
        a.mov(rdi, SmallGuest::data + 0x100);
        a.mov(eax, 0x55);
        a.mov(ecx, 5);
        a.std();
        a.rep().stosb();
        a.cld();
        a.mov(ecx, 3);
        a.rep().stosd();
    });
}

TEST(SystemRules, AccessOverrideWithoutSmap) {
    same_in_both([](Assembler& a) {
        a.stac();
        a.mov(eax, 1);
        a.clac();
        a.mov(ebx, 2);
    });
}

TEST(SystemRules, StackPointerIsPopped) {
    same_in_both([](Assembler& a) {
        a.push(SmallGuest::data + 0x800);
        a.pop(rsp);
        a.push(77);
    });
}

TEST(SystemRules, SelectorsAreRead) {
    same_in_both([](Assembler& a) {
        a.mov(rax, -1);
        a.mov(r9, -1);
        a.mov(rbx, SmallGuest::data);
        a.mov(eax, ds);
        a.mov(r9, cs);
        a.mov(word_ptr(rbx, 6), ss);
        a.mov(rcx, -1);
        a.mov(cx, es);
        a.mov(r10, -1);
        a.mov(r10w, ss);
    });
    same_in_both([](Assembler& a) {
        a.xor_(eax, eax);
        a.mov(es, eax);
        a.mov(r10d, 3);
        a.mov(fs, r10d);
        a.mov(ecx, es);
        a.mov(edx, fs);
        a.mov(eax, 16);
        a.mov(gs, eax);
        a.mov(esi, gs);
        a.mov(eax, 0x1000);  // beyond the GDT: #GP
        a.mov(es, eax);
    });
}

void allow_base_instructions(Assembler& a) {
    a.mov(rax, cr4);
    a.or_(eax, 1 << 16);
    a.mov(cr4, rax);
}

TEST(SystemRules, SegmentBases) {
    if (!CpuModel::host(1, 1'000'000'000).features().fsgsbase) GTEST_SKIP() << "the host has none";
    same_in_both([](Assembler& a) {
        allow_base_instructions(a);
        a.mov(rbx, SmallGuest::data);
        a.mov(r10, 0x7fff12345678);
        a.wrgsbase(r10);
        a.wrfsbase(rbx);
        Mem inside = qword_ptr(16);
        inside.setSegment(fs);
        a.mov(inside, r10);
        a.rdfsbase(r11);
        a.rdgsbase(ecx);
        a.rdgsbase(rdx);
        a.mov(rsi, -1);
        a.wrfsbase(esi);
        a.rdfsbase(rdi);
    });
    same_in_both([](Assembler& a) {  // not canonical: #GP
        allow_base_instructions(a);
        a.mov(rcx, 0x0000800000000000);
        a.cmp(rcx, rcx);
        a.wrfsbase(rcx);
    });
    same_in_both([](Assembler& a) { a.rdfsbase(rcx); });  // not enabled: #UD
}

TEST(SystemRules, TimeStamps) {
    same_in_both([](Assembler& a) {
        a.mov(rax, -1);
        a.mov(rdx, -1);
        a.rdtsc();
        a.mov(rbx, rdx);
        a.mov(rcx, -1);
        a.rdtscp();
    });
}

void fill_vectors(Assembler& a) {
    a.mov(rbx, SmallGuest::data);
    for (u32 n = 0; n < 8; n++) {
        a.mov(eax, 0x01010101 * (n + 1));
        a.movd(xmm(n), eax);
        a.pshufd(xmm(n), xmm(n), 0);
    }
    a.fldpi();
    a.fld1();
}

TEST(SystemRules, ExtendedStateSavedAndRestored) {
    if (!CpuModel::host(1, 1'000'000'000).features().xsavec) GTEST_SKIP() << "the host has no XSAVEC";
    for (const u32 offset : {0x1000u, 0xfc0u, 0xe00u, 0xd00u, 0xcc0u})  // on one page and across two
        for (const u32 mask : {7u, 3u, 2u, 1u, 0u})
            same_in_both([offset, mask](Assembler& a) {
                fill_vectors(a);
                a.lea(rdi, ptr(rbx, static_cast<i32>(offset)));
                a.mov(eax, mask);
                a.xor_(edx, edx);
                a.xsavec64(ptr(rdi));
                for (u32 n = 0; n < 8; n++) a.pxor(xmm(n), xmm(n));
                a.fstp(st0);
                a.mov(eax, 7);
                a.xrstor64(ptr(rdi));
                a.fstp(tword_ptr(rbx, 0x4000));
                for (u32 n = 0; n < 8; n++) a.movups(ptr(rbx, static_cast<i32>(0x4100 + 16 * n)), xmm(n));
                a.stmxcsr(dword_ptr(rbx, 0x4200));
                a.mov(qword_ptr(rdi, 512), 0);  // a component may count as in use with its initial values
            });
}

TEST(SystemRules, ExtendedStateFaults) {
    if (!CpuModel::host(1, 1'000'000'000).features().xsavec) GTEST_SKIP() << "the host has no XSAVEC";
    const auto with = [](const std::function<void(Assembler&)>& accesses) {
        same_in_both([&](Assembler& a) {
            fill_vectors(a);
            a.mov(rdi, rbx);
            a.mov(eax, 7);
            a.xor_(edx, edx);
            accesses(a);
        });
    };
    with([](Assembler& a) { a.xsavec64(ptr(rdi, 8)); });  // misaligned
    with([](Assembler& a) { a.xrstor64(ptr(rdi, 8)); });  //
    with([](Assembler& a) {                               // reserved header bytes
        a.mov(byte_ptr(rdi, 520 + 16), 1);
        a.xrstor64(ptr(rdi));
    });
    with([](Assembler& a) {  // reserved bits of MXCSR
        a.mov(dword_ptr(rdi, 24), 0x80000000);
        a.mov(byte_ptr(rdi, 512), 7);
        a.xrstor64(ptr(rdi));
    });
    with([](Assembler& a) {  // a component that is not enabled
        a.mov(byte_ptr(rdi, 512), 0x80);
        a.xrstor64(ptr(rdi));
    });
    with([](Assembler& a) {
        a.mov(rdi, SmallGuest::unmapped - 0x200);
        a.xsavec64(ptr(rdi));
    });
    with([](Assembler& a) {
        a.mov(rdi, SmallGuest::unmapped);
        a.xrstor64(ptr(rdi));
    });
}

}  // namespace
}  // namespace softmetal
