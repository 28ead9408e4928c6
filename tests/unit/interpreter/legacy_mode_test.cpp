// 32-bit and 16-bit code: segmentation, operand and address sizes, instructions that 64-bit mode lost.
#include "guest.hpp"

namespace softmetal::test {
namespace {

namespace flags = x86::flags;
namespace attribute = x86::segment_attribute;
using namespace asmjit::x86;

TEST(Flat32, ArithmeticAndStack) {
    Guest g(Mode::flat32);
    g.run([](Assembler& a) {
        a.mov(eax, 5);
        a.inc(eax);
        a.push(eax);
        a.push(-1);
        a.pop(ebx);
        a.pop(ecx);
        a.mov(dword_ptr(Guest::data), ecx);
    });
    EXPECT_FALSE(g.fault());
    EXPECT_EQ(g.gpr(x86::rbx), 0xffffffffu);
    EXPECT_EQ(g.peek<u32>(Guest::data), 6u);
}

TEST(Flat32, PushAllPopAll) {
    Guest g(Mode::flat32);
    for (unsigned n = 0; n < 8; n++)
        if (n != x86::rsp) g.gpr(n) = 0x100 + n;
    g.run([](Assembler& a) {
        a.pushad();
        a.mov(eax, dword_ptr(esp, 28));  // EAX as pushed
        a.mov(dword_ptr(esp, 16), 0x999);
        a.xor_(edi, edi);
        a.popad();
    });
    EXPECT_EQ(g.gpr(x86::rax), 0x100u);
    EXPECT_EQ(g.gpr(x86::rbx), 0x999u);
    EXPECT_EQ(g.gpr(x86::rdi), 0x107u);
    EXPECT_EQ(g.gpr(x86::rsp), Guest::stack_top);
}

// The 32-bit frame pointer keeps what lies above the 16 bits of the stack pointer.
TEST(Real16, EnterWithAWideFramePointer) {
    Guest g(Mode::real16);
    g.gpr(x86::rsp) = 0x10000;
    g.run([](Assembler& a) {
        a.db(0x66);
        a.enter(8, 0);
    });
    EXPECT_FALSE(g.fault());
    EXPECT_EQ(g.gpr(x86::rbp), 0x1fffcu);
    EXPECT_EQ(g.gpr(x86::rsp), 0x1fff4u);
}

TEST(Flat32, DecimalAdjust) {
    Guest g(Mode::flat32);
    g.run([](Assembler& a) {
        a.mov(al, 0x79);
        a.add(al, 0x35);
        a.daa();
        a.mov(bl, al);  // 79 + 35 = 114
        a.setc(bh);
        a.mov(eax, 0x0407);
        a.aad(10);
        a.mov(ecx, eax);  // 47
        a.aam(10);
        a.mov(edx, eax);
        a.mov(eax, 0x000b);
        a.aaa();
    });
    EXPECT_FALSE(g.fault());
    EXPECT_EQ(g.gpr(x86::rbx) & 0xffff, 0x114u);
    EXPECT_EQ(g.gpr(x86::rcx), 47u);
    EXPECT_EQ(g.gpr(x86::rdx), 0x0407u);
    EXPECT_EQ(g.gpr(x86::rax), 0x0101u);
}

TEST(Flat32, DivisionByZeroInAam) {
    Guest g(Mode::flat32);
    g.run_bytes({0xd4, 0x00});
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->vector, x86::Vector::divide_error);
}

TEST(Flat32, Bound) {
    Guest g(Mode::flat32);
    g.poke<u32>(Guest::data, static_cast<u32>(-2));
    g.poke<u32>(Guest::data + 4, 5);
    g.gpr(x86::rdi) = Guest::data;
    g.gpr(x86::rax) = static_cast<u32>(-1);
    g.run_bytes({0x62, 0x07});  // BOUND EAX, [EDI]
    EXPECT_FALSE(g.fault());
    g.gpr(x86::rax) = 6;
    g.go();
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->vector, x86::Vector::bound_range);
}

