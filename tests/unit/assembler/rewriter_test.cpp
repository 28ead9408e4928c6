// The rewriter's output, decoded again, must be the same instruction with the registers and the address that
// were asked for.
#include "assembler/rewriter.hpp"

#include "decoder/decoder.hpp"

#include <gtest/gtest.h>
#include <initializer_list>
#include <vector>

namespace softmetal {
namespace {

Instruction decoded(std::initializer_list<int> bytes, unsigned mode = 8) {
    std::vector<u8> code;
    for (int b : bytes) code.push_back(static_cast<u8>(b));
    auto i = decode(code, mode);
    EXPECT_TRUE(i.has_value());
    return i.value_or(Instruction{});
}

Instruction rewritten(const Instruction& i, const RegisterMap& map, HostAddress address) {
    auto r = rewrite(i, map, address);
    EXPECT_TRUE(r.has_value());
    if (!r) return {};
    auto again = decode(r->encoding(), 8);
    EXPECT_TRUE(again.has_value());
    EXPECT_EQ(again ? again->length : 0, r->length);
    return again.value_or(Instruction{});
}

RegisterMap mapped(u8 from, u8 to) {
    RegisterMap map = identity_map();
    map[from] = to;
    return map;
}

constexpr HostAddress at_r10{.base = x86::r10};

TEST(Rewriter, MemoryOperandMovesRegistersStay) {
    const Instruction i = decoded({0x48, 0x03, 0x44, 0xcb, 0x08});  // add rax,[rbx+rcx*8+8]
    const Instruction r = rewritten(i, identity_map(), at_r10);
    EXPECT_EQ(r.mnemonic, i.mnemonic);
    EXPECT_EQ(r.operands[0].index, x86::rax);
    EXPECT_EQ(r.memory.base, x86::r10);
    EXPECT_EQ(r.memory.index, MemoryOperand::no_register);
    EXPECT_EQ(r.memory.displacement, 0);
    EXPECT_EQ(r.operand_size, 8);
}

TEST(Rewriter, EveryBaseRegisterAndDisplacementIsEncodable) {
    const Instruction i = decoded({0x66, 0x89, 0x08});  // mov [rax],cx
    for (u8 base = 0; base < 16; base++)
        for (i32 displacement : {0, 1, -128, 127, 128, -129, 0x12345678}) {
            const Instruction r = rewritten(i, identity_map(), {.base = base, .displacement = displacement});
            EXPECT_EQ(r.memory.base, base);
            EXPECT_EQ(r.memory.displacement, displacement);
            EXPECT_EQ(r.operand_size, 2);
            EXPECT_EQ(r.operands[1].index, x86::rcx);
        }
}

TEST(Rewriter, IndexRegister) {
    const Instruction i = decoded({0x8b, 0x00});
    const Instruction r =
        rewritten(i, identity_map(), {.base = x86::r13, .index = x86::r12, .displacement = 0});
    EXPECT_EQ(r.memory.base, x86::r13);
    EXPECT_EQ(r.memory.index, x86::r12);
}

TEST(Rewriter, StackPointerIsRenamed) {
    const Instruction i = decoded({0x48, 0x83, 0xec, 0x20});  // sub rsp,32
    const Instruction r = rewritten(i, mapped(x86::rsp, x86::r9), at_r10);
    EXPECT_EQ(r.operands[0].index, x86::r9);
    EXPECT_EQ(r.immediate, 32u);
}

TEST(Rewriter, SegmentAndAddressSizePrefixesAreDropped) {
    const Instruction i =
        decoded({0x65, 0x67, 0x48, 0x8b, 0x04, 0x25, 0x10, 0, 0, 0});  // mov rax,gs:[10h], 32-bit address
    const Instruction r = rewritten(i, identity_map(), at_r10);
    EXPECT_EQ(r.memory.segment, x86::Segment::ds);
    EXPECT_EQ(r.address_size, 8);
    EXPECT_EQ(r.memory.base, x86::r10);
}

TEST(Rewriter, LockStays) {
    const Instruction r = rewritten(decoded({0xf0, 0x48, 0x0f, 0xb1, 0x0a}), identity_map(), at_r10);
    EXPECT_TRUE(r.lock);
}

TEST(Rewriter, LowByteRegistersGetTheRexPrefixTheyNeed) {
    const Instruction i = decoded({0x88, 0xc8});  // mov al,cl
    const Instruction r = rewritten(i, mapped(x86::rcx, x86::rsi), at_r10);
    EXPECT_EQ(r.operands[1].index, x86::rsi);
    EXPECT_FALSE(r.operands[1].high_byte);
}

TEST(Rewriter, HighByteBesideRexIsRefused) {
    const Instruction i = decoded({0x8a, 0x20});  // mov ah,[rax]
    EXPECT_EQ(rewrite(i, identity_map(), at_r10).error(), RewriteError::high_byte_needs_rex);
    const Instruction r = rewritten(i, identity_map(), {.base = x86::rsi});
    EXPECT_TRUE(r.operands[0].high_byte);
    EXPECT_EQ(r.operands[0].index, x86::rax);
}

TEST(Rewriter, VexPrefixKeepsItsVectorRegisters) {
    const Instruction i = decoded({0xc5, 0xfc, 0x58, 0x03});  // vaddps ymm0,ymm0,[rbx]
    const Instruction r = rewritten(i, identity_map(), at_r10);
    EXPECT_EQ(r.mnemonic, i.mnemonic);
    EXPECT_EQ(r.operands[0].size, 32);
    EXPECT_EQ(r.memory.base, x86::r10);
}

TEST(Rewriter, VexGeneralRegistersAreMapped) {
    const Instruction i = decoded({0xc4, 0xe2, 0xf0, 0xf2, 0xc2});  // andn rax,rcx,rdx
    RegisterMap map = identity_map();
    map[x86::rcx] = x86::r10;
    map[x86::rdx] = x86::r11;
    const Instruction r = rewritten(i, map, at_r10);
    EXPECT_EQ(r.operands[1].index, x86::r10);
    EXPECT_EQ(r.operands[2].index, x86::r11);
}

TEST(Rewriter, AbsoluteOffsetMoveBecomesModrm) {
    const Instruction i = decoded({0x48, 0xa1, 1, 2, 3, 4, 5, 6, 7, 8});  // mov rax,[0807060504030201h]
    const Instruction r = rewritten(i, identity_map(), at_r10);
    EXPECT_EQ(r.operands[0].index, x86::rax);
    EXPECT_TRUE(r.memory.read);
    EXPECT_EQ(r.memory.base, x86::r10);
}

TEST(Rewriter, RegisterInOpcode) {
    const Instruction i = decoded({0x41, 0x0f, 0xca});  // bswap r10d
    const Instruction r = rewritten(i, mapped(x86::r10, x86::r11), at_r10);
    EXPECT_EQ(r.operands[0].index, x86::r11);
    EXPECT_EQ(r.operand_size, 4);
}

TEST(Rewriter, ShortIncrementOf32BitCodeIsWidened) {
    const Instruction i = decoded({0x43}, 4);  // inc ebx
    const Instruction r = rewritten(i, identity_map(), at_r10);
    EXPECT_EQ(r.mnemonic, i.mnemonic);
    EXPECT_EQ(r.operands[0].index, x86::rbx);
    EXPECT_EQ(r.operand_size, 4);
}

TEST(Rewriter, WhatVexIgnoresOutside64BitModeIsDropped) {
    // andn eax,ecx,edx with W, B, and the highest bit of VVVV as 64-bit mode would use them
    const Instruction andn = rewritten(decoded({0xc4, 0xc2, 0xb0, 0xf2, 0xc2}, 4), identity_map(), at_r10);
    EXPECT_EQ(andn.operand_size, 4);
    EXPECT_EQ(andn.operands[1].index, x86::rcx);
    EXPECT_EQ(andn.operands[2].index, x86::rdx);
    // vblendvps xmm0,xmm1,xmm2,xmm3, the fourth register's number with its highest bit
    const Instruction blend =
        rewritten(decoded({0xc4, 0xe3, 0x71, 0x4a, 0xc2, 0xb0}, 4), identity_map(), at_r10);
    EXPECT_EQ(blend.operands[3].index, 3);
    // vfmadd132pd xmm0,xmm1,xmm2: there W is part of the opcode
    const Instruction fma = rewritten(decoded({0xc4, 0xe2, 0xf1, 0x98, 0xc2}, 4), identity_map(), at_r10);
    EXPECT_EQ(fma.mnemonic, ZYDIS_MNEMONIC_VFMADD132PD);
}

TEST(Rewriter, SixteenBitCodeKeepsItsOperandSize) {
    const Instruction narrow = rewritten(decoded({0x01, 0xd8}, 2), identity_map(), at_r10);  // add ax,bx
    EXPECT_EQ(narrow.operand_size, 2);
    const Instruction wide =
        rewritten(decoded({0x66, 0x01, 0xd8}, 2), identity_map(), at_r10);  // add eax,ebx
    EXPECT_EQ(wide.operand_size, 4);
    const Instruction adcx =
        rewritten(decoded({0x66, 0x0f, 0x38, 0xf6, 0xc3}, 2), identity_map(), at_r10);  // adcx eax,ebx
    EXPECT_EQ(adcx.mnemonic, ZYDIS_MNEMONIC_ADCX);
    const Instruction movnti = rewritten(decoded({0x0f, 0xc3, 0x1f}, 2), identity_map(), at_r10);
    EXPECT_EQ(movnti.mnemonic, ZYDIS_MNEMONIC_MOVNTI);  // movnti [bx],ebx
    EXPECT_EQ(movnti.operands[1].size, 4);
}

}  // namespace
}  // namespace softmetal
