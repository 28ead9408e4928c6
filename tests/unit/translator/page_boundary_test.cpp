// Code that reaches from one page into the next, or jumps there, while the second page changes or is mapped
// anew.
#include "same_in_both.hpp"

#include <gtest/gtest.h>

namespace softmetal {
namespace {

using namespace asmjit::x86;
using testing::same_in_both;
using testing::SmallGuest;
using Assembler = SmallGuest::Assembler;

void pad_to(Assembler& a, u64 offset_in_page) {
    while (a.offset() % page_size != offset_in_page) a.nop();
}

/// Where the guest finds the page-table entry of an address below 2 MiB.
constexpr u64 entry_of(u64 address) { return SmallGuest::tables + 0x3000 + (address >> page_shift) * 8; }

/// RSI = start of the code page behind the first; a copy of it lies at SmallGuest::data + 0x8000.
constexpr u64 second = SmallGuest::code + page_size, copy = SmallGuest::data + 0x8000;
void copy_second_page(Assembler& a) {
    a.mov(rsi, second);
    a.mov(rdi, copy);
    a.mov(ecx, page_size / 8);
    a.rep().movsq();
}
void map_second_page_to(Assembler& a, u64 physical, u64 rights) {
    a.mov(rdi, entry_of(second));
    a.mov(rax, physical | rights);
    a.mov(qword_ptr(rdi), rax);
    a.mov(rax, second);
    a.invlpg(ptr(rax));
}

TEST(PageBoundary, InstructionsThatStraddle) {
    for (const u64 inside : {1, 2, 3, 4})
        same_in_both([inside](Assembler& a) {
            a.mov(rbx, SmallGuest::data);
            a.xor_(ebp, ebp);
            a.mov(r12d, 50);
            const auto loop = a.newLabel(), out = a.newLabel();
            a.jmp(loop);
            pad_to(a, 4000);
            a.bind(loop);
            a.cmp(r12d, 25);
            pad_to(a, page_size - inside);
            a.mov(dword_ptr(rbx, 0x123), 0x11223344);
            a.adc(ebp, dword_ptr(rbx, 0x123));  // the carry of CMP has survived
            a.dec(r12d);
            a.jz(out);
            a.jmp(loop);
            a.bind(out);
        });
}

TEST(PageBoundary, StraddlingBranch) {
    same_in_both([](Assembler& a) {
        a.mov(ecx, 30);
        a.xor_(eax, eax);
        const auto loop = a.newLabel(), out = a.newLabel();
        a.jmp(loop);
        pad_to(a, 4080);
        a.bind(loop);
        a.inc(eax);
        a.dec(ecx);
        pad_to(a, page_size - 3);
        a.long_().jz(out);
        a.jmp(loop);
        a.bind(out);
    });
}

TEST(PageBoundary, StraddlingInstructionIsRewrittenInItsSecondPage) {
    same_in_both([](Assembler& a) {
        a.xor_(ebp, ebp);
        a.mov(ecx, 40);
        a.mov(rbx, second);
        const auto loop = a.newLabel(), out = a.newLabel();
        a.jmp(loop);
        pad_to(a, 4080);
        a.bind(loop);
        pad_to(a, page_size - 2);
        a.mov(eax, 0x00000007);  // three bytes of the constant lie in the second page
        a.add(ebp, eax);
        a.mov(byte_ptr(rbx, 1), cl);
        a.dec(ecx);
        a.jz(out);
        a.jmp(loop);
        a.bind(out);
    });
}

TEST(PageBoundary, StraddlingInstructionWhoseSecondPageIsMappedAnew) {
    const auto program = [](Assembler& a) {
        copy_second_page(a);
        a.mov(byte_ptr(copy + 1), 0x42);
        a.xor_(ebp, ebp);
        a.mov(r12d, 20);
        const auto loop = a.newLabel(), remap = a.newLabel(), out = a.newLabel();
        a.jmp(loop);
        a.bind(remap);
        map_second_page_to(a, copy, 3);
        a.jmp(loop);
        pad_to(a, 4080);
        a.bind(loop);
        pad_to(a, page_size - 2);
        a.mov(eax, 0x00000007);
        a.add(ebp, eax);
        a.dec(r12d);
        a.jz(out);
        a.cmp(r12d, 10);
        a.je(remap);
        a.jmp(loop);
        a.bind(out);
    };
    SmallGuest g(program);
    g.run_translated();
    ASSERT_TRUE(g.halted());
    EXPECT_EQ(g.vcpu.state.gpr[x86::rbp], 20u * 7 + 10u * 0x420000);
    same_in_both(program);
}

/// Calls a function on the second page again and again, with global pages, and gives it another page midway.
void jump_to_global_page(Assembler& a, const std::function<void(Assembler&)>& change) {
    constexpr u64 global_present_writable = 0x103;
    a.mov(rax, cr4);
    a.or_(eax, 1 << 7);  // PGE
    a.mov(cr4, rax);
    copy_second_page(a);
    a.mov(dword_ptr(copy + 1), 1000);
    map_second_page_to(a, second, global_present_writable);
    a.xor_(ebp, ebp);
    a.mov(r12d, 40);
    const auto loop = a.newLabel(), other = a.newLabel(), function = a.newLabel();
    a.bind(loop);
    a.call(function);
    a.add(ebp, eax);
    a.cmp(r12d, 20);
    a.jne(other);
    change(a);
    a.bind(other);
    a.dec(r12d);
    a.jnz(loop);
    a.hlt();
    pad_to(a, 0);
    a.bind(function);
    a.mov(eax, 1);
    a.ret();
}

TEST(PageBoundary, JumpToAGlobalPageFollowsInvlpg) {
    const auto program = [](Assembler& a) {
        jump_to_global_page(a, [](Assembler& b) { map_second_page_to(b, copy, 0x103); });
    };
    SmallGuest g(program);
    g.run_translated();
    ASSERT_TRUE(g.halted());
    EXPECT_EQ(g.vcpu.state.gpr[x86::rbp], 21u + 19 * 1000);
    same_in_both(program);
}

TEST(PageBoundary, JumpToAGlobalPageFollowsAGlobalFlush) {
    const auto program = [](Assembler& a) {
        jump_to_global_page(a, [](Assembler& b) {
            b.mov(rdi, entry_of(second));
            b.mov(rax, copy | 0x103);
            b.mov(qword_ptr(rdi), rax);
            b.mov(rax, cr4);
            b.btc(eax, 7);
            b.mov(cr4, rax);
            b.btc(eax, 7);
            b.mov(cr4, rax);
        });
    };
    SmallGuest g(program);
    g.run_translated();
    ASSERT_TRUE(g.halted());
    EXPECT_EQ(g.vcpu.state.gpr[x86::rbp], 21u + 19 * 1000);
    same_in_both(program);
}

TEST(PageBoundary, JumpToAPageThatIsNotGlobalFollowsCr3) {
    const auto program = [](Assembler& a) {
        jump_to_global_page(a, [](Assembler& b) {
            map_second_page_to(b, copy, 3);
            b.mov(rax, cr3);
            b.mov(cr3, rax);
        });
    };
    same_in_both(program);
}

}  // namespace
}  // namespace softmetal
