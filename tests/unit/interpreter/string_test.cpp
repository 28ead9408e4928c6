// String instructions: results, registers after faults and between the pieces of a long REP.
#include "guest.hpp"

namespace softmetal::test {
namespace {

namespace flags = x86::flags;
using namespace asmjit::x86;

constexpr u64 source = 0x40000, destination = 0x50000;

void fill_source(Guest& g, unsigned count) {
    for (unsigned n = 0; n < count; n++) g.poke<u8>(source + n, static_cast<u8>(n * 7 + 1));
}

TEST(Strings, MovesAcrossPages) {
    Guest g(Mode::long64);
    constexpr unsigned count = 10000;
    fill_source(g, count);
    g.gpr(x86::rsi) = source + 5;
    g.gpr(x86::rdi) = destination + 100;
    g.gpr(x86::rcx) = count - 5;
    g.run([](Assembler& a) { a.rep().movsb(); });
    EXPECT_EQ(g.gpr(x86::rcx), 0u);
    EXPECT_EQ(g.gpr(x86::rsi), source + count);
    EXPECT_EQ(g.gpr(x86::rdi), destination + 100 + count - 5);
    for (unsigned n = 5; n < count; n++)
        ASSERT_EQ(g.peek<u8>(destination + 95 + n), static_cast<u8>(n * 7 + 1)) << n;
}

TEST(Strings, OverlappingForwardMoveRepeatsThePattern) {
    Guest g(Mode::long64);
    g.poke<u16>(source, 0xbeef);
    g.gpr(x86::rsi) = source;
    g.gpr(x86::rdi) = source + 2;
    g.gpr(x86::rcx) = 50;
    g.run([](Assembler& a) { a.rep().movsb(); });
    for (unsigned n = 0; n < 26; n++) ASSERT_EQ(g.peek<u16>(source + 2 * n), 0xbeef) << n;
}

TEST(Strings, BackwardMove) {
    Guest g(Mode::long64);
    for (u64 n = 0; n < 8; n++) g.poke<u64>(source + 8 * n, n);
    g.gpr(x86::rsi) = source + 56;
    g.gpr(x86::rdi) = source + 64;  // overlapping upwards is what DF is for
    g.gpr(x86::rcx) = 8;
    g.run([](Assembler& a) {
        a.std();
        a.rep().movsq();
        a.cld();
    });
    for (u64 n = 0; n < 8; n++) EXPECT_EQ(g.peek<u64>(source + 8 + 8 * n), n);
    EXPECT_EQ(g.gpr(x86::rsi), source - 8);
    EXPECT_EQ(g.gpr(x86::rdi), source);
}

TEST(Strings, StoreAllWidths) {
    Guest g(Mode::long64);
    g.gpr(x86::rax) = 0x1122334455667788;
    g.gpr(x86::rdi) = destination - 3;
    g.gpr(x86::rcx) = 1000;
    g.run([](Assembler& a) {
        a.rep().stosd();
        a.mov(ecx, 3);
        a.rep().stosq();
        a.stosw();
        a.stosb();
    });
    u64 at = destination - 3;
    for (int n = 0; n < 1000; n++, at += 4) ASSERT_EQ(g.peek<u32>(at), 0x55667788u);
    for (int n = 0; n < 3; n++, at += 8) ASSERT_EQ(g.peek<u64>(at), 0x1122334455667788u);
    EXPECT_EQ(g.peek<u16>(at), 0x7788);
    EXPECT_EQ(g.peek<u8>(at + 2), 0x88);
    EXPECT_EQ(g.gpr(x86::rdi), at + 3);
}

TEST(Strings, FaultInTheMiddleShowsTheIterationsDone) {
    Guest g(Mode::long64);
    g.gpr(x86::rax) = 0x55;
    g.gpr(x86::rdi) = Guest::unmapped - 10;
    g.gpr(x86::rcx) = 100;
    g.run([](Assembler& a) { a.rep().stosb(); });
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.fault()->vector, x86::Vector::page_fault);
    EXPECT_EQ(g.fault()->rip, Guest::code);
    EXPECT_EQ(g.vcpu->state.cr2, Guest::unmapped);
    EXPECT_EQ(g.gpr(x86::rcx), 90u);
    EXPECT_EQ(g.gpr(x86::rdi), Guest::unmapped);
    EXPECT_EQ(g.peek<u8>(Guest::unmapped - 1), 0x55);
}

TEST(Strings, AttentionInterruptsALongRepeat) {
    Guest g(Mode::long64);
    g.gpr(x86::rsi) = source;
    g.gpr(x86::rcx) = 1'000'000;
    g.place([](Assembler& a) { a.rep().lodsb(); });
    g.vcpu->state.rip = Guest::code;
    g.vcpu->request(attention::interrupt);
    g.interpreter->step();
    EXPECT_EQ(g.vcpu->state.rip, Guest::code);  // goes on after the interrupt
    EXPECT_LT(g.gpr(x86::rcx), 1'000'000u);
    EXPECT_EQ(g.gpr(x86::rsi) - source, 1'000'000 - g.gpr(x86::rcx));
    EXPECT_GE(g.gpr(x86::rsi), source + 1);
}

TEST(Strings, ZeroCountDoesNothing) {
    Guest g(Mode::long64);
    g.gpr(x86::rdi) = Guest::unmapped;
    g.gpr(x86::rcx) = 0;
    g.run([](Assembler& a) { a.rep().stosb(); });
    EXPECT_FALSE(g.fault());
}

TEST(Strings, CompareAndScan) {
    Guest g(Mode::long64);
    fill_source(g, 64);
    for (unsigned n = 0; n < 64; n++) g.poke<u8>(destination + n, g.peek<u8>(source + n));
    g.poke<u8>(destination + 40, 0xff);
    g.gpr(x86::rsi) = source;
    g.gpr(x86::rdi) = destination;
    g.gpr(x86::rcx) = 64;
    g.run([](Assembler& a) {
        a.repe().cmpsb();
        a.mov(rbx, rcx);
        a.mov(rdi, destination);
        a.mov(ecx, 64);
        a.mov(al, 0xff);
        a.repne().scasb();
    });
    EXPECT_EQ(g.gpr(x86::rbx), 64u - 41);
    EXPECT_EQ(g.gpr(x86::rdi), destination + 41);
    EXPECT_EQ(g.gpr(x86::rcx), 64u - 41);
    EXPECT_TRUE(g.flag(flags::zf));
}

TEST(Strings, AddressSizePrefixWraps32Bits) {
    Guest g(Mode::long64);
    g.gpr(x86::rdi) = 0xffffffff00000000 | destination;
    g.gpr(x86::rcx) = 0xffffffff00000002;
    g.gpr(x86::rax) = 0x99;
    g.run_bytes({0x67, 0xf3, 0xaa});  // REP STOSB with EDI, ECX
    EXPECT_FALSE(g.fault());
    EXPECT_EQ(g.peek<u16>(destination), 0x9999);
    EXPECT_EQ(g.gpr(x86::rdi), destination + 2);
    EXPECT_EQ(g.gpr(x86::rcx), 0u);
}

TEST(Strings, AddressSizePrefixCutsRegistersWithoutAnIterationOnIntelOnly) {
    for (const u64 count : {u64{0}, u64{3}}) {
        Guest g(Mode::long64);
        constexpr u64 high = 0xffffffff00000000;
        g.gpr(x86::rdi) = high | Guest::unmapped;
        g.gpr(x86::rcx) = high | count;
        g.run_bytes({0x67, 0xf3, 0xaa});  // REP STOSB with EDI, ECX
        EXPECT_EQ(g.fault().has_value(), count != 0);
        const u64 kept = g.model.is_amd() ? high : 0;
        EXPECT_EQ(g.gpr(x86::rdi), kept | Guest::unmapped);
        EXPECT_EQ(g.gpr(x86::rcx), kept | count);
    }
}

TEST(Strings, FaultOfRepeatedComparisonShowsFlagsOnAmdOnly) {
    Guest g(Mode::long64);
    g.gpr(x86::rdi) = Guest::unmapped - 1;
    g.poke<u8>(Guest::unmapped - 1, 0x55);
    g.gpr(x86::rax) = 0x55;
    g.gpr(x86::rcx) = 2;
    g.run_bytes({0xf3, 0xae});  // REPE SCASB
    ASSERT_TRUE(g.fault());
    EXPECT_EQ(g.gpr(x86::rcx), 1u);
    EXPECT_EQ((g.peek<u64>(g.gpr(x86::rsp) + 24) & flags::zf) != 0, g.model.is_amd());
}

TEST(Strings, SegmentOverrideAppliesToTheSource) {
    Guest g(Mode::long64);
    g.vcpu->state.seg(x86::Segment::gs).base = 0x1000;
    g.poke<u8>(source + 0x1000, 0x42);
    g.gpr(x86::rsi) = source;
    g.gpr(x86::rdi) = destination;
    g.run_bytes({0x65, 0xa4});  // GS MOVSB
    EXPECT_EQ(g.peek<u8>(destination), 0x42);
}

TEST(Strings, PortInputAndOutput) {
    Guest g(Mode::long64);
    g.gpr(x86::rdx) = Guest::port_base + 2;
    g.gpr(x86::rdi) = destination;
    g.gpr(x86::rcx) = 3;
    g.run([](Assembler& a) {
        a.rep().ins(word_ptr(rdi), dx);
        a.mov(rsi, destination);
        a.outs(dx, byte_ptr(rsi));
    });
    EXPECT_FALSE(g.fault());
    ASSERT_EQ(g.recorder.reads.size(), 3u);
    EXPECT_EQ(g.recorder.reads[0].offset, 2u);
    EXPECT_EQ(g.recorder.reads[0].width, 2u);
    EXPECT_EQ(g.peek<u16>(destination + 4), 0x13);
    ASSERT_EQ(g.recorder.writes.size(), 1u);
    EXPECT_EQ(g.recorder.writes[0].value, 0x11u);
}

TEST(Strings, InputToFaultingMemoryReadsNoPort) {
    Guest g(Mode::long64);
    g.gpr(x86::rdx) = Guest::port_base;
    g.gpr(x86::rdi) = Guest::unmapped;
    g.run([](Assembler& a) { a.ins(byte_ptr(rdi), dx); });
    ASSERT_TRUE(g.fault());
    EXPECT_TRUE(g.recorder.reads.empty());
}

}  // namespace
}  // namespace softmetal::test
