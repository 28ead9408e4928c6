// Single-stepping, breakpoints, interrupt shadows, and code that changes under the interpreter.
#include "guest.hpp"

namespace softmetal::test {
namespace {

namespace flags = x86::flags;
using namespace asmjit::x86;

constexpr u64 single_step = 1 << 14;

TEST(Debug, SingleStepTrapsBehindTheInstruction) {
    Guest g(Mode::long64);
    g.vcpu->state.rflags |= flags::tf;
    g.run([](Assembler& a) {
        a.mov(eax, 1);
        a.mov(eax, 2);
    });
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->vector, x86::Vector::debug);
    EXPECT_EQ(g.fault()->rip, Guest::code + 5);
    EXPECT_EQ(g.gpr(x86::rax), 1u);
    EXPECT_TRUE(g.vcpu->state.dr6 & single_step);
}

TEST(Debug, SingleStepWaitsOutTheStackSegmentShadow) {
    Guest g(Mode::long64);
    g.vcpu->state.rflags |= flags::tf;
    g.gpr(x86::rax) = 0x10;
    g.run([](Assembler& a) {
        a.mov(ss, eax);
        a.mov(ebx, 2);
        a.mov(ebx, 3);
    });
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->vector, x86::Vector::debug);
    EXPECT_EQ(g.gpr(x86::rbx), 2u);
}

TEST(Debug, PopfThatSetsTfStepsTheNextInstruction) {
    Guest g(Mode::long64);
    g.run([](Assembler& a) {
        a.push(0x102);
        a.popfq();
        a.mov(eax, 1);
        a.mov(eax, 2);
    });
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.gpr(x86::rax), 1u);
}

TEST(Debug, SingleStepOfRepeatIsOneIteration) {
    Guest g(Mode::long64);
    g.vcpu->state.rflags |= flags::tf;
    g.gpr(x86::rdi) = Guest::data;
    g.gpr(x86::rcx) = 5;
    g.run([](Assembler& a) { a.rep().stosb(); });
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->rip, Guest::code);
    EXPECT_EQ(g.gpr(x86::rcx), 4u);
    EXPECT_EQ(g.fault()->flags & flags::rf, g.vcpu->model.is_amd() ? 0u : flags::rf);
}

TEST(Debug, InstructionBreakpointIsAFaultThatRfSuppresses) {
    Guest g(Mode::long64);
    g.place([](Assembler& a) {
        a.nop();
        a.mov(eax, 1);
    });
    g.vcpu->state.dr[2] = Guest::code + 1;
    g.vcpu->state.dr7 |= 1 << 4;
    g.go();
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->vector, x86::Vector::debug);
    EXPECT_EQ(g.fault()->rip, Guest::code + 1);
    EXPECT_EQ(g.gpr(x86::rax) & 1, 0u);
    EXPECT_TRUE(g.vcpu->state.dr6 & 4);
    EXPECT_FALSE(g.peek<u64>(g.gpr(x86::rsp) + 16) & flags::rf);  // the handler's to set

    g.vcpu->state.rflags |= flags::rf;
    g.go(Guest::code + 1);
    EXPECT_FALSE(g.fault());
    EXPECT_EQ(g.gpr(x86::rax), 1u);
    EXPECT_FALSE(g.flag(flags::rf));
}

TEST(Debug, OnlyIntelsStackSegmentShadowHoldsOffInstructionBreakpoints) {
    Guest g(Mode::long64);
    g.gpr(x86::rax) = 0x10;
    g.place([](Assembler& a) {
        a.mov(ss, eax);  // two bytes
        a.nop();
    });
    g.vcpu->state.dr[0] = Guest::code + 2;
    g.vcpu->state.dr7 |= 1;
    g.go();
    EXPECT_EQ(g.fault().has_value(), g.model.is_amd());
}

TEST(Debug, DataBreakpointIsATrap) {
    Guest g(Mode::long64);
    g.gpr(x86::rdi) = Guest::data + 2;
    g.vcpu->state.dr[0] = Guest::data;
    g.vcpu->state.dr7 |= 1 | 0xd << 16;  // writes of 4 bytes
    g.run([](Assembler& a) {
        a.mov(al, byte_ptr(rdi));
        a.mov(byte_ptr(rdi), 9);
        a.mov(eax, 1);
    });
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->vector, x86::Vector::debug);
    EXPECT_EQ(g.fault()->rip, Guest::code + 5);
    EXPECT_EQ(g.peek<u8>(Guest::data + 2), 9);
    EXPECT_TRUE(g.vcpu->state.dr6 & 1);
}

/// Does this hit a breakpoint of 4 bytes there? Writes only, or accesses.
bool hits(Guest& g, u64 place, bool writes, const Guest::Program& program) {
    g.vcpu->state.dr[0] = place;
    g.vcpu->state.dr7 = 0x400 | 1 | (writes ? 0xd : 0xf) << 16;
    g.run([&](Assembler& a) {
        program(a);
        a.nop();
    });
    return g.fault() && g.fault()->vector == x86::Vector::debug;
}

