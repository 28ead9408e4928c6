// Integer instructions in 64-bit mode: results, flags, memory operands.
#include "guest.hpp"

namespace softmetal::test {
namespace {

namespace flags = x86::flags;
using namespace asmjit::x86;

TEST(Computation, AddsAndSetsFlags) {
    Guest g(Mode::long64);
    g.run([](Assembler& a) {
        a.mov(rax, -1);
        a.add(rax, 1);
    });
    EXPECT_FALSE(g.fault());
    EXPECT_EQ(g.gpr(x86::rax), 0u);
    EXPECT_TRUE(g.flag(flags::cf));
    EXPECT_TRUE(g.flag(flags::zf));
    EXPECT_TRUE(g.flag(flags::af));
    EXPECT_TRUE(g.flag(flags::pf));
    EXPECT_FALSE(g.flag(flags::of));
}

TEST(Computation, WidthsOfRegisterWrites) {
    Guest g(Mode::long64);
    g.gpr(x86::rax) = g.gpr(x86::rbx) = g.gpr(x86::rcx) = g.gpr(x86::rdx) = 0x1122334455667788;
    g.run([](Assembler& a) {
        a.mov(eax, 1);
        a.mov(bx, 2);
        a.mov(cl, 3);
        a.mov(dh, 4);
    });
    EXPECT_EQ(g.gpr(x86::rax), 1u);
    EXPECT_EQ(g.gpr(x86::rbx), 0x1122334455660002u);
    EXPECT_EQ(g.gpr(x86::rcx), 0x1122334455667703u);
    EXPECT_EQ(g.gpr(x86::rdx), 0x1122334455660488u);
}

TEST(Computation, CarryChainsThroughMemory) {
    Guest g(Mode::long64);
    g.poke<u64>(Guest::data, ~u64{0});
    g.poke<u64>(Guest::data + 8, 5);
    g.run([](Assembler& a) {
        a.mov(rdi, Guest::data);
        a.add(qword_ptr(rdi), 1);
        a.adc(qword_ptr(rdi, 8), 0);
        a.sbb(rax, rax);
    });
    EXPECT_EQ(g.peek<u64>(Guest::data), 0u);
    EXPECT_EQ(g.peek<u64>(Guest::data + 8), 6u);
    EXPECT_EQ(g.gpr(x86::rax), 0u);
}

TEST(Computation, IncrementKeepsCarry) {
    Guest g(Mode::long64);
    g.run([](Assembler& a) {
        a.stc();
        a.mov(eax, 0xffffffff);
        a.inc(eax);
    });
    EXPECT_TRUE(g.flag(flags::cf));
    EXPECT_TRUE(g.flag(flags::zf));
}

TEST(Computation, LockedOperations) {
    Guest g(Mode::long64);
    g.poke<u32>(Guest::data, 40);
    g.gpr(x86::rax) = 42;
    g.run([](Assembler& a) {
        a.mov(rdi, Guest::data);
        a.lock().inc(dword_ptr(rdi));
        a.lock().add(dword_ptr(rdi), 1);
        a.mov(ecx, 7);
        a.lock().cmpxchg(dword_ptr(rdi), ecx);  // 42 == EAX
        a.setz(bl);
        a.mov(edx, 3);
        a.lock().xadd(dword_ptr(rdi), edx);
        a.xchg(dword_ptr(rdi, 4), edx);
        a.lock().neg(dword_ptr(rdi));
        a.lock().not_(dword_ptr(rdi));
    });
    EXPECT_EQ(g.gpr(x86::rbx) & 0xff, 1u);
    EXPECT_EQ(g.peek<u32>(Guest::data), 9u);  // ~-10
    EXPECT_EQ(g.peek<u32>(Guest::data + 4), 7u);
}

TEST(Computation, CompareExchangeFailureLoadsAccumulator) {
    Guest g(Mode::long64);
    g.poke<u64>(Guest::data, 0x5555);
    g.gpr(x86::rax) = 1;
    g.gpr(x86::rdx) = 2;
    g.run([](Assembler& a) {
        a.mov(rdi, Guest::data);
        a.lock().cmpxchg8b(qword_ptr(rdi));
    });
    EXPECT_EQ(g.gpr(x86::rax), 0x5555u);
    EXPECT_EQ(g.gpr(x86::rdx), 0u);
    EXPECT_FALSE(g.flag(flags::zf));
}

TEST(Computation, CompareExchange16Bytes) {
    Guest g(Mode::long64);
    g.poke<u64>(Guest::data, 1);
    g.poke<u64>(Guest::data + 8, 2);
    g.gpr(x86::rax) = 1;
    g.gpr(x86::rdx) = 2;
    g.gpr(x86::rbx) = 10;
    g.gpr(x86::rcx) = 20;
    g.run([](Assembler& a) {
        a.mov(rdi, Guest::data);
        a.lock().cmpxchg16b(ptr(rdi));
    });
    EXPECT_TRUE(g.flag(flags::zf));
    EXPECT_EQ(g.peek<u64>(Guest::data), 10u);
    EXPECT_EQ(g.peek<u64>(Guest::data + 8), 20u);
}

TEST(Computation, CompareExchange16BytesMustBeAligned) {
    Guest g(Mode::long64);
    g.run([](Assembler& a) {
        a.mov(rdi, Guest::data + 8);
        a.lock().cmpxchg16b(ptr(rdi));
    });
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->vector, x86::Vector::general_protection);
}

TEST(Computation, ShiftsAndRotates) {
    Guest g(Mode::long64);
    g.run([](Assembler& a) {
        a.mov(eax, 0x80000001);
        a.rol(eax, 4);
        a.mov(rbx, -16);
        a.sar(rbx, 2);
        a.mov(ecx, 5);
        a.mov(edx, 1);
        a.shl(edx, cl);  // runs natively
        a.mov(esi, 0x80000000);
        a.shr(esi, 31);
    });
    EXPECT_EQ(g.gpr(x86::rax), 0x18u);
    EXPECT_EQ(static_cast<i64>(g.gpr(x86::rbx)), -4);
    EXPECT_EQ(g.gpr(x86::rdx), 32u);
    EXPECT_EQ(g.gpr(x86::rsi), 1u);
}

TEST(Computation, MultiplyDivide) {
    Guest g(Mode::long64);
    g.run([](Assembler& a) {
        a.mov(eax, 7);
        a.imul(ebx, eax, 6);
        a.imul(rbx, rax);
        a.mov(rcx, 10);
        a.mov(rax, 1234);
        a.xor_(edx, edx);
        a.div(rcx);
    });
    EXPECT_EQ(g.gpr(x86::rbx), 294u);
    EXPECT_EQ(g.gpr(x86::rax), 123u);
    EXPECT_EQ(g.gpr(x86::rdx), 4u);
}

TEST(Computation, DivideErrorIsAFault) {
    Guest g(Mode::long64);
    g.gpr(x86::rax) = 5;
    g.run([](Assembler& a) {
        a.xor_(ecx, ecx);
        a.div(ecx);
    });
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->vector, x86::Vector::divide_error);
    EXPECT_EQ(g.fault()->rip, Guest::code + 2);
    EXPECT_EQ(g.gpr(x86::rax), 5u);
}