TEST(Flat32, LimitsAndRights) {
    struct Case {
        u32 attributes, limit;
        u32 offset;
        bool write, faults;
    };
    const u32 data =
        attribute::not_system | attribute::present | attribute::writable_or_readable | attribute::default_big;
    for (const Case& c : std::initializer_list<Case>{
             {data, 0xfff, 0xffc, false, false},
             {data, 0xfff, 0xffd, false, true},
             {data & ~attribute::writable_or_readable, 0xffff, 0, false, false},
             {data & ~attribute::writable_or_readable, 0xffff, 0, true, true},
             {data | attribute::code, 0xffff, 0, false, false},
             {data | attribute::code, 0xffff, 0, true, true},
             {data | attribute::expand_down_or_conforming, 0xfff, 0x1000, true, false},
             {data | attribute::expand_down_or_conforming, 0xfff, 0xfff, true, true},
             {data | attribute::unusable, 0xffff, 0, false, true},
         }) {
        Guest g(Mode::flat32);
        x86::SegmentRegister& fs = g.vcpu->state.seg(x86::Segment::fs);
        fs = {.selector = 0x10, .attributes = c.attributes, .base = Guest::data, .limit = c.limit};
        g.gpr(x86::rdi) = c.offset;
        if (c.write)
            g.run_bytes({0x64, 0x89, 0x07});  // MOV FS:[EDI], EAX
        else
            g.run_bytes({0x64, 0x8b, 0x07});
        EXPECT_EQ(g.fault().has_value(), c.faults) << std::hex << c.attributes << " " << c.offset;
        if (g.fault()) {
            EXPECT_EQ(g.fault()->vector, x86::Vector::general_protection);
        }
    }
}

TEST(Flat32, JumpBehindTheLimitFaultsAtTheJump) {
    Guest g(Mode::flat32);
    g.vcpu->state.seg(x86::Segment::cs).limit = 0x1fffff;
    g.gpr(x86::rax) = 0x200000;
    g.run([](Assembler& a) { a.jmp(eax); });
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->vector, x86::Vector::general_protection);
    EXPECT_EQ(g.fault()->rip, Guest::code);
}

TEST(Flat32, InstructionCutByTheLimit) {
    Guest g(Mode::flat32);
    g.vcpu->state.seg(x86::Segment::cs).limit = Guest::code + 3;
    g.run_bytes({0xb8, 1, 2, 3, 4});
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->vector, x86::Vector::general_protection);
    EXPECT_EQ(g.fault()->rip, Guest::code);

    g.vcpu->state.seg(x86::Segment::cs).limit = Guest::code + 5;
    g.run_bytes({0xb8, 1, 2, 3, 4});
    EXPECT_FALSE(g.fault());
}

TEST(Flat32, FarPointerLoads) {
    Guest g(Mode::flat32);
    g.poke<u32>(Guest::data, 0x12345678);
    g.poke<u16>(Guest::data + 4, 0x10);
    g.gpr(x86::rdi) = Guest::data;
    g.vcpu->state.seg(x86::Segment::es) = {};
    g.run_bytes({0xc4, 0x07});  // LES EAX, [EDI]
    EXPECT_FALSE(g.fault());
    EXPECT_EQ(g.gpr(x86::rax), 0x12345678u);
    EXPECT_EQ(g.vcpu->state.seg(x86::Segment::es).selector, 0x10);
}

TEST(Flat32, AdjustRequestedPrivilege) {
    Guest g(Mode::flat32);
    g.gpr(x86::rax) = 0x10;
    g.gpr(x86::rcx) = 0x23;
    g.run_bytes({0x63, 0xc8});  // ARPL AX, CX
    EXPECT_EQ(g.gpr(x86::rax), 0x13u);
    EXPECT_TRUE(g.flag(flags::zf));
}

TEST(Flat32, AdjustRequestedPrivilegeWritesOnlyWhatChanges) {
    Guest g(Mode::flat32);
    g.vcpu->state.seg(x86::Segment::ds).attributes &= ~attribute::writable_or_readable;
    g.poke<u16>(Guest::data, 0x13);
    g.gpr(x86::rdi) = Guest::data;
    g.gpr(x86::rax) = 2;
    g.run_bytes({0x63, 0x07});  // ARPL [EDI], AX: it is 3 already
    EXPECT_FALSE(g.fault());
    g.poke<u16>(Guest::data, 0x11);
    g.run_bytes({0x63, 0x07});
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->vector, x86::Vector::general_protection);
}

