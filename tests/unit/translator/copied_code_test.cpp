// The same page of user code at several linear addresses: what is translated at one is copied for the others.
#include "same_in_both.hpp"

#include <gtest/gtest.h>

namespace softmetal {
namespace {

using namespace asmjit::x86;
using testing::same_in_both;
using testing::SmallGuest;
using Assembler = SmallGuest::Assembler;

constexpr u64 present_writable_user = 7;
constexpr u64 routine = SmallGuest::code + 0x4000;  // two pages, in RAM and at its own address
constexpr u64 results = SmallGuest::data + 0x1000, user_stack = SmallGuest::stack_top - 0x1000;
constexpr u16 user_code64 = 0x3b;

void pad_to(Assembler& a, u64 address) {
    while (SmallGuest::code + a.offset() < address) a.nop();
}

/// Lets user code use everything, and shows the routine's two pages at each of `places` as well.
void map_user(SmallGuest& g, std::initializer_list<u64> places) {
    const auto entry = [&](u64 table, u64 n) -> u64& { return g.at<u64>(table + n * 8); };
    u64 free = 0x40000;
    const auto next = [&](u64 table, u64 n) {
        if (!entry(table, n)) {
            entry(table, n) = free;
            free += 0x1000;
        }
        entry(table, n) |= present_writable_user;
        return entry(table, n) & 0x000f'ffff'ffff'f000;
    };
    for (u64 address = 0; address < SmallGuest::memory_bytes; address += page_size)
        if (address != SmallGuest::unmapped)
            entry(next(next(next(SmallGuest::tables, 0), 0), address >> 21), address >> 12 & 511) |= 4;
    for (const u64 place : places)
        for (u64 n = 0; n < 2; n++) {
            const u64 a = place + n * page_size;
            const u64 table =
                next(next(next(SmallGuest::tables, a >> 39 & 511), a >> 30 & 511), a >> 21 & 511);
            entry(table, a >> 12 & 511) = (routine + n * page_size) | present_writable_user;
        }
    g.at<u64>(SmallGuest::gdt + (user_code64 & ~7)) = 0x00affb000000ffff;
    g.vcpu.state.gdtr.limit = 0x3f;
    g.vcpu.mmu.flush_all();
}

/// To user mode at the instruction that follows.
void enter_user64(Assembler& a) {
    const auto user = a.newLabel();
    a.push(SmallGuest::user_data32);
    a.push(static_cast<u32>(user_stack));
    a.push(2);
    a.push(user_code64);
    a.lea(rax, ptr(user));
    a.push(rax);
    a.iretq();
    a.bind(user);
}

/// Two pages of code that says where it is. RDI: where to store; RSI: goes into the sums.
void emit_routine64(Assembler& a) {
    const auto inner = a.newLabel(), loop = a.newLabel(), even = a.newLabel(), far = a.newLabel();
    const auto word = a.newLabel(), constant = a.newLabel(), again = a.newLabel();
    pad_to(a, routine);
    a.lea(rax, ptr(word));  // an address
    a.stosq();
    a.mov(rax, ptr(word));  // memory at one
    a.add(rax, rsi);
    a.stosq();
    a.call(inner);  // on this page
    a.call(far);    // on the next, and its return
    a.mov(ecx, 5);
    a.xor_(edx, edx);
    a.bind(loop);  // links within the page
    a.test(ecx, 1);
    a.jz(even);
    a.add(edx, ecx);
    a.bind(even);
    a.dec(ecx);
    a.jnz(loop);
    a.mov(rax, rdx);
    a.stosq();
    a.bind(constant);
    a.mov(eax, 0x11111111);  // the test changes it
    a.stosq();
    a.push(rcx);
    a.popfq();
    a.jmp(far);  // a tail call
    a.bind(inner);
    a.mov(rax, ptr(rsp));  // the return address
    a.stosq();
    a.cpuid();  // an instruction for the interpreter
    a.ret();
    a.align(asmjit::AlignMode::kData, 8);
    a.bind(word);
    a.embedUInt64(0x0123456789abcdef);
    pad_to(a, routine + page_size);
    a.bind(far);
    a.mov(rax, ptr(rsp));
    a.stosq();
    a.mov(ecx, 3);
    a.bind(again);
    a.fld1();  // may fault by itself
    a.fstp(st0);
    a.loop(again);
    a.ret();
}

void call_routine_at(Assembler& a, u64 place) {
    a.mov(rbx, place);
    a.mov(esi, 1000);
    a.call(rbx);
}

constexpr u64 places[] = {0x7f12'3456'7000, 0x7f9a'0000'0000, 0x5555'5555'4000, 0x7f12'3456'9000};

TEST(CopiedCode, RunsAsWhereItIs) {
    u64 copied = 0, translated = 0;
    same_in_both(
        [](Assembler& a) {
            enter_user64(a);
            a.mov(edi, results);
            for (unsigned round = 0; round < 2; round++)
                for (const u64 place : places) call_routine_at(a, place);
            a.hlt();  // #GP ends it
            emit_routine64(a);
        },
        SmallGuest::Code::bits64,
        [](SmallGuest& g) {
            map_user(g, {places[0], places[1], places[2], places[3]});
        },
        [&](SmallGuest& g) {
            copied = g.vcpu.counters.blocks_copied;
            translated = g.vcpu.counters.blocks_translated;
        });
    EXPECT_GE(copied, 3 * 10u);
    EXPECT_LE(translated, 40u);
}

TEST(CopiedCode, IsDroppedWithItsOriginal) {
    same_in_both(
        [](Assembler& a) {
            enter_user64(a);
            a.mov(edi, results);
            for (const u64 place : places) call_routine_at(a, place);
            // The constant's four bytes behind the opcode 0xb8, found by what they are.
            const auto search = a.newLabel(), found = a.newLabel();
            a.mov(ebp, routine);
            a.bind(search);
            a.cmp(dword_ptr(rbp), 0x11111111);
            a.je(found);
            a.inc(rbp);
            a.jmp(search);
            a.bind(found);
            a.mov(dword_ptr(rbp), 0x22222222);
            for (const u64 place : places) call_routine_at(a, place);
            a.hlt();
            emit_routine64(a);
        },
        SmallGuest::Code::bits64,
        [](SmallGuest& g) {
            map_user(g, {places[0], places[1], places[2], places[3]});
        },
        [](SmallGuest& g) { EXPECT_GT(g.vcpu.counters.code_page_invalidations, 0u); });
}

TEST(CopiedCode, Of32Bits) {
    constexpr u32 places32[] = {0x4000'0000, 0xf7c2'5000, 0x8012'3000};
    u64 copied = 0;
    same_in_both(
        [&](Assembler& a) {
            const auto user = a.newLabel(), here = a.newLabel(), far = a.newLabel(), loop = a.newLabel();
            a.push(SmallGuest::user_data32);
            a.push(static_cast<u32>(user_stack));
            a.push(2);
            a.push(SmallGuest::user_code32);
            a.push(static_cast<u32>(SmallGuest::code + 0x100));
            a.iretd();
            pad_to(a, SmallGuest::code + 0x100);
            a.bind(user);
            a.mov(eax, SmallGuest::user_data32);
            a.mov(ds, eax);
            a.mov(es, eax);
            a.mov(edi, static_cast<u32>(results));
            for (unsigned round = 0; round < 2; round++)
                for (const u32 place : places32) {
                    a.mov(ebx, place);
                    a.call(ebx);
                }
            a.hlt();
            pad_to(a, routine);
            a.call(here);
            a.bind(here);
            a.pop(eax);
            a.stosd();
            a.call(far);
            a.mov(ecx, 4);
            a.bind(loop);
            a.dec(ecx);
            a.jnz(loop);
            a.jmp(far);
            pad_to(a, routine + page_size);
            a.bind(far);
            a.mov(eax, ptr(esp));
            a.stosd();
            a.ret();
        },
        SmallGuest::Code::bits32,
        [&](SmallGuest& g) {
            map_user(g, {places32[0], places32[1], places32[2]});
        },
        [&](SmallGuest& g) { copied = g.vcpu.counters.blocks_copied; });
    EXPECT_GE(copied, 2 * 4u);
}

}  // namespace
}  // namespace softmetal