TEST(Computation, ConditionsAndConversions) {
    Guest g(Mode::long64);
    g.run([](Assembler& a) {
        a.mov(eax, 5);
        a.cmp(eax, 6);
        a.mov(ebx, 1);
        a.cmovl(ecx, ebx);
        a.setge(dl);
        a.mov(al, -3);
        a.cbw();
        a.cwde();
        a.cdqe();
        a.cqo();
        a.mov(r8, rdx);
        a.mov(r9d, 0x12345678);
        a.bswap(r9d);
        a.lea(r10, ptr(r9, rbx, 3, 0x10));
        a.movsx(r11, al);
        a.movzx(r12d, al);
    });
    EXPECT_EQ(g.gpr(x86::rcx), 1u);
    EXPECT_EQ(static_cast<i64>(g.gpr(x86::rax)), -3);
    EXPECT_EQ(g.gpr(x86::r8), ~u64{0});
    EXPECT_EQ(g.gpr(x86::r9), 0x78563412u);
    EXPECT_EQ(g.gpr(x86::r10), 0x78563412u + 8 + 0x10);
    EXPECT_EQ(static_cast<i64>(g.gpr(x86::r11)), -3);
    EXPECT_EQ(g.gpr(x86::r12), 0xfdu);
}

TEST(Computation, CallsAndLoops) {
    Guest g(Mode::long64);
    g.run([](Assembler& a) {
        const auto function = a.newLabel(), begin = a.newLabel(), end = a.newLabel();
        a.mov(ecx, 10);
        a.xor_(eax, eax);
        a.bind(begin);
        a.call(function);
        a.loop(begin);
        a.push(rax);
        a.pop(rbx);
        a.jmp(end);
        a.bind(function);
        a.add(eax, ecx);
        a.ret();
        a.bind(end);
    });
    EXPECT_EQ(g.gpr(x86::rbx), 55u);
    EXPECT_EQ(g.gpr(x86::rsp), Guest::stack_top);
}

TEST(Computation, PopRelativeToStackUsesTheNewPointer) {
    Guest g(Mode::long64);
    g.run([](Assembler& a) {
        a.mov(eax, 77);
        a.push(rax);
        a.pop(qword_ptr(rsp, 8));
    });
    EXPECT_EQ(g.peek<u64>(Guest::stack_top + 8), 77u);
    EXPECT_EQ(g.gpr(x86::rsp), Guest::stack_top);
}

TEST(Computation, EnterAndLeave) {
    Guest g(Mode::long64);
    g.gpr(x86::rbp) = 0x1234;
    g.run([](Assembler& a) {
        a.enter(0x20, 0);
        a.mov(rax, rsp);
        a.mov(rbx, rbp);
        a.leave();
    });
    EXPECT_EQ(g.gpr(x86::rax), Guest::stack_top - 0x28);
    EXPECT_EQ(g.gpr(x86::rbx), Guest::stack_top - 8);
    EXPECT_EQ(g.gpr(x86::rbp), 0x1234u);
    EXPECT_EQ(g.gpr(x86::rsp), Guest::stack_top);
}

TEST(Computation, VectorAndX87RunOnTheHost) {
    Guest g(Mode::long64);
    g.poke<double>(Guest::data, 1.5);
    g.run([](Assembler& a) {
        a.mov(rdi, Guest::data);
        a.movsd(xmm0, qword_ptr(rdi));
        a.addsd(xmm0, xmm0);
        a.movsd(qword_ptr(rdi, 8), xmm0);
        a.fld(qword_ptr(rdi));
        a.fadd(st0, st0);
        a.fadd(qword_ptr(rdi));
        a.fstp(qword_ptr(rdi, 16));
    });
    EXPECT_FALSE(g.fault());
    EXPECT_EQ(g.peek<double>(Guest::data + 8), 3.0);
    EXPECT_EQ(g.peek<double>(Guest::data + 16), 4.5);
}

}  // namespace
}  // namespace softmetal::test