TEST(Flat32, VectorsBehindTheEighthStay) {
    Guest g(Mode::flat32);
    if (!g.model.features().avx) GTEST_SKIP();
    g.vcpu->state.cr4 |= x86::cr4::osxsave;
    g.vcpu->state.xcr0 = x86::xcr0::x87 | x86::xcr0::sse | x86::xcr0::avx;
    for (auto& xmm : g.vcpu->state.extended.xmm) xmm = {1, 2};
    g.run([](Assembler& a) { a.vzeroall(); });
    EXPECT_FALSE(g.fault());
    EXPECT_EQ(g.vcpu->state.extended.xmm[7].low, 0u);
    EXPECT_EQ(g.vcpu->state.extended.xmm[8].low, 1u);
}

TEST(Real16, SegmentsAndStack) {
    Guest g(Mode::real16);
    g.run_bytes({
        0xb8, 0x00, 0x40,              // mov ax, 4000h
        0x8e, 0xd8,                    // mov ds, ax
        0xc7, 0x06, 0x10, 0x00,        // mov word [10h], 1234h
        0x34, 0x12,                    //
        0xff, 0x36, 0x10, 0x00,        // push word [10h]
        0x5b,                          // pop bx
        0x66, 0xb9, 1,    0,    2, 0,  // mov ecx, 20001h
    });
    EXPECT_FALSE(g.fault());
    EXPECT_EQ(g.peek<u16>(0x40010), 0x1234);
    EXPECT_EQ(g.gpr(x86::rbx), 0x1234u);
    EXPECT_EQ(g.gpr(x86::rcx), 0x20001u);
}

TEST(Real16, StackWrapsAt64K) {
    Guest g(Mode::real16);
    g.gpr(x86::rsp) = 0xabcd0000;
    g.gpr(x86::rax) = 0x77;
    g.run_bytes({0x50});  // push ax
    EXPECT_FALSE(g.fault());
    EXPECT_EQ(g.gpr(x86::rsp), 0xabcdfffeu);
    EXPECT_EQ(g.peek<u16>(0xfffe), 0x77);
}

TEST(Real16, OperandAcrossTheSegmentsEndFaults) {
    Guest g(Mode::real16);
    g.gpr(x86::rbx) = 0xffff;
    g.run_bytes({0x8b, 0x07});  // mov ax, [bx]
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->vector, x86::Vector::general_protection);
}

TEST(Real16, InterruptAndReturn) {
    Guest g(Mode::real16);
    constexpr u64 handler = 0x60000;
    g.poke<u32>(0x21 * 4, 0x60000000);
    g.place_bytes(std::array<u8, 4>{0xb8, 0x34, 0x12, 0xcf}, handler);  // mov ax, 1234h; iret
    g.run_bytes({0xcd, 0x21, 0x89, 0xc3});                              // int 21h; mov bx, ax
    EXPECT_FALSE(g.fault());
    EXPECT_EQ(g.gpr(x86::rbx), 0x1234u);
    EXPECT_EQ(g.gpr(x86::rsp), Guest::stack_top);
}

TEST(Real16, ProtectedModeInstructionsAreUndefined) {
    Guest g(Mode::real16);
    g.run_bytes({0x0f, 0x00, 0xd8});  // LTR AX
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->vector, x86::Vector::invalid_opcode);
}

TEST(Real16, ShortBranchesStayInTheLow64K) {
    Guest g(Mode::real16);
    g.place_bytes(std::array<u8, 2>{0xeb, 0x10}, Guest::code + 0xfff0);  // jmp to 10002h: wraps to 2
    g.place_bytes(std::array<u8, 3>{0xb0, 0x5a, 0xf4}, Guest::code + 2);
    g.go(Guest::code + 0xfff0);
    EXPECT_FALSE(g.fault());
    EXPECT_EQ(g.gpr(x86::rax) & 0xff, 0x5au);
}

}  // namespace
}  // namespace softmetal::test
