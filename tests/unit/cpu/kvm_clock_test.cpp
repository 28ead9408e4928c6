// KVM's clock as a guest reads it.
#include "cpu/kvm_clock.hpp"

#include "machine_fixture.hpp"

#include <cmath>

namespace softmetal::testing {
namespace {

namespace msr = x86::msr;

class KvmClock : public MachineTest {
 protected:
    static constexpr u64 page = 0x50000, enabled = 1;
    struct SystemTime {
        u32 version, reserved0;
        u64 tsc, time;
        u32 multiplier;
        i8 shift;
        u8 flags, reserved1[2];
    };
    struct WallClock {
        u32 version, seconds, nanoseconds;
    };

    std::optional<Raised> write(u32 index, u64 value) {
        return raised_by([&] { write_msr(vcpu_, index, value); });
    }
    /// The nanoseconds that a guest makes of its TSC now, as msr.rst tells it to.
    u64 guest_time(u64 at = page) {
        const auto info = peek<SystemTime>(at);
        EXPECT_EQ(info.version % 2, 0u);
        u64 ticks = read_msr(vcpu_, msr::time_stamp_counter) - info.tsc;
        if (info.shift >= 0)
            ticks <<= info.shift;
        else
            ticks >>= -info.shift;
        return info.time + (ticks >> 32) * info.multiplier + ((ticks & 0xffffffff) * info.multiplier >> 32);
    }
};

TEST_F(KvmClock, TheGuestComputesVirtualTime) {
    clock_.time = 5'000'000'000;
    ASSERT_EQ(write(msr::kvm_system_time, page | enabled), std::nullopt);
    EXPECT_EQ(read_msr(vcpu_, msr::kvm_system_time), page | enabled);
    EXPECT_EQ(peek<SystemTime>(page).version, 2u);
    EXPECT_EQ(peek<SystemTime>(page).flags, 1u);
    EXPECT_EQ(guest_time(), clock_.time);
    constexpr u64 hour = 3'600'000'000'123;
    clock_.time += hour;
    EXPECT_NEAR(static_cast<double>(guest_time()), static_cast<double>(clock_.time), hour / 2147483648.0)
        << "31 digits of the scale";
}

TEST_F(KvmClock, ItsScaleSaysTheTscsFrequency) {
    for (const u64 hz :
         {u64{1}, u64{999'999'999}, u64{1'000'000'000}, u64{1'000'000'001}, test_tsc_hz, ~u64{0}}) {
        const TickScale s = tick_scale(hz);
        EXPECT_TRUE(s.multiplier >> 31) << hz;
        // Linux: 10^9 * 2^32 / multiplier, shifted back.
        const long double found = 1e9L * 4294967296.0L / s.multiplier / std::pow(2.0L, s.shift);
        EXPECT_NEAR(static_cast<double>(found / static_cast<long double>(hz)), 1.0, 1e-9) << hz;
    }
    EXPECT_EQ(tick_scale(1'000'000'000).multiplier, 1u << 31) << "exact";
    EXPECT_EQ(tick_scale(1'000'000'000).shift, 1);
}

TEST_F(KvmClock, FollowsATscThatTheGuestMoves) {
    ASSERT_EQ(write(msr::kvm_system_time, page | enabled), std::nullopt);
    clock_.time = 7'000'000'000;
    ASSERT_EQ(write(msr::time_stamp_counter, 12345), std::nullopt);
    EXPECT_EQ(guest_time(), clock_.time);
    ASSERT_EQ(write(msr::tsc_adjust, 0), std::nullopt);
    EXPECT_EQ(guest_time(), clock_.time);
    EXPECT_EQ(peek<SystemTime>(page).version, 6u);
}

TEST_F(KvmClock, MemoryGivenBackIsLeftAlone) {
    ASSERT_EQ(write(msr::kvm_system_time, page | enabled), std::nullopt);
    ASSERT_EQ(write(msr::kvm_system_time, 0), std::nullopt);
    std::memset(memory_->page({page}), 0xaa, page_size);
    ASSERT_EQ(write(msr::kvm_system_time, page), std::nullopt) << "not enabled";
    ASSERT_EQ(write(msr::time_stamp_counter, 0), std::nullopt);
    EXPECT_EQ(peek<u64>(page), 0xaaaaaaaaaaaaaaaau);
    // So does a processor that is started again.
    ASSERT_EQ(write(msr::kvm_system_time, page | enabled), std::nullopt);
    vcpu_.reset_by_init();
    std::memset(memory_->page({page}), 0xaa, page_size);
    EXPECT_EQ(read_msr(vcpu_, msr::kvm_system_time), 0u);
    ASSERT_EQ(write(msr::time_stamp_counter, 0), std::nullopt);
    EXPECT_EQ(peek<u64>(page), 0xaaaaaaaaaaaaaaaau);
}

TEST_F(KvmClock, WhatLiesThereBeforeIsNoVersion) {
    std::memset(memory_->page({page}), 0xff, page_size);
    ASSERT_EQ(write(msr::kvm_system_time, page | enabled), std::nullopt);
    EXPECT_EQ(peek<SystemTime>(page).version, 2u) << "0xffffffff counts as being changed";
    EXPECT_EQ(peek<SystemTime>(page).reserved0, 0u);
    EXPECT_EQ(peek<u8>(page + 32), 0xffu) << "the answer has 32 bytes";
    // Anywhere, across a page as well.
    const u64 across = page + page_size - 12;
    clock_.time = 42;
    ASSERT_EQ(write(msr::kvm_system_time, across | enabled), std::nullopt);
    EXPECT_EQ(guest_time(across), 42u);
}

TEST_F(KvmClock, NoMemoryNoAnswer) {
    for (const u64 nowhere : {u64{0xfee00000}, ram_size, ram_size - 8, u64{1} << 45, ~u64{7}}) {
        EXPECT_EQ(write(msr::kvm_system_time, nowhere | enabled), std::nullopt) << std::hex << nowhere;
        EXPECT_EQ(read_msr(vcpu_, msr::kvm_system_time), nowhere | enabled);
        EXPECT_EQ(write(msr::kvm_wall_clock, nowhere), std::nullopt);
    }
    EXPECT_EQ(peek<u64>(ram_size - 8), 0u) << "not half of it";
}

TEST_F(KvmClock, TheWallClockIsWhenVirtualTimeBegan) {
    clock_.time = 99'000'000'000;
    ASSERT_EQ(write(msr::kvm_wall_clock, page), std::nullopt);
    EXPECT_EQ(read_msr(vcpu_, msr::kvm_wall_clock), page);
    const auto wall = peek<WallClock>(page);
    EXPECT_EQ(wall.version, 2u);
    EXPECT_EQ(wall.seconds, 1'735'689'598u);
    EXPECT_EQ(wall.nanoseconds, 700'000'000u);
    // Address 0 is none.
    poke<u64>(0, 0x1234);
    ASSERT_EQ(write(msr::kvm_wall_clock, 0), std::nullopt);
    EXPECT_EQ(peek<u64>(0), 0x1234u);
}

TEST_F(KvmClock, TheOldRegistersAreNotThere) {
    for (const u32 old : {0x11u, 0x12u}) EXPECT_EQ(write(old, page | enabled), gp());
    EXPECT_EQ(write(0x4b564d02, 0), gp()) << "asynchronous page faults";
}

}  // namespace
}  // namespace softmetal::testing
