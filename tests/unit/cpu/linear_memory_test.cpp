#include "machine_fixture.hpp"

namespace softmetal::testing {
namespace {

constexpr u64 rw_user = x86::pte::present | x86::pte::writable | x86::pte::user;
constexpr auto any = Privilege::supervisor_any;

struct RecordingCodeObserver final : CodeWriteObserver {
    std::vector<std::pair<u64, u64>> writes;
    void code_about_to_change(GuestPhysical address, u64 size, u64) override {
        writes.emplace_back(address.value, size);
    }
};

class LinearMemoryTest : public MachineTest {
 protected:
    void SetUp() override { enter_long_mode(); }
};

TEST_F(LinearMemoryTest, ValuesOfAllWidths) {
    vcpu_.linear.write<u64>({0x50000}, 0x1122334455667788, any);
    EXPECT_EQ(vcpu_.linear.read<u8>({0x50000}, any), 0x88);
    EXPECT_EQ(vcpu_.linear.read<u16>({0x50002}, any), 0x5566);
    EXPECT_EQ(vcpu_.linear.read<u32>({0x50004}, any), 0x11223344u);
}

TEST_F(LinearMemoryTest, ShadowingSeparatesReadsFromWrites) {
    std::vector<std::byte> image(page_size * 16, std::byte{0xf1});
    ASSERT_TRUE(memory_->install_firmware(image));
    const auto set = [&](bool reads, bool writes) {
        memory_->shadow(0xf0000, 0x10000, reads, writes);
        vcpu_.memory_map_changed();
        ASSERT_TRUE(take_pending_event(vcpu_));
    };
    const auto byte = [&] { return vcpu_.linear.read<u8>({0xf0123}, any); };
    set(true, true);
    vcpu_.linear.write<u8>({0xf0123}, 1, any);
    EXPECT_EQ(byte(), 1);
    set(false, true);  // copying firmware to where it lies
    EXPECT_EQ(byte(), 0xf1);
    vcpu_.linear.write<u8>({0xf0123}, 2, any);
    EXPECT_EQ(byte(), 0xf1);
    EXPECT_EQ(vcpu_.linear.in_place({0xf0123}, 1, Access::write, any), nullptr);
    set(true, false);
    EXPECT_EQ(byte(), 2);
    vcpu_.linear.write<u8>({0xf0123}, 3, any);
    std::array<std::byte, 2> many{};
    vcpu_.linear.write_bytes({0xf0123}, many, any);
    EXPECT_EQ(byte(), 2);
    map(0xffff0000, 0xffff0000, rw_user);
    EXPECT_EQ(vcpu_.linear.read<u8>({0xffff0123}, any), 0xf1);
    vcpu_.linear.write<u8>({0xffff0123}, 3, any);
    EXPECT_EQ(vcpu_.linear.read<u8>({0xffff0123}, any), 0xf1);
}

TEST_F(LinearMemoryTest, StraddlesGoToBothPages) {
    map(0x7f0000001000, 0x200000, rw_user);
    map(0x7f0000002000, 0x300000, rw_user);
    vcpu_.linear.write<u64>({0x7f0000001ffd}, 0x1122334455667788, Privilege::user);
    EXPECT_EQ(peek<u8>(0x200fff), 0x66);
    EXPECT_EQ(peek<u32>(0x300000), 0x22334455u);
    EXPECT_EQ(vcpu_.linear.read<u64>({0x7f0000001ffd}, Privilege::user), 0x1122334455667788u);
}

TEST_F(LinearMemoryTest, NothingIsWrittenWhereTheSecondPageFaults) {
    map(0x7f0000001000, 0x200000, rw_user);
    EXPECT_EQ(raised_by([&] { vcpu_.linear.write<u64>({0x7f0000001ffd}, ~u64{0}, Privilege::user); }), pf(6));
    EXPECT_EQ(peek<u8>(0x200fff), 0);
    std::array<std::byte, 9000> bytes{};
    bytes.fill(std::byte{1});
    map(0x7f0000002000, 0x201000, rw_user);
    EXPECT_EQ(raised_by([&] { vcpu_.linear.write_bytes({0x7f0000001ffd}, bytes, Privilege::user); }), pf(6));
    EXPECT_EQ(peek<u8>(0x200fff), 0);
    EXPECT_EQ(peek<u8>(0x201000), 0);
}

TEST_F(LinearMemoryTest, BytesAcrossManyPages) {
    std::array<std::byte, 9000> out{}, in{};
    for (unsigned i = 0; i < out.size(); i++) out[i] = static_cast<std::byte>(i * 7);
    vcpu_.linear.write_bytes({0x50ffd}, out, any);
    vcpu_.linear.read_bytes({0x50ffd}, in, any);
    EXPECT_EQ(in, out);
}

TEST_F(LinearMemoryTest, DevicesSeeTheGuestsWidth) {
    FakeDevice device;
    ASSERT_TRUE(mmio_.attach({0xd0000000, 0x1000}, device));
    map(0xffff800000001000, 0xd0000000, rw_user);
    EXPECT_EQ(vcpu_.linear.read<u32>({0xffff800000001010}, any), 0x10u);
    vcpu_.linear.write<u16>({0xffff800000001022}, 0xabcd, any);
    std::array<std::byte, 7> bytes{};
    vcpu_.linear.write_bytes({0xffff800000001031}, bytes, any);
    EXPECT_EQ(device.reads, (std::vector<FakeDevice::Access>{{0x10, 4, 0}}));
    EXPECT_EQ(device.writes,
              (std::vector<FakeDevice::Access>{{0x22, 2, 0xabcd}, {0x31, 1, 0}, {0x32, 2, 0}, {0x34, 4, 0}}));
    EXPECT_EQ(vcpu_.linear.in_place({0xffff800000001010}, 4, Access::read, any), nullptr);
}

TEST_F(LinearMemoryTest, TheLocalApicAnswersItsPage) {
    map(0xffff800000001000, 0xfee00000, rw_user);
    EXPECT_EQ(vcpu_.linear.read<u32>({0xffff800000001020}, any), 0xa0000020u);
    EXPECT_EQ(vcpu_.linear.read<u8>({0xffff800000001023}, any), 0xa0);
    vcpu_.linear.write<u32>({0xffff8000000010b0}, 5, any);
    EXPECT_EQ(apic_.last_offset, 0xb0u);
    EXPECT_EQ(apic_.last_value, 5u);
    apic_.base_value = 0xfee00000;  // disabled: nobody answers
    EXPECT_EQ(vcpu_.linear.read<u32>({0xffff800000001020}, any), 0xffffffffu);
}

TEST_F(LinearMemoryTest, WritesToCodePagesAreAnnounced) {
    RecordingCodeObserver observer;
    memory_->observe_code_writes(&observer);
    memory_->mark_code({0x50000}, 0);
    EXPECT_EQ(vcpu_.linear.in_place({0x50010}, 4, Access::write, any), nullptr);
    vcpu_.linear.write<u32>({0x50010}, 0x1234, any);
    EXPECT_EQ(observer.writes, (std::vector<std::pair<u64, u64>>{{0x50010, 4}}));
    EXPECT_EQ(peek<u32>(0x50010), 0x1234u);
}

TEST_F(LinearMemoryTest, PageTablesInCodePagesAreAnnouncedToo) {
    RecordingCodeObserver observer;
    memory_->observe_code_writes(&observer);
    const u64 leaf = map(0x7f0000001000, 0x200000, rw_user);
    memory_->mark_code({leaf}, 0);
    static_cast<void>(vcpu_.linear.read<u8>({0x7f0000001000}, any));
    ASSERT_EQ(observer.writes.size(), 1u);
    EXPECT_EQ(observer.writes[0].first, leaf);
}

TEST_F(LinearMemoryTest, OfTwoMissingPagesTheFirstIsReported) {
    std::array<std::byte, 4> bytes{};
    constexpr u64 missing = 0x7f0000003ffe;
    try {
        vcpu_.linear.read_bytes({missing}, bytes, Privilege::user);
        FAIL() << "no page fault";
    } catch (const GuestException& e) {
        EXPECT_EQ(e.cr2, missing);
    }
}

TEST_F(LinearMemoryTest, ProbeSetsDirtyWithoutWriting) {
    const u64 leaf = map(0x7f0000001000, 0x200000, rw_user);
    vcpu_.linear.probe_write({0x7f0000001ff0}, 16, Privilege::user);
    EXPECT_TRUE(peek(leaf) & x86::pte::dirty);
    EXPECT_EQ(raised_by([&] { vcpu_.linear.probe_write({0x7f0000001ff0}, 17, Privilege::user); }), pf(6));
}

}  // namespace
}  // namespace softmetal::testing
