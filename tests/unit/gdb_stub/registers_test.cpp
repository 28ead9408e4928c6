#include "gdb_stub/registers.hpp"

#include "../translator/small_guest.hpp"

#include <gmock/gmock.h>

namespace softmetal::gdb_stub {
namespace {

using softmetal::testing::SmallGuest;
using ::testing::HasSubstr;

struct Registers : ::testing::Test {
    SmallGuest guest{[](SmallGuest::Assembler&) {}};
    CpuState& state = guest.vcpu.state;
    RegisterSet registers{guest.model};
    std::string xml = registers.description();

    /// By its place in the description, which is its number.
    std::size_t number_of(const std::string& name) {
        const auto at = xml.find("<reg name=\"" + name + "\"");
        EXPECT_NE(at, std::string::npos) << name;
        std::size_t number = 0;
        for (auto next = xml.find("<reg "); next < at; next = xml.find("<reg ", next + 1)) number++;
        return number;
    }
    u64 read(const std::string& name) {
        const auto bytes = registers.read(guest.vcpu, number_of(name));
        u64 value = 0;
        std::memcpy(&value, bytes.data(), std::min<std::size_t>(8, bytes.size()));
        return value;
    }
    bool write(const std::string& name, u64 value) {
        std::array<u64, 2> wide{value, 0};
        const std::size_t number = number_of(name);
        return registers.write(guest.vcpu, number,
                               std::as_bytes(std::span(wide)).first(registers.size(number)));
    }
};

TEST_F(Registers, TheDescriptionNamesWhatGdbLooksFor) {
    EXPECT_THAT(xml, HasSubstr("<architecture>i386:x86-64</architecture>"));
    for (const char* feature : {"org.gnu.gdb.i386.core", "org.gnu.gdb.i386.sse", "org.gnu.gdb.i386.segments"})
        EXPECT_THAT(xml, HasSubstr(feature));
    EXPECT_EQ(xml.find("org.gnu.gdb.i386.avx") != std::string::npos, guest.model.features().avx);
    std::size_t count = 0;
    for (auto at = xml.find("<reg "); at != std::string::npos; at = xml.find("<reg ", at + 1)) count++;
    EXPECT_EQ(count, registers.count());
}

TEST_F(Registers, NamesMeanTheStateOfTheSameName) {
    state.gpr[x86::rdx] = 0x1122334455667788;
    state.seg(x86::Segment::fs).base = 0x7f00'0000'1000;
    state.kernel_gs_base = 0xffff'8880'0000'0000;
    state.extended.xmm[15].low = 15;
    EXPECT_EQ(read("rdx"), 0x1122334455667788u);
    EXPECT_EQ(read("rsp"), SmallGuest::stack_top);
    EXPECT_EQ(read("rip"), SmallGuest::code);
    EXPECT_EQ(read("cs"), 8u);
    EXPECT_EQ(read("gs"), 16u);
    EXPECT_EQ(read("fs_base"), 0x7f00'0000'1000u);
    EXPECT_EQ(read("k_gs_base"), 0xffff'8880'0000'0000u);
    EXPECT_EQ(read("cr3"), SmallGuest::tables);
    EXPECT_EQ(read("efer"), state.efer);
    EXPECT_EQ(read("mxcsr"), 0x1f80u);
    EXPECT_EQ(read("xmm15"), 15u);
}

TEST_F(Registers, X87TagsAreWhatFxsaveAbridged) {
    EXPECT_EQ(read("ftag"), 0xffffu);
    state.extended.fsw = 7 << 11;  // ST0 is physical register 7
    state.extended.ftw = 0xc0;
    state.extended.x87[0] = {0x8000000000000000, 0x3fff};  // 1.0 in register 7
    state.extended.x87[7] = {0, 0};                        // 0.0 in register 6
    EXPECT_EQ(read("ftag"), 0x1fffu);
    EXPECT_TRUE(write("ftag", 0xfffc));
    EXPECT_EQ(state.extended.ftw, 1u);
}

TEST_F(Registers, FlagsThatOnlyTheProcessorSetsStay) {
    EXPECT_TRUE(write("eflags", 0xffffffff));
    EXPECT_EQ(state.rflags & (x86::flags::vm | x86::flags::rf | x86::flags::vif), 0u);
    EXPECT_TRUE(state.rflags & x86::flags::interrupt);
    EXPECT_TRUE(write("eflags", 0));
    EXPECT_EQ(state.rflags, x86::flags::always_one);
}

TEST_F(Registers, WhatIsImpossibleIsRefused) {
    EXPECT_FALSE(write("cs", 0x10)) << "without its descriptor";
    EXPECT_TRUE(write("cs", 8)) << "it is that";
    EXPECT_FALSE(write("fs_base", 0x8000'0000'0000'0000));
    EXPECT_FALSE(write("mxcsr", 0xffff0000));
    EXPECT_FALSE(write("cr0", 0)) << "64-bit code cannot leave paging";
    EXPECT_FALSE(write("cr4", u64{1} << 40));
    EXPECT_EQ(read("cr0"), state.cr0);
    EXPECT_FALSE(registers.write(guest.vcpu, 0, {}));
}

TEST_F(Registers, SendingAHaltedProcessorElsewhereWakesIt) {
    state.activity = Activity::halted;
    EXPECT_TRUE(write("rip", state.rip)) << "written back";
    EXPECT_EQ(state.activity, Activity::halted);
    EXPECT_TRUE(write("rip", SmallGuest::code + 4));
    EXPECT_EQ(state.activity, Activity::running);
}

}  // namespace
}  // namespace softmetal::gdb_stub
