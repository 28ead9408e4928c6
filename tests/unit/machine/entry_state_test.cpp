// The processor's state at a kernel's entry point.
#include "machine/boot/entry_state.hpp"

#include "machine/boot/linux_loader.hpp"

#include <gtest/gtest.h>
#include <optional>

namespace softmetal::machine {
namespace {

u64 word(const GuestMemory& memory, u64 address) {
    u64 value = 0;
    EXPECT_TRUE(memory.read({address}, std::as_writable_bytes(std::span(&value, 1))));
    return value;
}

/// A page walk of its own, by the manual: SDM vol. 3, fig. 4-9.
std::optional<u64> walk(const GuestMemory& memory, u64 cr3, u64 linear) {
    u64 table = cr3;
    for (unsigned level = 3; level >= 1; level--) {
        const u64 entry = word(memory, table + ((linear >> (12 + 9 * level)) & 511) * 8);
        if (!(entry & 1)) return std::nullopt;
        if (entry & 0x80) return (entry & ~0x1fffffull) | (linear & 0x1fffff);
        table = entry & ~0xfffull;
    }
    return std::nullopt;
}

struct EntryState : testing::Test {
    std::unique_ptr<GuestMemory> memory = *GuestMemory::create(2u << 20);
    CpuState state;
    void SetUp() override { enter(EntryMode::long_mode); }
    void enter(EntryMode mode) {
        state = {};
        ASSERT_TRUE(enter_kernel(*memory, state,
                                 {.address = {0x100'0200}, .mode = mode, .eax = 1, .ebx = 2, .esi = 3}));
    }
};

TEST_F(EntryState, FollowsTheBootProtocol) {
    EXPECT_TRUE(state.code64());
    EXPECT_TRUE(state.paging());
    EXPECT_EQ(state.cpl(), 0u);
    EXPECT_EQ(state.rip, 0x100'0200u);
    EXPECT_EQ(state.gpr[x86::rax], 1u);
    EXPECT_EQ(state.gpr[x86::rbx], 2u);
    EXPECT_EQ(state.gpr[x86::rsi], 3u);
    EXPECT_EQ(state.gpr[x86::rbp], 0u);
    EXPECT_EQ(state.gpr[x86::rdi], 0u);
    EXPECT_EQ(state.rflags, x86::flags::always_one);
    EXPECT_EQ(state.seg(x86::Segment::cs).selector, 0x10);
    EXPECT_EQ(state.seg(x86::Segment::ds).selector, 0x18);
    EXPECT_EQ(state.activity, Activity::running);
}

TEST_F(EntryState, HasPagingOffAndFlatSegmentsIn32BitMode) {
    enter(EntryMode::protected_mode);
    EXPECT_EQ(state.code_size(), 4u);
    EXPECT_EQ(state.stack_size(), 4u);
    EXPECT_EQ(state.cr0 & (x86::cr0::pe | x86::cr0::pg), x86::cr0::pe);
    EXPECT_FALSE(state.long_mode_active());
    EXPECT_EQ(state.cr4, 0u);
    EXPECT_EQ(state.seg(x86::Segment::cs).selector, 0x10);
    for (x86::Segment s : {x86::Segment::cs, x86::Segment::ds, x86::Segment::es, x86::Segment::ss}) {
        EXPECT_EQ(state.seg(s).base, 0u);
        EXPECT_EQ(state.seg(s).limit, 0xffff'ffffu);
    }
    EXPECT_EQ(word(*memory, state.gdtr.base + 0x10), 0x00cf'9b00'0000'ffffu);
}

TEST_F(EntryState, MapsFourGibToThemselves) {
    for (u64 a : {u64{0}, u64{0x7123}, u64{0x100'0200}, u64{0xbfff'ffff}, u64{0xffff'ffff}})
        EXPECT_EQ(walk(*memory, state.cr3, a), a);
    EXPECT_FALSE(walk(*memory, state.cr3, 0x1'0000'0000));
}

TEST_F(EntryState, HasAGdtThatAgreesWithItsSegments) {
    ASSERT_GE(state.gdtr.limit, 0x1f);
    const u64 code = word(*memory, state.gdtr.base + 0x10), data = word(*memory, state.gdtr.base + 0x18);
    EXPECT_EQ(bits(code, 55, 40) & ~0xf00ull, state.seg(x86::Segment::cs).attributes);
    EXPECT_EQ(bits(data, 55, 40) & ~0xf00ull, state.seg(x86::Segment::ss).attributes);
    EXPECT_TRUE(state.seg(x86::Segment::cs).attributes & x86::segment_attribute::long_mode);
}

}  // namespace
}  // namespace softmetal::machine
