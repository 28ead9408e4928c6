#include "decoder/decoder.hpp"

#include "x86/flags.hpp"

#include <Zydis/Zydis.h>
#include <array>
#include <atomic>
#include <gtest/gtest.h>
#include <thread>

namespace softmetal {
namespace {

using x86::flags::status;

TEST(Decoder, OperandsRegistersAndFlags) {
    const std::array<u8, 5> add = {0x48, 0x03, 0x44, 0xcb, 0x08};  // add rax,[rbx+rcx*8+8]
    const auto i = decode(add, 8);
    ASSERT_TRUE(i);
    EXPECT_EQ(i->length, 5);
    EXPECT_TRUE(i->has_memory && i->memory.read && !i->memory.written);
    EXPECT_EQ(i->memory.base, x86::rbx);
    EXPECT_EQ(i->memory.index, x86::rcx);
    EXPECT_EQ(i->memory.scale, 8);
    EXPECT_EQ(i->memory.displacement, 8);
    EXPECT_EQ(i->memory.size, 8);
    EXPECT_EQ(i->gprs_read, 1 << x86::rax | 1 << x86::rbx | 1 << x86::rcx);
    EXPECT_EQ(i->gprs_written, 1 << x86::rax);
    EXPECT_EQ(i->flags_killed & status, status);
}

TEST(Decoder, IncrementKeepsCarry) {
    const std::array<u8, 2> inc = {0xff, 0xc0};
    const auto i = decode(inc, 8);
    ASSERT_TRUE(i);
    EXPECT_FALSE(i->flags_written & x86::flags::cf);
}

TEST(Decoder, SystemCallReadsTheFlagsItOverwrites) {
    const std::array<u8, 2> syscall = {0x0f, 0x05};
    const auto i = decode(syscall, 8);
    ASSERT_TRUE(i);
    EXPECT_EQ(i->flags_read & status, status);
}

TEST(Decoder, ShiftByRegisterMayKeepFlags) {
    const std::array<u8, 2> shl = {0xd3, 0xe0};
    const auto i = decode(shl, 8);
    ASSERT_TRUE(i);
    EXPECT_TRUE(i->conditional_flags);
    EXPECT_EQ(i->flags_killed, 0);
    const std::array<u8, 3> by_five = {0xc1, 0xe0, 0x05};
    EXPECT_FALSE(decode(by_five, 8)->conditional_flags);
}

TEST(Decoder, HighByteRegisters) {
    const std::array<u8, 2> mov = {0x88, 0xe1};  // mov cl,ah
    const auto i = decode(mov, 8);
    ASSERT_TRUE(i);
    EXPECT_EQ(i->operands[1].index, x86::rax);
    EXPECT_TRUE(i->operands[1].high_byte);
    const std::array<u8, 3> with_rex = {0x40, 0x88, 0xe1};  // mov cl,spl
    const auto j = decode(with_rex, 8);
    EXPECT_EQ(j->operands[1].index, x86::rsp);
    EXPECT_FALSE(j->operands[1].high_byte);
}

TEST(Decoder, LeaOnlyNamesAnAddress) {
    const std::array<u8, 4> lea = {0x48, 0x8d, 0x40, 0x10};
    const auto i = decode(lea, 8);
    ASSERT_TRUE(i);
    EXPECT_TRUE(i->has_memory);
    EXPECT_EQ(i->memory.size, 0);
    EXPECT_FALSE(i->memory.read || i->memory.written);
}

TEST(Decoder, StackAndStringAccessesAreNotModrmMemory) {
    const std::array<u8, 1> push = {0x50};
    EXPECT_FALSE(decode(push, 8)->has_memory);
    const std::array<u8, 3> movs = {0x64, 0x48, 0xa5};  // movsq with FS source
    const auto i = decode(movs, 8);
    ASSERT_TRUE(i);
    EXPECT_FALSE(i->has_memory);
    EXPECT_EQ(i->memory.segment, x86::Segment::fs);
}

TEST(Decoder, SibWithoutBaseHasNoneWithRexEither) {
    const std::array<u8, 9> x = {0x67, 0x47, 0x31, 0x04, 0x1d,
                                 0x78, 0x56, 0x34, 0x12};  // xor [r11d+12345678h],r8d
    const auto i = decode(x, 8);
    ASSERT_TRUE(i);
    EXPECT_EQ(i->memory.base, MemoryOperand::no_register);
    EXPECT_EQ(i->memory.index, x86::r11);
    EXPECT_EQ(i->memory.displacement, 0x12345678);
}

TEST(Decoder, OperandSizePrefixOfNearBranchesCountsOnAmd) {
    const std::array<u8, 7> jz = {0x66, 0x0f, 0x84, 0x78, 0x56, 0x34, 0x12};
    EXPECT_EQ(decode(jz, 8, Vendor::intel)->length, 7);
    EXPECT_EQ(decode(jz, 8, Vendor::intel)->operand_size, 8);
    EXPECT_EQ(decode(jz, 8, Vendor::amd)->length, 5);
    EXPECT_EQ(decode(jz, 8, Vendor::amd)->operand_size, 2);
    EXPECT_EQ(decode(jz, 4, Vendor::intel)->length, 5);

    const std::array<u8, 2> ret = {0x66, 0xc3};
    EXPECT_EQ(decode(ret, 8, Vendor::intel)->operand_size, 8);
    EXPECT_EQ(decode(ret, 8, Vendor::amd)->operand_size, 2);
    const std::array<u8, 3> whole = {0x66, 0x48, 0xc3};  // REX.W wins
    EXPECT_EQ(decode(whole, 8, Vendor::amd)->operand_size, 8);

    const std::array<u8, 3> call = {0x66, 0xff, 0x13};  // call word [rbx]
    EXPECT_EQ(decode(call, 8, Vendor::intel)->memory.size, 8);
    EXPECT_EQ(decode(call, 8, Vendor::amd)->memory.size, 2);
}

TEST(Decoder, WhatElseTheVendorsReadDifferently) {
    const std::array<u8, 3> movsxd = {0x66, 0x63, 0x03};  // movsxd ax,[rbx]
    EXPECT_EQ(decode(movsxd, 8, Vendor::intel)->memory.size, 2);
    EXPECT_EQ(decode(movsxd, 8, Vendor::amd)->memory.size, 4);
    const std::array<u8, 3> prefetch_of_register = {0x0f, 0x0d, 0xc0};
    EXPECT_TRUE(decode(prefetch_of_register, 8, Vendor::intel));
    EXPECT_EQ(decode(prefetch_of_register, 8, Vendor::amd).error(), DecodeError::invalid);
    const std::array<u8, 6> vpextrq = {0xc4, 0xe3, 0xf9, 0x16, 0xcc, 0x01};
    EXPECT_TRUE(decode(vpextrq, 8, Vendor::amd));
    EXPECT_TRUE(decode(vpextrq, 4, Vendor::intel));
    EXPECT_EQ(decode(vpextrq, 4, Vendor::amd).error(), DecodeError::invalid);
    const std::array<u8, 3> prefetchw = {0x0f, 0x0d, 0x08};
    EXPECT_TRUE(decode(prefetchw, 8, Vendor::amd));
}

TEST(Decoder, VzeroallKnowsEightRegistersOutside64BitMode) {
    const std::array<u8, 3> vzeroall = {0xc5, 0xfc, 0x77};
    EXPECT_EQ(decode(vzeroall, 8)->vectors_written, 0xffff);
    EXPECT_EQ(decode(vzeroall, 4)->vectors_written, 0xff);
}

TEST(Decoder, Errors) {
    const std::array<u8, 2> cut = {0x48, 0x8b};
    EXPECT_EQ(decode(cut, 8).error(), DecodeError::truncated);
    const std::array<u8, 2> push_es_is_gone = {0x06, 0x90};
    EXPECT_EQ(decode(push_es_is_gone, 8).error(), DecodeError::invalid);
    std::array<u8, 16> prefixes;
    prefixes.fill(0x66);
    EXPECT_EQ(decode(prefixes, 8).error(), DecodeError::too_long);
    const std::array<u8, 6> evex = {0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc0};  // vaddps zmm0,zmm0,zmm0
    EXPECT_EQ(decode(evex, 8).error(), DecodeError::invalid);
}

TEST(Decoder, WhatIsDecodedAreTheBytesKeptWhoeverWritesThere) {
    std::array<u8, 16> code = {0xb8, 5, 5,
                               5,    5, 0xc3};  // mov eax, 0x05050505, whose first byte is INT3 at times
    const std::jthread writer([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            std::atomic_ref(code[0]).store(0xcc);
            std::atomic_ref(code[0]).store(0xb8);
        }
    });
    for (unsigned n = 0; n < 200'000; n++) {
        const auto i = decode(code, 8);
        ASSERT_TRUE(i);
        ASSERT_EQ(i->bytes[0], i->mnemonic == ZYDIS_MNEMONIC_MOV ? 0xb8 : 0xcc);
    }
}

}  // namespace
}  // namespace softmetal
