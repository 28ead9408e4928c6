// How a debugger's breakpoints and watchpoints keep pages out of the TLB, and how accesses there are noticed.
#include "machine_fixture.hpp"

namespace softmetal::testing {
namespace {

using Trigger = Watchpoint::Trigger;
constexpr auto any = Privilege::supervisor_any;
constexpr u64 watched = 0x50010;

class DebuggerPortTest : public MachineTest {
 protected:
    void SetUp() override { enter_long_mode(); }
    void watch(Trigger trigger, u64 size = 4) {
        EXPECT_TRUE(vcpu_.debugger.set({}, {{watched, size, trigger}}));
        vcpu_.mmu.rights_changed();
    }
    bool stops() {
        const bool stopped = vcpu_.debugger.stop().has_value();
        vcpu_.debugger.clear_stop();
        vcpu_.block.attention = 0;
        return stopped;
    }
};

TEST_F(DebuggerPortTest, APageThatIsWatchedIsNotInTheTlb) {
    (void)vcpu_.linear.read<u8>({watched}, any);
    EXPECT_NE(vcpu_.linear.in_place({watched}, 1, Access::write, any), nullptr);
    watch(Trigger::write);
    EXPECT_EQ(vcpu_.linear.in_place({watched + 0x800}, 1, Access::read, any), nullptr);
    EXPECT_NE(vcpu_.linear.in_place({watched + page_size}, 1, Access::read, any), nullptr);
    EXPECT_TRUE(vcpu_.debugger.set({}, {}));
    EXPECT_NE(vcpu_.linear.in_place({watched}, 1, Access::write, any), nullptr);
}

TEST_F(DebuggerPortTest, TheSameSetAgainIsNoChange) {
    EXPECT_TRUE(vcpu_.debugger.set({2, 1}, {}));
    EXPECT_FALSE(vcpu_.debugger.set({1, 2}, {}));
    EXPECT_TRUE(vcpu_.debugger.set({1}, {}));
}

TEST_F(DebuggerPortTest, WritesThatTouchTheBytesStop) {
    watch(Trigger::write);
    vcpu_.linear.write<u32>({watched - 4}, 1, any);
    vcpu_.linear.write<u32>({watched + 4}, 1, any);
    EXPECT_FALSE(stops());
    vcpu_.linear.write<u32>({watched - 3}, 1, any);
    EXPECT_TRUE(vcpu_.block.attention & attention::debugger);
    EXPECT_TRUE(stops());
    vcpu_.linear.write<u8>({watched + 3}, 1, any);
    EXPECT_TRUE(stops());
    const std::array<std::byte, 64> bytes{};
    vcpu_.linear.write_bytes({watched - 64}, bytes, any);
    EXPECT_FALSE(stops());
    vcpu_.linear.write_bytes({watched - 40}, bytes, any);
    EXPECT_TRUE(stops());
    (void)vcpu_.linear.read<u32>({watched}, any);
    EXPECT_FALSE(stops());
}

TEST_F(DebuggerPortTest, ReadsStopWhereReadsAreWatched) {
    watch(Trigger::read);
    (void)vcpu_.linear.read<u64>({watched - 7}, any);
    EXPECT_TRUE(stops());
    vcpu_.linear.write<u32>({watched}, 1, any);
    EXPECT_FALSE(stops());
    watch(Trigger::access);
    (void)vcpu_.linear.read<u8>({watched}, any);
    EXPECT_TRUE(stops());
    vcpu_.linear.write<u8>({watched}, 1, any);
    EXPECT_TRUE(stops());
}

TEST_F(DebuggerPortTest, AWatchpointOverTwoPagesKeepsBothOut) {
    EXPECT_TRUE(vcpu_.debugger.set({}, {{0x50ffc, 8, Trigger::write}}));
    vcpu_.mmu.rights_changed();
    EXPECT_EQ(vcpu_.linear.in_place({0x50000}, 1, Access::read, any), nullptr);
    EXPECT_EQ(vcpu_.linear.in_place({0x51fff}, 1, Access::read, any), nullptr);
    EXPECT_NE(vcpu_.linear.in_place({0x52000}, 1, Access::read, any), nullptr);
    vcpu_.linear.write<u64>({0x50ff8}, 1, any);
    EXPECT_TRUE(stops());
    vcpu_.linear.write<u64>({0x50ffe}, 1, any);
    EXPECT_TRUE(stops());
}

TEST_F(DebuggerPortTest, AnAccessThatFaultsDoesNotStop) {
    map(0x7f0000001000, 0x200000, x86::pte::present | x86::pte::user);
    vcpu_.mmu.flush_all();
    EXPECT_TRUE(vcpu_.debugger.set({}, {{0x7f0000001000, 8, Trigger::write}}));
    EXPECT_EQ(raised_by([&] { vcpu_.linear.write<u8>({0x7f0000001000}, 1, Privilege::user); }), pf(7));
    EXPECT_FALSE(stops());
}

TEST_F(DebuggerPortTest, PeekSeesWhatIsMappedAndLeavesNoTrace) {
    const u64 entry =
        map(0x7f0000001000, 0x200000, x86::pte::present);  // supervisor, read-only, not accessed
    const u64 before = peek(entry);
    EXPECT_EQ(vcpu_.mmu.peek({0x7f0000001234}), GuestPhysical{0x200234});
    EXPECT_EQ(peek(entry), before);
    EXPECT_FALSE(vcpu_.mmu.peek({0x7f0000002000}));
    EXPECT_FALSE(vcpu_.mmu.peek({0x8000'0000'0000'0000}));
}

TEST_F(DebuggerPortTest, PeekWithoutPagingIsTheIdentity) {
    enter_protected_mode();
    EXPECT_EQ(vcpu_.mmu.peek({0x1'0000'1234}), GuestPhysical{0x1234});
}

}  // namespace
}  // namespace softmetal::testing
