// Whole small programs in the translator, against expected results and against the interpreter.
#include "same_in_both.hpp"

#include <gtest/gtest.h>

namespace softmetal {
namespace {

using namespace asmjit::x86;
using testing::same_in_both;
using testing::SmallGuest;
using Assembler = SmallGuest::Assembler;

void fill_registers(Assembler& a) {
    for (u32 n = 0; n < 16; n++)
        if (n != Gp::kIdSp) a.mov(gpq(n), u64{0x1111111111111111} * n + 0x0123456789abcdef);
}

TEST(Translator, LoopWithMemoryAndCarriedFlags) {
    // 1 + 2 + ... + 1000, summed with carry over two words, INC keeping CF alive across memory accesses.
    const auto program = [](Assembler& a) {
        a.mov(rbx, SmallGuest::data);
        a.mov(ecx, 1000);
        a.xor_(eax, eax);
        const auto loop = a.newLabel();
        a.bind(loop);
        a.add(qword_ptr(rbx), rcx);
        a.mov(rdx, qword_ptr(rbx));
        a.lea(rdx, ptr(rdx, rcx));
        a.adc(qword_ptr(rbx, 8), 0);
        a.dec(rcx);
        a.jnz(loop);
    };
    SmallGuest g(program);
    g.run_translated();
    ASSERT_TRUE(g.halted());
    EXPECT_EQ(g.at<u64>(SmallGuest::data), 500500u);
    EXPECT_GT(g.vcpu.counters.jumps_chained, 0u);
    same_in_both(program);
}

TEST(Translator, EveryRegisterAsOperandBaseAndIndex) {
    for (u32 r = 0; r < 16; r++) {
        if (r == Gp::kIdSp) continue;
        same_in_both([r](Assembler& a) {
            fill_registers(a);
            a.mov(gpq(r), SmallGuest::data);
            a.mov(qword_ptr(gpq(r), 16), gpq(r));
            a.add(qword_ptr(gpq(r), 16), 5);
            a.lea(gpq(r), ptr(gpq(r), gpq(r), 1, -static_cast<i32>(2 * SmallGuest::data) + 0));
            a.mov(gpq(r), 3);
            a.mov(r == 6 ? rdi : rsi, SmallGuest::data);
            a.mov(gpq(r == 8 ? 9 : 8), qword_ptr(r == 6 ? rdi : rsi, gpq(r), 3, 8));
            a.push(gpq(r));
            a.pop(gpq((r + 5) % 16 == 4 ? 0 : (r + 5) % 16));
        });
    }
}

TEST(Translator, StackPointerAsOperand) {
    same_in_both([](Assembler& a) {
        fill_registers(a);
        a.mov(rax, rsp);
        a.sub(rsp, 64);
        a.mov(qword_ptr(rsp, 8), rax);
        a.mov(qword_ptr(rsp, r11, 0, 0), 1);  // R11 is far away: corrected next
    });
    same_in_both([](Assembler& a) {
        a.sub(rsp, 64);
        a.mov(ecx, 2);
        a.mov(qword_ptr(rsp, rcx, 3), rsp);
        a.push(rsp);
        a.push(qword_ptr(rsp, 8));
        a.lea(r10, ptr(rsp, 24));
        a.pop(r9);
        a.add(rsp, 8);
        a.enter(16, 0);
        a.leave();
    });
}

TEST(Translator, CallsReturnsAndIndirectJumps) {
    same_in_both([](Assembler& a) {
        const auto function = a.newLabel(), over = a.newLabel(), target = a.newLabel();
        a.xor_(eax, eax);
        a.mov(ecx, 50);
        const auto loop = a.newLabel();
        a.bind(loop);
        a.call(function);
        a.lea(r11, ptr(function));
        a.call(r11);
        a.mov(rbx, SmallGuest::data);
        a.mov(qword_ptr(rbx), r11);
        a.call(qword_ptr(rbx));
        a.dec(ecx);
        a.jnz(loop);
        a.lea(r9, ptr(target));
        a.jmp(r9);
        a.bind(function);
        a.add(rax, 7);
        a.ret();
        a.bind(target);
        a.jmp(over);
        a.bind(over);
    });
}

TEST(Translator, FlagsSurviveMemoryAccesses) {
    for (u64 left : {0ull, 1ull, 0x7fffffffffffffffull, 0x8000000000000000ull, ~0ull})
        for (u64 right : {0ull, 1ull, 0x8000000000000000ull, ~0ull})
            same_in_both([=](Assembler& a) {
                a.mov(rbx, SmallGuest::data);
                a.mov(rax, left);
                a.mov(rdx, right);
                a.cmp(rax, rdx);
                a.mov(qword_ptr(rbx), rax);  // overwrites host flags
                a.mov(rsi, qword_ptr(rbx));
                a.seta(byte_ptr(rbx, 8));
                a.setl(byte_ptr(rbx, 9));
                a.seto(byte_ptr(rbx, 10));
                a.setp(byte_ptr(rbx, 11));
                a.lahf();
                a.adc(rsi, qword_ptr(rbx));
                a.sbb(rdx, rdx);
                a.rcl(qword_ptr(rbx), 3);
                a.cmovs(rdi, qword_ptr(rbx, 8));
                a.pushfq();
                a.pop(r8);
            });
}

TEST(Translator, HighByteRegisters) {
    same_in_both([](Assembler& a) {
        fill_registers(a);
        a.mov(rbx, SmallGuest::data);
        a.mov(byte_ptr(rbx), ah);
        a.add(ch, byte_ptr(rbx));
        a.mov(dh, byte_ptr(rbx));
        a.movzx(esi, ah);
        a.xchg(al, ah);
    });
}

TEST(Translator, BitStringsReachBeyondTheirOperand) {
    for (i64 number : {0, 5, 63, 64, 1000, -1, -64, -1000})
        same_in_both([number](Assembler& a) {
            a.mov(rbx, SmallGuest::data + 0x800);
            a.mov(rcx, number);
            a.mov(r10, number);
            a.bts(qword_ptr(rbx), rcx);
            a.setc(al);
            a.bt(dword_ptr(rbx), ecx);
            a.adc(edx, edx);
            a.lock().btc(qword_ptr(rbx, 8), r10);
            a.btr(word_ptr(rbx, 64), cx);
        });
}

TEST(Translator, PageFaultLeavesTheStateBeforeTheInstruction) {
    const auto program = [](Assembler& a) {
        a.mov(rax, 1);
        a.mov(rbx, SmallGuest::unmapped + 0x123);
        a.mov(r10, 77);
        a.add(rax, 41);
        a.add(qword_ptr(rbx), r10);
        a.mov(rax, 0);
    };
    SmallGuest g(program);
    g.run_translated();
    ASSERT_TRUE(g.halted());
    EXPECT_EQ(g.vector(), 14u);
    EXPECT_EQ(g.vcpu.state.cr2, SmallGuest::unmapped + 0x123);
    EXPECT_EQ(g.vcpu.state.gpr[x86::rax], 42u);
    EXPECT_EQ(g.at<u64>(g.vcpu.state.gpr[x86::rsp]), 2u);  // write, not present
    same_in_both(program);
}

TEST(Translator, PushFaultDoesNotMoveTheStackPointer) {
    same_in_both([](Assembler& a) {
        a.mov(rsp, SmallGuest::unmapped + 0x1000);
        a.mov(rax, rsp);
        a.push(rax);
    });
}

TEST(Translator, HostFaultsBecomeGuestExceptions) {
    same_in_both([](Assembler& a) {  // divide error
        a.mov(eax, 5);
        a.xor_(edx, edx);
        a.xor_(ecx, ecx);
        a.div(ecx);
    });
    same_in_both([](Assembler& a) {  // misaligned operand: #GP
        a.mov(rbx, SmallGuest::data + 4);
        a.movaps(xmm0, ptr(rbx));
    });
    same_in_both([](Assembler& a) {  // unmasked SIMD exception: #XM
        a.mov(rbx, SmallGuest::data);
        a.mov(dword_ptr(rbx), 0x1d80);  // zero-divide unmasked
        a.ldmxcsr(dword_ptr(rbx));
        a.mov(eax, 1);
        a.cvtsi2sd(xmm1, eax);
        a.xorps(xmm2, xmm2);
        a.divsd(xmm1, xmm2);
    });
}

TEST(Translator, StraddlingAccess) {
    same_in_both([](Assembler& a) {
        a.mov(rbx, SmallGuest::data + 0xffd);
        a.mov(rax, 0x1122334455667788);
        a.mov(qword_ptr(rbx), rax);
        a.add(dword_ptr(rbx), 9);
        a.movdqu(xmm3, ptr(rbx, -4));
        a.mov(ecx, dword_ptr(rbx, 1));
    });
}

TEST(Translator, VectorAndX87StateStaysInPlace) {
    same_in_both([](Assembler& a) {
        a.mov(rbx, SmallGuest::data);
        a.mov(ecx, 100);
        a.fld1();
        a.cvtsi2sd(xmm0, ecx);
        const auto loop = a.newLabel();
        a.bind(loop);
        a.fadd(st0, st0);
        a.addsd(xmm0, xmm0);
        a.sqrtsd(xmm1, xmm0);
        a.movsd(qword_ptr(rbx, rcx, 3), xmm1);
        a.cpuid();  // handed to the interpreter, which uses vector registers itself
        a.mov(rbx, SmallGuest::data);
        a.mov(ecx, dword_ptr(rbx, 0x4000));
        a.inc(dword_ptr(rbx, 0x4000));
        a.cmp(ecx, 40);
        a.jl(loop);
        a.fstp(qword_ptr(rbx, 0x5000));
    });
}

TEST(Translator, SelfModifyingCode) {
    // The loop rewrites the immediate of its own MOV.
    same_in_both([](Assembler& a) {
        const auto loop = a.newLabel(), patched = a.newLabel();
        a.xor_(ebp, ebp);
        a.mov(ecx, 100);
        a.lea(rbx, ptr(patched, 1));
        a.bind(loop);
        a.mov(dword_ptr(rbx), ecx);
        a.bind(patched);
        a.mov(eax, 0x12345678);
        a.add(ebp, eax);
        a.dec(ecx);
        a.jnz(loop);
    });
}

TEST(Translator, CodeWrittenElsewhereAndCalled) {
    const auto program = [](Assembler& a) {
        a.mov(rbx, SmallGuest::data);
        a.xor_(ebp, ebp);
        a.mov(ecx, 20);
        const auto loop = a.newLabel();
        a.bind(loop);
        a.mov(byte_ptr(rbx), 0xb8);  // mov eax, ecx's value
        a.mov(dword_ptr(rbx, 1), ecx);
        a.mov(byte_ptr(rbx, 5), 0xc3);  // ret
        a.call(rbx);
        a.add(ebp, eax);
        a.dec(ecx);
        a.jnz(loop);
    };
    SmallGuest g(program);
    g.run_translated();
    EXPECT_EQ(g.vcpu.state.gpr[x86::rbp], 210u);
    EXPECT_GT(g.vcpu.counters.code_page_invalidations, 10u);
    same_in_both(program);
}

TEST(Translator, SmallCacheIsDroppedAndRefilled) {
    SmallGuest g([](Assembler& a) {
        a.mov(ecx, 20);
        const auto loop = a.newLabel();
        a.bind(loop);
        for (int n = 0; n < 400; n++) {
            const auto next = a.newLabel();
            a.add(qword_ptr(SmallGuest::data), 1);
            a.jmp(next);
            a.bind(next);
        }
        a.dec(ecx);
        a.jnz(loop);
    });
    g.run_translated({.cache_bytes = 96 * 1024, .threshold = 0});
    ASSERT_TRUE(g.halted());
    EXPECT_EQ(g.at<u64>(SmallGuest::data), 8000u);
    EXPECT_GT(g.vcpu.counters.cache_flushes, 0u);
}

TEST(Translator, AttentionEndsARunningLoop) {
    SmallGuest g([](Assembler& a) {
        const auto loop = a.newLabel();
        a.bind(loop);
        a.inc(rax);
        a.jmp(loop);
    });
    host::FaultStack fault_stack;
    Interpreter interpreter(g.vcpu);
    auto translator = Translator::create(g.vcpu, interpreter, {.cache_bytes = 1 << 20, .threshold = 0});
    ASSERT_TRUE(translator);
    g.vcpu.request(attention::stop);
    (*translator)->run(1'000'000'000);  // progress of an instruction, then back
    const u64 first = g.vcpu.state.gpr[x86::rax];
    (*translator)->run(1'000'000'000);
    EXPECT_LE(g.vcpu.state.gpr[x86::rax], first + 2);
}

}  // namespace
}  // namespace softmetal
