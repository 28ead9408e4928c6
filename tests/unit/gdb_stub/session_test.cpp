// The commands, against a guest that an engine really runs.
#include "debugged_guest.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace softmetal::gdb_stub {
namespace {

using softmetal::testing::SmallGuest;
using ::testing::StartsWith;
namespace x86a = asmjit::x86;

constexpr unsigned rax = 0, rbx = 1, rsp = 7, rip = 16, eflags = 17, cs = 18;
constexpr u64 counter = SmallGuest::data;

/// Counts in RAX and in memory, for ever, on a page of code of its own.
void count(SmallGuest::Assembler& a) {
    const auto again = a.newLabel();
    a.xor_(x86a::eax, x86a::eax);
    a.mov(x86a::rbx, counter);
    a.jmp(again);
    a.embedUInt8(0x90, 0x1000 - a.offset());
    a.bind(again);
    a.inc(x86a::rax);                              // 48 ff c0
    a.mov(x86a::qword_ptr(x86a::rbx), x86a::rax);  // 48 89 03
    a.jmp(again);                                  // eb f8
}
constexpr u64 loop = SmallGuest::code + 0x1000, store = loop + 3, jump = loop + 6;

struct GdbSession : ::testing::TestWithParam<EngineKind> {
    std::string at(std::string_view command, u64 address, unsigned kind = 1) {
        return fmt::format("{},{:x},{:x}", command, address, kind);
    }
    /// Long enough for code to be translated.
    void run_a_while(DebuggedGuest& guest) {
        guest.send(frame_packet("c"));
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        EXPECT_THAT(guest.interrupt(), StartsWith("T02thread:1;"));
    }
};

TEST_P(GdbSession, BeginsHaltedAndSaysSo) {
    DebuggedGuest guest(GetParam(), count);
    EXPECT_EQ(guest.ask("?"), "T02thread:1;");
    EXPECT_EQ(guest.number(rip), SmallGuest::code);
    EXPECT_EQ(guest.number(cs), 8u);
    EXPECT_EQ(guest.number(rsp), SmallGuest::stack_top);
}

TEST_P(GdbSession, StepsOneInstruction) {
    DebuggedGuest guest(GetParam(), count);
    EXPECT_EQ(guest.run("s"), "T05thread:1;");
    EXPECT_EQ(guest.number(rip), SmallGuest::code + 2);
    EXPECT_EQ(guest.run("vCont;s:1;c"), "T05thread:1;");
    EXPECT_EQ(guest.number(rbx), counter);
}

TEST_P(GdbSession, StopsAtABreakpointEachTimeRound) {
    DebuggedGuest guest(GetParam(), count);
    run_a_while(guest);
    EXPECT_EQ(guest.ask(at("Z0", store)), "OK");
    EXPECT_EQ(guest.run("c"), "T05thread:1;swbreak:;");
    EXPECT_EQ(guest.number(rip), store);
    const u64 before = guest.number(rax);
    for (unsigned round = 1; round <= 3; round++) {
        EXPECT_EQ(guest.run("s"), "T05thread:1;");
        EXPECT_EQ(guest.number(rip), jump);
        EXPECT_EQ(guest.run("c"), "T05thread:1;swbreak:;");
        EXPECT_EQ(guest.number(rax), before + round);
    }
    EXPECT_EQ(guest.ask(at("z0", store)), "OK");
    run_a_while(guest);
    EXPECT_GT(guest.number(rax), before + 4);
}

TEST_P(GdbSession, AHardwareBreakpointIsCalledSo) {
    DebuggedGuest guest(GetParam(), count);
    EXPECT_EQ(guest.ask(at("Z1", loop)), "OK");
    EXPECT_EQ(guest.run("c"), "T05thread:1;hwbreak:;");
    EXPECT_EQ(guest.number(rip), loop);
}

TEST_P(GdbSession, TheGuestDoesNotSeeABreakpoint) {
    DebuggedGuest guest(GetParam(), count);
    EXPECT_EQ(guest.ask(at("Z0", loop)), "OK");
    EXPECT_THAT(guest.run("c"), StartsWith("T05"));
    EXPECT_EQ(guest.ask(fmt::format("m{:x},8", loop)), "48ffc0488903ebf8");
    EXPECT_EQ(guest.guest.vcpu.state.dr7, 0x400u);
    EXPECT_EQ(guest.guest.vcpu.state.dr6, 0xffff0ff0u);
    EXPECT_EQ(guest.number(eflags) & 0x100, 0u);
}

TEST_P(GdbSession, StopsBehindAWatchedWrite) {
    DebuggedGuest guest(GetParam(), count);
    run_a_while(guest);
    EXPECT_EQ(guest.ask(at("Z2", counter + 4, 4)), "OK");  // the upper half of what is stored
    EXPECT_EQ(guest.run("c"), fmt::format("T05thread:1;watch:{:x};", counter + 4));
    EXPECT_EQ(guest.number(rip), jump);
    const u64 before = guest.number(rax);
    EXPECT_EQ(guest.guest.at<u64>(counter), before);
    EXPECT_EQ(guest.run("c"), fmt::format("T05thread:1;watch:{:x};", counter + 4));
    EXPECT_EQ(guest.number(rax), before + 1);
    EXPECT_EQ(guest.ask(at("z2", counter + 4, 4)), "OK");
    run_a_while(guest);
}

TEST_P(GdbSession, WritesBesideAWatchpointPass) {
    DebuggedGuest guest(GetParam(), count);
    EXPECT_EQ(guest.ask(at("Z2", counter + 8, 8)), "OK");
    EXPECT_EQ(guest.ask(at("Z3", counter, 8)), "OK");  // it is written only
    run_a_while(guest);
    EXPECT_GT(guest.number(rax), 1u);
}

TEST_P(GdbSession, StopsBehindAWatchedRead) {
    DebuggedGuest guest(GetParam(), [](SmallGuest::Assembler& a) {
        a.mov(x86a::rbx, counter);
        a.mov(x86a::rax, x86a::qword_ptr(x86a::rbx));
        a.nop();
    });
    guest.guest.at<u64>(counter) = 7;
    EXPECT_EQ(guest.ask(at("Z4", counter, 1)), "OK");
    EXPECT_EQ(guest.run("c"), fmt::format("T05thread:1;awatch:{:x};", counter));
    EXPECT_EQ(guest.number(rax), 7u);
}

TEST_P(GdbSession, WritesReachRegistersAndMemory) {
    DebuggedGuest guest(GetParam(), count);
    EXPECT_EQ(guest.ask("P0=" + DebuggedGuest::little_endian(0x1122334455667788)), "OK");
    EXPECT_EQ(guest.guest.vcpu.state.gpr[x86::rax], 0x1122334455667788u);
    const u64 end_of_page = counter + page_size - 2;
    EXPECT_EQ(guest.ask(fmt::format("M{:x},4:01020304", end_of_page)), "OK");
    EXPECT_EQ(guest.ask(fmt::format("m{:x},4", end_of_page)), "01020304");
    EXPECT_EQ(guest.ask(fmt::format("X{:x},2:#$", counter)), "OK");
    EXPECT_EQ(guest.ask(fmt::format("m{:x},2", counter)), "2324");
}

TEST_P(GdbSession, WhatIsNotMappedIsRefused) {
    DebuggedGuest guest(GetParam(), count);
    const u64 below = SmallGuest::unmapped - 2;
    EXPECT_EQ(guest.ask(fmt::format("m{:x},4", SmallGuest::unmapped)), "E0e");
    EXPECT_EQ(guest.ask(fmt::format("m{:x},4", below)), "0000");  // what there is
    EXPECT_EQ(guest.ask(fmt::format("M{:x},4:01020304", below)), "E0e");
    EXPECT_EQ(guest.ask(fmt::format("m{:x},2", below)), "0000") << "nothing is written by halves";
    EXPECT_EQ(guest.ask("m8000000000000000,1"), "E0e");
}

TEST_P(GdbSession, ReadingMemoryLeavesNoTraceInPageTables) {
    DebuggedGuest guest(GetParam(), count);
    const u64 entry = SmallGuest::tables + 0x3000 + (counter >> 21) * 0x1000 + (counter >> 12 & 511) * 8;
    const u64 before = guest.guest.at<u64>(entry);
    EXPECT_EQ(guest.ask(fmt::format("m{:x},1", counter)), "00");
    EXPECT_EQ(guest.ask(fmt::format("M{:x},1:55", counter)), "OK");
    EXPECT_EQ(guest.guest.at<u64>(entry), before);
}

TEST_P(GdbSession, ChangedCodeIsRunAsItIsNow) {
    DebuggedGuest guest(GetParam(), count);
    run_a_while(guest);
    EXPECT_EQ(guest.ask(fmt::format("M{:x},3:48ffc8", loop)), "OK");  // DEC RAX
    constexpr u64 before = u64{1} << 62;
    EXPECT_EQ(guest.ask("P0=" + DebuggedGuest::little_endian(before)), "OK");
    run_a_while(guest);
    EXPECT_LT(guest.number(rax), before);
}

TEST_P(GdbSession, ATripleFaultStopsInTheDebuggerFirst) {
    DebuggedGuest guest(GetParam(), [](SmallGuest::Assembler& a) {
        a.lidt(x86a::ptr(SmallGuest::data));  // no interrupt descriptors at all
        a.ud2();
    });
    EXPECT_EQ(guest.run("c"), "T0bthread:1;");
    EXPECT_FALSE(guest.end);
    guest.send(frame_packet("c"));
    ASSERT_TRUE(guest.ends());
    EXPECT_EQ(guest.end, monitor::RunEnd::shutdown);
    guest.session->machine_ended(true);
    EXPECT_EQ(guest.answer(), "X0b");
    EXPECT_TRUE(guest.session->finished());
}

TEST_P(GdbSession, DetachingLetsTheGuestRunOn) {
    DebuggedGuest guest(GetParam(), [](SmallGuest::Assembler& a) {
        for (int n = 0; n < 4; n++) a.nop();
    });
    EXPECT_EQ(guest.ask(at("Z0", SmallGuest::code + 2)), "OK");
    EXPECT_THAT(guest.run("c"), StartsWith("T05"));
    EXPECT_EQ(guest.ask("D"), "OK");
    EXPECT_TRUE(guest.session->finished());
    for (int n = 0; n < 1000 && !guest.guest.halted(); n++)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_TRUE(guest.guest.halted());
}

TEST_P(GdbSession, ARepeatedInstructionMeetsItsBreakpointOnce) {
    DebuggedGuest guest(GetParam(), [](SmallGuest::Assembler& a) {
        a.mov(x86a::rdi, SmallGuest::data);
        a.mov(x86a::ecx, 0x80000);
        a.rep().stosb();
        a.nop();
    });
    u64 string = 0;
    while (guest.guest.at<u8>(SmallGuest::code + string) != 0xf3) string++;
    EXPECT_EQ(guest.ask(at("Z0", SmallGuest::code + string)), "OK");
    EXPECT_EQ(guest.ask(at("Z0", SmallGuest::code + string + 2)), "OK");
    EXPECT_EQ(guest.run("c"), "T05thread:1;swbreak:;");
    EXPECT_EQ(guest.number(rip), SmallGuest::code + string);
    EXPECT_EQ(guest.run("s"), "T05thread:1;");
    EXPECT_EQ(guest.run("c"), "T05thread:1;swbreak:;");
    EXPECT_EQ(guest.number(rip), SmallGuest::code + string + 2);
}

INSTANTIATE_TEST_SUITE_P(Engines, GdbSession,
                         ::testing::Values(EngineKind::interpreter, EngineKind::translator),
                         [](const auto& instance) {
                             return instance.param == EngineKind::interpreter ? "Interpreter" : "Translator";
                         });

}  // namespace
}  // namespace softmetal::gdb_stub
