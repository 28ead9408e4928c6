// 32-bit code in both engines: addresses, stack slots and branch targets of 32 bits, encodings that 64-bit
// code does not have, and the limits of FS and GS.
#include "same_in_both.hpp"

#include <gtest/gtest.h>

namespace softmetal {
namespace {

using namespace asmjit::x86;
using testing::SmallGuest;
using Assembler = SmallGuest::Assembler;

void same_in_both(const std::function<void(Assembler&)>& program,
                  const std::function<void(SmallGuest&)>& prepare = {}) {
    testing::same_in_both(program, SmallGuest::Code::bits32, prepare);
}

void fill_registers(Assembler& a) {
    for (u32 n = 0; n < 8; n++)
        if (n != Gp::kIdSp) a.mov(gpd(n), 0x11111111 * n + 0x89abcdef);
}

TEST(Code32, LoopOverMemoryIsChained) {
    const auto program = [](Assembler& a) {
        a.mov(ebx, SmallGuest::data);
        a.mov(ecx, 1000);
        const auto loop = a.newLabel();
        a.bind(loop);
        a.add(dword_ptr(ebx), ecx);
        a.adc(dword_ptr(ebx, 4), 0);
        a.dec(ecx);  // the one-byte encoding, a REX prefix in 64-bit code
        a.jnz(loop);
    };
    SmallGuest g(program, SmallGuest::Code::bits32);
    g.run_translated();
    ASSERT_TRUE(g.halted());
    EXPECT_EQ(g.at<u32>(SmallGuest::data), 500500u);
    EXPECT_GT(g.vcpu.counters.jumps_chained, 0u);
    EXPECT_LT(g.vcpu.counters.fallbacks, 5u);
    same_in_both(program);
}

TEST(Code32, EveryRegisterAsOperandBaseAndIndex) {
    for (u32 r = 0; r < 8; r++) {
        if (r == Gp::kIdSp) continue;
        same_in_both([r](Assembler& a) {
            fill_registers(a);
            a.mov(gpd(r), SmallGuest::data);
            a.mov(dword_ptr(gpd(r), 16), gpd(r));
            a.inc(dword_ptr(gpd(r), 16));
            a.inc(gpd(r));
            a.dec(gpw(r));
            a.mov(gpd(r), 3);
            const Gp base = r == 6 ? edi : esi;
            a.mov(base, SmallGuest::data);
            a.mov(gpd(r == 1 ? 2 : 1), dword_ptr(base, gpd(r), 3, -8));
            a.push(gpd(r));
            a.pop(gpd((r + 1) % 8 == Gp::kIdSp ? 0 : (r + 1) % 8));
        });
    }
}

TEST(Code32, AddressesWrapAtFourGigabytes) {
    same_in_both([](Assembler& a) {
        a.mov(eax, 0xfffffff0);
        a.mov(ebx, SmallGuest::data + 0x10 + 0x40);
        a.mov(dword_ptr(ebx, eax, 0, 0), 0x12345678);  // data + 0x40
        a.mov(ecx, dword_ptr(ebx, eax, 0, -0x40));
        a.lea(edx, ptr(ebx, eax, 2, 5));
        a.mov(esi, dword_ptr(SmallGuest::data + 0x40));
        a.mov(eax, dword_ptr(SmallGuest::data + 0x40));  // the form without ModRM
    });
}

TEST(Code32, StackAndCalls) {
    same_in_both([](Assembler& a) {
        const auto function = a.newLabel(), over = a.newLabel();
        fill_registers(a);
        a.mov(eax, 0);
        a.mov(ecx, 50);
        const auto loop = a.newLabel();
        a.bind(loop);
        a.call(function);
        a.push(esp);
        a.push(dword_ptr(esp));
        a.push(-5);
        a.push(0x12345678);
        a.pop(ebx);
        a.pop(dword_ptr(esp, 4));
        a.pop(esi);
        a.pop(esi);
        a.dec(ecx);
        a.jnz(loop);
        a.jmp(over);
        a.bind(function);
        a.push(ebp);
        a.mov(ebp, esp);
        a.sub(esp, 16);
        a.add(eax, 7);
        a.pushfd();
        a.popfd();
        a.pusha();
        a.popa();
        a.leave();
        a.ret(0);
        a.bind(over);
        a.mov(edi, esp);
    });
}

TEST(Code32, IndirectJumpsAndCalls) {
    same_in_both([](Assembler& a) {
        const auto function = a.newLabel(), target = a.newLabel(), table = a.newLabel();
        a.mov(ecx, 30);
        const auto loop = a.newLabel();
        a.bind(loop);
        a.mov(ebx, SmallGuest::data);
        a.mov(eax, SmallGuest::code);
        a.add(eax, 0x800);
        a.mov(dword_ptr(ebx), eax);
        a.call(eax);
        a.call(dword_ptr(ebx));
        a.call(dword_ptr(SmallGuest::data));
        a.dec(ecx);
        a.jnz(loop);
        a.add(eax, 0x10);
        a.jmp(eax);
        a.bind(function);
        while (a.offset() < 0x800) a.nop();
        a.add(edx, 3);
        a.ret();
        while (a.offset() < 0x810) a.nop();
        a.bind(target);
        a.bind(table);
        a.jecxz(ecx, function);
        a.nop();
    });
}

TEST(Code32, LoopsAndFlags) {
    same_in_both([](Assembler& a) {
        const auto loop = a.newLabel(), skip = a.newLabel();
        a.mov(ecx, 77);
        a.xor_(eax, eax);
        a.bind(loop);
        a.add(eax, ecx);
        a.loop(ecx, loop);
        a.jecxz(ecx, skip);
        a.mov(eax, 1);
        a.bind(skip);
        a.cmp(eax, 0x80000000);
        a.mov(ebx, SmallGuest::data);
        a.mov(dword_ptr(ebx), eax);  // overwrites the host's flags
        a.setl(bl);
        a.setb(bh);
        a.lahf();
    });
}

TEST(Code32, DecimalAndOtherLegacyInstructions) {
    same_in_both([](Assembler& a) {
        a.mov(eax, 0x1979);
        a.add(al, 0x28);
        a.daa();
        a.mov(ebx, eax);
        a.sub(al, 0x39);
        a.das();
        a.embed("\xd4\x0a", 2);  // AAM
        a.embed("\xd5\x0a", 2);  // AAD
        a.mov(edx, SmallGuest::data);
        a.mov(dword_ptr(edx), 1);
        a.mov(dword_ptr(edx, 4), 10);
        a.mov(ecx, 5);
        a.bound(ecx, ptr(edx));
        a.embed("\x82\xc1\x07", 3);  // add cl,7 by opcode 82
        a.embed("\xd6", 1);          // SALC
    });
}

TEST(Code32, StringMoves) {
    same_in_both([](Assembler& a) {
        a.mov(eax, 0xa5a5a5a5);
        a.mov(edi, SmallGuest::data);
        a.mov(ecx, 3000);
        a.rep().stosd();
        a.mov(esi, SmallGuest::data + 3);
        a.mov(edi, SmallGuest::data + 0x4001);
        a.mov(ecx, 9000);
        a.rep().movsb();
        a.movsw();
        a.stosb();
    });
}

void string_elements(Assembler& a, const Gp& source, const Gp& destination) {
    a.mov(source, SmallGuest::data + 0xffc);  // crosses a page on the way
    a.mov(destination, SmallGuest::data + 0x2ffd);
    a.mov(eax, 0x12345678);
    a.stosb();
    a.stosw();
    a.stosd();
    a.movsb();
    a.movsd();
    a.lodsb();
    a.lodsw();
    a.lodsd();
    for (const bool carry : {false, true}) {
        if (carry)
            a.stc();
        else
            a.clc();
        a.scasb();
        a.adc(edx, 1);  // reads what the comparison left
        a.cmpsb();
        a.setl(bl);
        a.cmpsd();
        a.lahf();
        a.scasd();
    }
    a.std();
    a.lodsd();
    a.stosb();
    a.cld();
}

TEST(Code32, StringElements) {
    same_in_both([](Assembler& a) { string_elements(a, esi, edi); });
    testing::same_in_both([](Assembler& a) { string_elements(a, rsi, rdi); });
}

TEST(Code32, StringElementsThatFault) {
    for (const u64 place : {SmallGuest::unmapped, SmallGuest::unmapped - 2})
        same_in_both([place](Assembler& a) {
            a.mov(esi, SmallGuest::data);
            a.mov(edi, static_cast<u32>(place));
            a.stc();
            a.cmpsd();
        });
}

TEST(Code32, BitStringsReachBelowTheirOperand) {
    same_in_both([](Assembler& a) {
        a.mov(ebx, SmallGuest::data + 0x1000);
        a.mov(eax, static_cast<u32>(-33));
        a.bts(dword_ptr(ebx), eax);
        a.mov(ecx, 1000);
        a.btc(dword_ptr(ebx), ecx);
        a.setc(dl);
    });
}

// --- segments

void segment_of_data(SmallGuest& g, x86::Segment name, u32 limit, u32 attributes = 0xc093) {
    x86::SegmentRegister& s = g.vcpu.state.seg(name);
    s.base = SmallGuest::data + 0x100;
    s.limit = limit;
    s.attributes = attributes;
}

TEST(Code32, FsAndGsHaveBasesAndLimits) {
    for (const x86::Segment name : {x86::Segment::fs, x86::Segment::gs}) {
        for (u32 limit : {0xffffffffu, 0xfffu, 0x103u, 0x102u})
            same_in_both(
                [name](Assembler& a) {
                    const auto at = [&](u32 offset) {
                        Mem m = dword_ptr(ebx, static_cast<i32>(offset));
                        m.setSegment(name == x86::Segment::fs ? fs : gs);
                        return m;
                    };
                    a.mov(ebx, 0x10);
                    a.mov(at(0), 0x1234);
                    a.inc(at(0));
                    a.stc();
                    a.mov(at(0xf0), ebx);  // offset 0x100: #GP(0) where the limit is 0x102
                    a.adc(at(0), 1);
                },
                [name, limit](SmallGuest& g) { segment_of_data(g, name, limit); });
    }
}

TEST(Code32, FsThatIsNullOrReadOnlyFaults) {
    for (u32 attributes : {u32{0x10000}, u32{0xc091}, u32{0xc097}})
        same_in_both(
            [](Assembler& a) {
                Mem m = dword_ptr(16);
                m.setSegment(fs);
                a.mov(eax, 5);
                a.mov(m, eax);
            },
            [attributes](SmallGuest& g) { segment_of_data(g, x86::Segment::fs, 0xfff, attributes); });
}

TEST(Code32, SegmentsThatAreNotFlatAreTranslated) {
    const auto program = [](Assembler& a) {
        const auto loop = a.newLabel();
        a.mov(ecx, 100);
        a.bind(loop);
        a.add(dword_ptr(0x40), ecx);
        a.dec(ecx);
        a.jnz(loop);
    };
    SmallGuest g(program, SmallGuest::Code::bits32);
    segment_of_data(g, x86::Segment::ds, 0xffffffff);
    g.run_translated();
    ASSERT_TRUE(g.halted());
    EXPECT_EQ(g.at<u32>(SmallGuest::data + 0x140), 5050u);
    EXPECT_LT(g.vcpu.counters.instructions_interpreted, 10u);
    same_in_both(program, [](SmallGuest& s) { segment_of_data(s, x86::Segment::ds, 0x143); });
    same_in_both(program, [](SmallGuest& s) { segment_of_data(s, x86::Segment::ds, 0x142); });
}

// --- the kernel's ways in and out

constexpr u32 kernel_entry = SmallGuest::code + 0x800, user_entry = SmallGuest::code + 0x900;

/// Enters user code twenty times, by SYSEXIT and IRETD in turns; it comes back by SYSENTER.
void enter_and_return(Assembler& a) {
    const auto go_on = a.newLabel(), by_iret = a.newLabel(), done = a.newLabel();
    const auto pad_to = [&](u32 address) {
        while (SmallGuest::code + a.offset() < address) a.nop();
    };
    a.mov(esi, 20);
    a.bind(go_on);
    a.mov(eax, SmallGuest::user_data32);
    a.mov(ds, eax);
    a.mov(es, eax);
    a.push(ds);
    a.pop(fs);
    a.mov(dword_ptr(SmallGuest::data + 8), SmallGuest::user_data32);
    a.mov(gs, word_ptr(SmallGuest::data + 8));
    a.test(esi, 1);
    a.jz(by_iret);
    a.mov(edx, user_entry);
    a.mov(ecx, SmallGuest::stack_top - 0x1000);
    a.sysexit();
    a.bind(by_iret);
    a.push(SmallGuest::user_data32);
    a.push(SmallGuest::stack_top - 0x1000);
    a.push(0x3202);  // IOPL 3, IF
    a.push(SmallGuest::user_code32);
    a.push(user_entry);
    a.iretd();
    pad_to(kernel_entry);
    a.mov(eax, SmallGuest::data32);
    a.mov(ds, eax);
    a.pushfd();
    a.pop(ebx);
    a.dec(esi);
    a.jnz(go_on);
    a.jmp(done);
    pad_to(user_entry);
    a.add(edi, ebx);
    a.mov(ebp, cs);
    a.add(dword_ptr(SmallGuest::data), 1);
    a.cli();  // allowed at IOPL 3
    a.sysenter();
    a.bind(done);
    a.mov(ebp, cs);
}

void prepare_sysenter(SmallGuest& g) {
    g.vcpu.state.sysenter_cs = SmallGuest::code32;
    g.vcpu.state.sysenter_eip = kernel_entry;
    g.vcpu.state.sysenter_esp = SmallGuest::stack_top;
    g.vcpu.state.rflags |= x86::flags::iopl;
}

TEST(Code32, SystemCallsAndInterruptReturns) {
    testing::same_in_both(enter_and_return, SmallGuest::Code::protected32, prepare_sysenter);
    SmallGuest g(enter_and_return, SmallGuest::Code::protected32);
    prepare_sysenter(g);
    g.run_translated();
    ASSERT_TRUE(g.halted());
    EXPECT_FALSE(g.vector());
    EXPECT_EQ(g.at<u32>(SmallGuest::data), 20u);
    EXPECT_EQ(g.vcpu.counters.system_calls, 20u);
    EXPECT_LT(g.vcpu.counters.fallbacks, 30u);  // of them 20 by CLI in user code
}

TEST(Code32, SegmentLoadsThatFaultAreTheInterpreters) {
    for (const u32 selector : {0x0fff8u, 8u, 0x28u, 0x40u})  // no descriptor, not readable, code
        testing::same_in_both(
            [selector](Assembler& a) {
                a.mov(eax, selector);
                a.mov(fs, eax);
                a.mov(ebx, fs);
                a.push(eax);
                a.pop(es);
            },
            SmallGuest::Code::protected32);
}

TEST(Code32, TheSamePlaceHasAnotherTranslationAsCode64) {
    // 48 is DEC EAX here and a REX prefix there; all else means the same.
    const auto program = [](Assembler& a) {
        const auto loop = a.newLabel();
        a.mov(ecx, 20);
        a.bind(loop);
        a.embed("\x48\xff\xc0", 3);  // dec eax; inc eax - or inc rax
        a.sub(ecx, 1);
        a.jnz(loop);
    };
    SmallGuest g(program, SmallGuest::Code::bits32);
    host::FaultStack fault_stack;
    Interpreter interpreter(g.vcpu);
    auto translator = Translator::create(g.vcpu, interpreter, {.cache_bytes = 1 << 20, .threshold = 0});
    ASSERT_TRUE(translator);
    const auto run = [&](u32 code_attributes) {
        g.vcpu.state.seg(x86::Segment::cs).attributes = code_attributes;
        g.vcpu.state.rip = SmallGuest::code;
        g.vcpu.state.gpr[x86::rax] = 0;
        g.vcpu.state.activity = Activity::running;
        for (unsigned n = 0; n < 1000 && g.vcpu.state.activity == Activity::running; n++)
            (*translator)->run(1000);
        return g.vcpu.state.gpr[x86::rax];
    };
    for (unsigned n = 0; n < 3; n++) {
        EXPECT_EQ(run(0xc09b), 0u);
        EXPECT_EQ(run(0xa09b), 20u);
    }
    EXPECT_LT(g.vcpu.counters.blocks_translated, 10u);
}

/// Each makes a site, and its operand another, which may move all of them elsewhere (the address sanitizer
/// tells).
TEST(Code32, SegmentLoadsFromMemoryMakeManySites) {
    same_in_both([](Assembler& a) {
        a.mov(ebx, SmallGuest::data);
        a.mov(ecx, ds);
        a.mov(word_ptr(ebx), cx);
        for (unsigned n = 0; n < 600; n++) {
            a.mov(es, word_ptr(ebx));
            a.inc(edx);
        }
    });
}

/// Registers 8 to 15 are not 32-bit code's: neither saved nor restored (SDM vol. 1, ch. 13.5 and 13.8).
TEST(Code32, ExtendedStateHasEightRegisters) {
    if (!CpuModel::host(1, 1'000'000'000).features().xsavec) GTEST_SKIP() << "the host has no XSAVEC";
    const auto program = [](u32 saved, u32 restored) {
        return [saved, restored](Assembler& a) {
            a.mov(edi, SmallGuest::data);
            a.xor_(edx, edx);
            a.mov(eax, saved);
            a.xsavec(ptr(edi));
            for (u32 n = 0; n < 8; n++) a.pxor(xmm(n), xmm(n));
            a.mov(eax, restored);
            a.xrstor(ptr(edi));
            for (u32 n = 0; n < 8; n++) a.movups(ptr(edi, static_cast<i32>(0x400 + 16 * n)), xmm(n));
            a.stmxcsr(dword_ptr(edi, 0x500));
            a.mov(dword_ptr(edi, 512), 0);  // a component may count as in use with its initial values
        };
    };
    const auto prepare = [](SmallGuest& g) {
        g.vcpu.state.cr4 |= x86::cr4::osfxsr | x86::cr4::osxsave;
        g.vcpu.state.xcr0 = 7;
        ExtendedState& e = g.vcpu.state.extended;
        for (unsigned n = 0; n < 16; n++) e.xmm[n] = {n + 1, n + 101}, e.ymm_high[n] = {n + 201, n + 301};
        e.mxcsr = 0x1fa0;
        for (u64 at = 0; at < 0x400; at += 8)
            g.at<u64>(SmallGuest::data + at) = at >= 512 && at < 576 ? 0 : ~at;
    };
    for (const u32 saved : {7u, 6u, 3u, 1u, 0u})
        for (const u32 restored : {7u, 6u, 4u, 2u, 1u}) same_in_both(program(saved, restored), prepare);
    SmallGuest g(program(7, 7), SmallGuest::Code::bits32);
    prepare(g);
    g.run_translated();
    ASSERT_TRUE(g.halted());
    EXPECT_EQ(g.vcpu.state.extended.xmm[15].low, 16u);
    EXPECT_EQ(g.vcpu.state.extended.ymm_high[8].high, 309u);
    EXPECT_LE(g.vcpu.counters.fallbacks, 1u);  // HLT
}

}  // namespace
}  // namespace softmetal
