#include "machine_fixture.hpp"

namespace softmetal::testing {
namespace {

namespace pte = x86::pte;
constexpr u64 rw_user = pte::present | pte::writable | pte::user;
constexpr u32 p_bit = 1, w_bit = 2, u_bit = 4, rsvd_bit = 8, fetch_bit = 16;

class MmuTest : public MachineTest {
 protected:
    std::optional<Raised> access(u64 linear, Access kind, Privilege p) {
        const auto result = vcpu_.mmu.translate({linear}, kind, p);
        if (result) return std::nullopt;
        return Raised{result.error().vector, result.error().error_code};
    }
    u64 physical(u64 linear) {
        return vcpu_.mmu.translate({linear}, Access::read, Privilege::supervisor_any).value().physical.value;
    }
};

TEST_F(MmuTest, WithoutPagingAddressesAreTheirOwn) {
    EXPECT_EQ(physical(0x12345), 0x12345u);
    EXPECT_EQ(physical(0xfee00010), 0xfee00010u);
}

TEST_F(MmuTest, TheA20GateClearsBit20) {
    vcpu_.mmu.set_address_mask(~bit(20));
    EXPECT_EQ(physical(0x112345), 0x12345u);
    EXPECT_EQ(physical(0x312345), 0x212345u);
    vcpu_.mmu.set_address_mask(~u64{0});
    EXPECT_EQ(physical(0x112345), 0x112345u);
    enter_long_mode();
    map(0x7f0000001000, 0x300000, rw_user);
    EXPECT_EQ(physical(0x7f0000001abc), 0x300abcu);
    // The paging structures' addresses lose the bit too: copies of them lie there.
    for (u64 a = 0; a < next_table_ - page_tables; a += page_size)
        std::memcpy(memory_->page({(page_tables + a) & ~bit(20)}), memory_->page({page_tables + a}),
                    page_size);
    vcpu_.mmu.set_address_mask(~bit(20));
    EXPECT_EQ(physical(0x7f0000001abc), 0x200abcu) << "the TLB has forgotten the other address";
}

TEST_F(MmuTest, FourLevelWalkFindsPagesOfAllSizes) {
    enter_long_mode();
    map(0x7f0000001000, 0x200000, rw_user);
    map(0xffff800000200000, 0x400000, rw_user, 2);
    map(0xffff900000000000, 0, rw_user, 3);
    EXPECT_EQ(physical(0x7f0000001abc), 0x200abcu);
    EXPECT_EQ(physical(0xffff800000212345), 0x412345u);
    EXPECT_EQ(physical(0xffff900000654321), 0x654321u);
}

TEST_F(MmuTest, ErrorCodesSayWhatWasWrong) {
    enter_long_mode();
    const u64 a = 0x7f0000001000;
    EXPECT_EQ(access(a, Access::read, Privilege::user), pf(u_bit));
    EXPECT_EQ(access(a, Access::write, Privilege::supervisor), pf(w_bit));
    EXPECT_EQ(access(a, Access::execute, Privilege::user), pf(u_bit | fetch_bit));
    map(a, 0x200000, pte::present | pte::no_execute);
    EXPECT_EQ(access(a, Access::read, Privilege::user), pf(p_bit | u_bit));
    EXPECT_EQ(access(a, Access::write, Privilege::user), pf(p_bit | w_bit | u_bit));
    EXPECT_EQ(access(a, Access::execute, Privilege::supervisor), pf(p_bit | fetch_bit));
    EXPECT_EQ(access(a, Access::write, Privilege::supervisor), pf(p_bit | w_bit));
    EXPECT_EQ(access(a, Access::read, Privilege::supervisor), std::nullopt);
    state().cr0 &= ~x86::cr0::wp;
    EXPECT_EQ(access(a, Access::write, Privilege::supervisor), std::nullopt);
}

TEST_F(MmuTest, FaultingAddressGoesToCr2) {
    enter_long_mode();
    const auto r = vcpu_.mmu.translate({0x7f0000001234}, Access::read, Privilege::user);
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().cr2, 0x7f0000001234u);
}

TEST_F(MmuTest, ReservedBitsFault) {
    enter_long_mode();
    const u64 a = 0x7f0000001000;
    const u64 leaf = map(a, 0x200000, rw_user | bit(46));
    EXPECT_EQ(access(a, Access::read, Privilege::user), pf(p_bit | u_bit | rsvd_bit));
    poke(leaf, 0x200000 | rw_user | bit(52));  // ignored
    EXPECT_EQ(access(a, Access::read, Privilege::user), std::nullopt);
    map(0xffff800000200000, 0x400000 | bit(13), rw_user, 2);
    EXPECT_EQ(access(0xffff800000200000, Access::write, Privilege::supervisor), pf(p_bit | w_bit | rsvd_bit));
    state().efer &= ~x86::efer::nxe;
    vcpu_.mmu.flush_all();
    map(a, 0x200000, rw_user | pte::no_execute);
    EXPECT_EQ(access(a, Access::read, Privilege::user), pf(p_bit | u_bit | rsvd_bit));
}

TEST_F(MmuTest, NonCanonicalAddressesAreGeneralProtectionFaults) {
    enter_long_mode();
    EXPECT_EQ(access(u64{1} << 47, Access::read, Privilege::user), gp());
}

TEST_F(MmuTest, SmepAndSmap) {
    enter_long_mode();
    map(0x7f0000001000, 0x200000, rw_user);
    state().cr4 |= x86::cr4::smep | x86::cr4::smap;
    EXPECT_EQ(access(0x7f0000001000, Access::execute, Privilege::supervisor), pf(p_bit | fetch_bit));
    EXPECT_EQ(access(0x7f0000001000, Access::read, Privilege::supervisor), pf(p_bit));
    EXPECT_EQ(access(0x7f0000001000, Access::read, Privilege::supervisor_any), std::nullopt);
    EXPECT_EQ(vcpu_.mmu.data_privilege(), Privilege::supervisor);
    state().rflags |= x86::flags::ac;
    EXPECT_EQ(vcpu_.mmu.data_privilege(), Privilege::supervisor_any);
    EXPECT_EQ(vcpu_.mmu.system_privilege(), Privilege::supervisor);
}

TEST_F(MmuTest, AccessedAndDirtyBitsAreSet) {
    enter_long_mode();
    const u64 leaf = map(0x7f0000001000, 0x200000, rw_user);
    const u64 top = (state().cr3 & page_mask) + (0x7f0000001000 >> 39) * 8;
    EXPECT_EQ(peek(top) & pte::accessed, 0u);
    ASSERT_EQ(access(0x7f0000001000, Access::read, Privilege::user), std::nullopt);
    EXPECT_EQ(peek(leaf) & (pte::accessed | pte::dirty), pte::accessed);
    EXPECT_EQ(peek(top) & pte::accessed, pte::accessed);
    ASSERT_EQ(access(0x7f0000001000, Access::write, Privilege::user), std::nullopt);
    EXPECT_EQ(peek(leaf) & pte::dirty, pte::dirty);
    EXPECT_EQ(peek(top) & pte::dirty, 0u);
}

TEST_F(MmuTest, DeniedWriteLeavesDirtyClear) {
    enter_long_mode();
    const u64 leaf = map(0x7f0000001000, 0x200000, pte::present | pte::user);
    EXPECT_EQ(access(0x7f0000001000, Access::write, Privilege::user), pf(p_bit | w_bit | u_bit));
    EXPECT_EQ(peek(leaf) & (pte::accessed | pte::dirty), 0u);
}

TEST_F(MmuTest, ThirtyTwoBitPagingWithLargePages) {
    enter_protected_mode();
    const u64 directory = new_table(), table = new_table();
    state().cr3 = directory;
    state().cr4 = x86::cr4::pse;
    state().cr0 |= x86::cr0::pg;
    vcpu_.mmu.flush_all();
    poke<u32>(directory + 4, static_cast<u32>(table | rw_user));
    poke<u32>(table + 8, static_cast<u32>(0x5000 | rw_user));
    poke<u32>(directory + 8, static_cast<u32>(0x400000 | rw_user | pte::large));
    poke<u32>(directory + 12, static_cast<u32>(0x400000 | rw_user | pte::large | 1u << 13));  // PSE-36
    poke<u32>(directory + 16, static_cast<u32>(0x400000 | rw_user | pte::large | 1u << 21));
    EXPECT_EQ(physical(0x402345), 0x5345u);
    EXPECT_EQ(physical(0x8abcde), 0x4abcdeu);
    EXPECT_EQ(physical(0xc00000), 0x100400000u);
    EXPECT_EQ(access(0x1000000, Access::read, Privilege::user), pf(p_bit | u_bit | rsvd_bit));
    EXPECT_EQ(peek<u32>(table + 8) & pte::accessed, pte::accessed);
    // Without NX or SMEP, a fetch is not marked as one.
    EXPECT_EQ(access(0x1400000, Access::execute, Privilege::user), pf(u_bit));
}

TEST_F(MmuTest, PaePagingThroughItsPointerRegisters) {
    enter_protected_mode();
    const u64 pointers = new_table() + 0x20, directory = new_table(), table = new_table();
    poke(pointers + 8, directory | pte::present);
    poke(directory, table | rw_user);
    poke(directory + 8, 0x200000 | rw_user | pte::large);
    poke(table + 8, 0x6000 | rw_user | pte::no_execute);
    state().cr4 = x86::cr4::pae;
    state().efer = x86::efer::nxe;
    state().cr3 = pointers;
    write_control_register(vcpu_, 0, state().cr0 | x86::cr0::pg);
    EXPECT_EQ(physical(0x40001123), 0x6123u);
    EXPECT_EQ(physical(0x40212345), 0x212345u);
    EXPECT_EQ(access(0x40001000, Access::execute, Privilege::user), pf(p_bit | u_bit | fetch_bit));
    EXPECT_EQ(access(0x1000, Access::read, Privilege::user), pf(u_bit));
    // A bad pointer register refuses the load and keeps the old ones.
    poke(pointers, directory | pte::present | pte::writable);
    EXPECT_EQ(raised_by([&] { write_control_register(vcpu_, 3, pointers); }), gp());
    EXPECT_EQ(physical(0x40001123), 0x6123u);
}

// --- the TLBs

TEST_F(MmuTest, FillEntersReadsAndCleanWritesSeparately) {
    enter_long_mode();
    const GuestLinear a{0x7f0000001008};
    map(a.value, 0x200000, rw_user);
    const auto user = static_cast<unsigned>(Privilege::user);
    ASSERT_TRUE(vcpu_.mmu.fill(a, Access::read, Privilege::user));
    EXPECT_EQ(vcpu_.block.tlb.read[user].find(a, 8), memory_->pointer({0x200008}));
    EXPECT_EQ(vcpu_.block.tlb.write[user].find(a, 8), nullptr);
    EXPECT_EQ(vcpu_.mmu.fill(a, Access::write, Privilege::user)->host, memory_->pointer({0x200008}));
    EXPECT_EQ(vcpu_.block.tlb.write[user].find(a, 8), memory_->pointer({0x200008}));
    EXPECT_EQ(vcpu_.block.tlb.write[user].find({a.page() + 4092}, 8), nullptr);  // straddles
    EXPECT_EQ(vcpu_.block.tlb.read[static_cast<unsigned>(Privilege::supervisor)].find(a, 8), nullptr);
}

TEST_F(MmuTest, CodePagesAreNeverWritableInTheTlb) {
    enter_long_mode();
    const GuestLinear a{0x7f0000001000};
    map(a.value, 0x200000, rw_user);
    const auto user = static_cast<unsigned>(Privilege::user);
    ASSERT_TRUE(vcpu_.mmu.fill(a, Access::write, Privilege::user));
    memory_->mark_code({0x200000}, 0);
    vcpu_.mmu.revoke_write({0x200000});
    EXPECT_EQ(vcpu_.block.tlb.write[user].find(a, 1), nullptr);
    EXPECT_NE(vcpu_.block.tlb.read[user].find(a, 1), nullptr);
    EXPECT_EQ(vcpu_.mmu.fill(a, Access::write, Privilege::user)->host, nullptr);
    EXPECT_EQ(vcpu_.block.tlb.write[user].find(a, 1), nullptr);
}

TEST_F(MmuTest, InvalidatePageForgetsOnePage) {
    enter_long_mode();
    map(0x7f0000001000, 0x200000, rw_user);
    map(0x7f0000002000, 0x201000, rw_user);
    EXPECT_EQ(physical(0x7f0000001000), 0x200000u);
    EXPECT_EQ(physical(0x7f0000002000), 0x201000u);
    map(0x7f0000001000, 0x300000, rw_user);
    map(0x7f0000002000, 0x301000, rw_user);
    EXPECT_EQ(physical(0x7f0000001000), 0x200000u);  // still cached
    vcpu_.mmu.invalidate_page(GuestLinear{0x7f0000001fff});
    EXPECT_EQ(physical(0x7f0000001000), 0x300000u);
    EXPECT_EQ(physical(0x7f0000002000), 0x201000u);
}

TEST_F(MmuTest, InvalidatePageForgetsAllPiecesOfALargePage) {
    enter_long_mode();
    const auto any = static_cast<unsigned>(Privilege::supervisor_any);
    for (const unsigned level : {2u, 3u}) {
        const u64 base = level == 2 ? 0xffff800000200000 : 0xffff900000000000;
        const u64 far_off = level == 2 ? 0x1ff000 : 0x6ff000;
        map(base, 0, rw_user, level);
        ASSERT_TRUE(vcpu_.mmu.fill({base + far_off}, Access::read, Privilege::supervisor_any));
        map(base, 0, 0, level);
        vcpu_.mmu.invalidate_page(GuestLinear{base});
        EXPECT_EQ(vcpu_.block.tlb.read[any].find({base + far_off}, 1), nullptr);
        EXPECT_EQ(access(base + far_off, Access::read, Privilege::supervisor), pf(0));
    }
}

TEST_F(MmuTest, GlobalPagesSurviveAnAddressSpaceSwitch) {
    enter_long_mode();
    state().cr4 |= x86::cr4::pge;
    map(0xffff800000001000, 0x200000, rw_user | pte::global);
    map(0x7f0000001000, 0x200000, rw_user);
    EXPECT_EQ(physical(0xffff800000001000), 0x200000u);
    EXPECT_EQ(physical(0x7f0000001000), 0x200000u);
    map(0xffff800000001000, 0x300000, rw_user | pte::global);
    map(0x7f0000001000, 0x300000, rw_user);
    write_control_register(vcpu_, 3, state().cr3);
    EXPECT_EQ(physical(0xffff800000001000), 0x200000u);
    EXPECT_EQ(physical(0x7f0000001000), 0x300000u);
    write_control_register(vcpu_, 4, state().cr4 & ~x86::cr4::pge);
    EXPECT_EQ(physical(0xffff800000001000), 0x300000u);
}

class PcidTest : public MmuTest {
 protected:
    static constexpr u64 page = 0x7f0000001000;
    void SetUp() override {
        enter_long_mode();
        write_control_register(vcpu_, 4, state().cr4 | x86::cr4::pcide);
        tables_ = state().cr3;
        map(page, 0x200000, rw_user);
    }
    void switch_to(u64 pcid, bool keep) {
        write_control_register(vcpu_, 3, tables_ | pcid | (keep ? x86::cr3::no_flush : 0));
    }
    u64 tables_ = 0;
};

TEST_F(PcidTest, TranslationsAreKeptPerAddressSpace) {
    switch_to(1, false);
    EXPECT_EQ(physical(page), 0x200000u);
    map(page, 0x300000, rw_user);
    switch_to(2, false);
    EXPECT_EQ(physical(page), 0x300000u);
    switch_to(1, true);
    EXPECT_EQ(physical(page), 0x200000u);
    EXPECT_EQ(state().cr3 & x86::cr3::no_flush, 0u);
    switch_to(1, false);
    EXPECT_EQ(physical(page), 0x300000u);
}

TEST_F(PcidTest, InvpcidReachesOtherAddressSpaces) {
    switch_to(1, false);
    EXPECT_EQ(physical(page), 0x200000u);
    map(page, 0x300000, rw_user);
    switch_to(2, false);
    invalidate_pcid(vcpu_, 0, 1, page);
    switch_to(1, true);
    EXPECT_EQ(physical(page), 0x300000u);
    map(page, 0x200000, rw_user);
    switch_to(2, true);
    invalidate_pcid(vcpu_, 1, 1, 0);
    switch_to(1, true);
    EXPECT_EQ(physical(page), 0x200000u);
    map(page, 0x300000, rw_user);
    invalidate_pcid(vcpu_, 3, 0, 0);
    EXPECT_EQ(physical(page), 0x300000u);
    EXPECT_EQ(raised_by([&] { invalidate_pcid(vcpu_, 4, 0, 0); }), gp());
    EXPECT_EQ(raised_by([&] { invalidate_pcid(vcpu_, 1, 0x1000, 0); }), gp());
    EXPECT_EQ(raised_by([&] { invalidate_pcid(vcpu_, 0, 1, u64{1} << 60); }), gp());
}

struct RecordingObserver final : TlbFlushObserver {
    std::vector<std::string> seen;
    void tlb_flushed(bool global_too, u64) override { seen.push_back(global_too ? "all" : "local"); }
    void tlb_page_invalidated(GuestLinear, bool code) override { seen.push_back(code ? "page" : "data"); }
};

TEST_F(PcidTest, ObserversHearOfEveryFlush) {
    RecordingObserver observer;
    vcpu_.mmu.observe_flushes(&observer);
    switch_to(1, true);
    vcpu_.mmu.invalidate_page(GuestLinear{page});
    vcpu_.mmu.flush_all();
    EXPECT_EQ(observer.seen, (std::vector<std::string>{"local", "page", "all"}));
    switch_to(1, true);  // where it already is: nothing to flush
    EXPECT_EQ(observer.seen.size(), 3u);
}

TEST(SecondLevelTlbTest, ContextNumbersMayRunOut) {
    SecondLevelTlb tlb;
    const GuestLinear a{0xffff800000003000};
    tlb.insert(a, {0x5000 | PageMapping::global});
    // 28 bits of numbers: enough flushes to use them all up.
    for (u32 i = 0; i < (1u << 28) + 10; i++) {
        tlb.flush_pcid(0);
        if (i % (1u << 24) == 0) {
            EXPECT_EQ(tlb.find({0x1000}), nullptr);
            tlb.insert({0x1000}, {u64{i} << 12});
            ASSERT_NE(tlb.find({0x1000}), nullptr);
        }
    }
    EXPECT_EQ(tlb.find({0x1000}), nullptr);
}

}  // namespace
}  // namespace softmetal::testing