TEST(Debug, DataBreakpointsSeeWhatPushaAndPopaMove) {
    const auto run = [](u64 place, bool writes, bool pushes) {
        Guest g(Mode::flat32);
        g.gpr(x86::rsp) = Guest::stack_top - 64;
        return hits(g, place, writes, [&](Assembler& a) { pushes ? a.pushad() : a.popad(); });
    };
    const u64 sp = Guest::stack_top - 64;
    EXPECT_TRUE(run(sp - 32, true, true));
    EXPECT_TRUE(run(sp - 4, true, true));
    EXPECT_FALSE(run(sp - 36, true, true));
    EXPECT_FALSE(run(sp, true, true));
    EXPECT_TRUE(run(sp + 28, false, false));
    EXPECT_FALSE(run(sp + 28, true, false));
}

TEST(Debug, DataBreakpointsSeeEnterAndLeave) {
    const u64 sp = Guest::stack_top - 256, frame = Guest::stack_top - 128;
    const auto enter = [&](u64 place, bool writes, unsigned level) {
        Guest g(Mode::long64);
        g.gpr(x86::rsp) = sp;
        g.gpr(x86::rbp) = frame;
        return hits(g, place, writes, [&](Assembler& a) { a.enter(64, level); });
    };
    EXPECT_TRUE(enter(sp - 8, true, 0));
    EXPECT_FALSE(enter(sp - 16, true, 0));
    EXPECT_TRUE(enter(sp - 24, true, 2));  // three pointers
    EXPECT_FALSE(enter(sp - 28, true, 2));
    EXPECT_TRUE(enter(frame - 8, false, 2));
    EXPECT_FALSE(enter(frame - 8, true, 2));
    EXPECT_FALSE(enter(frame - 8, false, 1));
    Guest g(Mode::long64);
    g.gpr(x86::rbp) = frame;
    EXPECT_TRUE(hits(g, frame + 4, false, [](Assembler& a) { a.leave(); }));
}

TEST(Debug, DataAndPortBreakpointsSeePortStrings) {
    const auto run = [](u64 place, bool writes, bool in) {
        Guest g(Mode::long64);
        g.gpr(x86::rdi) = g.gpr(x86::rsi) = Guest::data;
        g.gpr(x86::rdx) = Guest::port_base;
        return hits(g, place, writes, [&](Assembler& a) { a.db(in ? 0x6c : 0x6e); });
    };
    EXPECT_TRUE(run(Guest::data, true, true));
    EXPECT_FALSE(run(Guest::data, true, false));
    EXPECT_TRUE(run(Guest::data, false, false));
    EXPECT_FALSE(run(Guest::data + 4, false, false));
    Guest g(Mode::long64);
    g.vcpu->state.cr4 |= x86::cr4::de;
    g.gpr(x86::rsi) = Guest::data;
    g.gpr(x86::rdx) = g.vcpu->state.dr[1] = Guest::port_base;
    g.vcpu->state.dr7 |= 4 | 2 << 20;
    g.run([](Assembler& a) { a.db(0x6e); });
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.vcpu->state.dr6 & 0xf, 2u);
}

TEST(Debug, ABreakpointOfMovSsWaitsForTheNextInstruction) {
    Guest g(Mode::long64);
    g.poke<u16>(Guest::data, 0x10);
    g.gpr(x86::rdi) = Guest::data;
    g.vcpu->state.dr[0] = Guest::data;
    g.vcpu->state.dr7 |= 1 | 0xf << 16;  // accesses of 4 bytes
    g.run([](Assembler& a) {
        a.mov(ss, word_ptr(rdi));  // three bytes
        a.mov(ebx, 2);
        a.mov(ebx, 3);
    });
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->vector, x86::Vector::debug);
    EXPECT_EQ(g.fault()->rip, Guest::code + 8);
    EXPECT_EQ(g.gpr(x86::rbx), 2u);
    EXPECT_TRUE(g.vcpu->state.dr6 & 1);
}

TEST(Debug, ShadowLastsForOneInstruction) {
    Guest g(Mode::long64);
    g.place([](Assembler& a) {
        a.sti();
        a.sti();
        a.nop();
    });
    CpuState& s = g.vcpu->state;
    s.rip = Guest::code;
    g.interpreter->step();
    EXPECT_EQ(s.shadow, InterruptShadow::sti);
    g.interpreter->step();  // IF was set already: no new shadow
    EXPECT_EQ(s.shadow, InterruptShadow::none);
}

TEST(Debug, CodeMayChangeUnderTheInterpreter) {
    Guest g(Mode::long64);
    // The loop's own MOV EAX, imm8-of-RCX is rewritten in each round.
    g.run([](Assembler& a) {
        const auto begin = a.newLabel(), patched = a.newLabel();
        a.xor_(ebx, ebx);
        a.mov(ecx, 5);
        a.lea(rdi, ptr(patched, 1));
        a.bind(begin);
        a.mov(byte_ptr(rdi), cl);
        a.bind(patched);
        a.mov(eax, 0);
        a.add(ebx, eax);
        a.dec(ecx);
        a.jnz(begin);
    });
    EXPECT_EQ(g.gpr(x86::rbx), 15u);
}

}  // namespace
}  // namespace softmetal::test
