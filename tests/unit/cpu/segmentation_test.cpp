#include "machine_fixture.hpp"

namespace softmetal::testing {
namespace {

using x86::Segment;
using x86::Vector;

class SegmentationTest : public MachineTest {
 protected:
    void SetUp() override { enter_protected_mode(); }
};

TEST_F(SegmentationTest, DescriptorFields) {
    const Descriptor d{.low = descriptor(0x12345678, 0xabcde, 0xc0fb)};
    EXPECT_EQ(d.base(), 0x12345678u);
    EXPECT_EQ(d.limit(), 0xabcdefffu);
    EXPECT_EQ(d.attributes(), 0xc0fbu);
    EXPECT_EQ(Descriptor{.low = descriptor(0, 0xabcde, 0x00fb)}.limit(), 0xabcdeu);
}

TEST_F(SegmentationTest, LoadMarksAccessed) {
    set_descriptor(0x60, descriptor(0x1000, 0xfff, 0x0092));
    load_segment(vcpu_, Segment::ds, 0x60);
    EXPECT_EQ(seg(Segment::ds).base, 0x1000u);
    EXPECT_EQ(seg(Segment::ds).limit, 0xfffu);
    EXPECT_TRUE(peek(gdt + 0x60) >> 40 & 1);
}

TEST_F(SegmentationTest, DataSegmentChecks) {
    const auto load = [&](u16 selector) {
        return raised_by([&] { load_segment(vcpu_, Segment::ds, selector); });
    };
    EXPECT_EQ(load(0), std::nullopt);
    EXPECT_FALSE(seg(Segment::ds).usable());
    EXPECT_EQ(load(0x100), gp(0x100));
    EXPECT_EQ(load(task), gp(task));
    set_descriptor(0x60, descriptor(0, 0xfff, 0x0099));  // execute-only code
    EXPECT_EQ(load(0x60), gp(0x60));
    set_descriptor(0x60, descriptor(0, 0xfff, 0x0012));
    EXPECT_EQ(load(0x60), (Raised{Vector::segment_not_present, 0x60}));
    EXPECT_EQ(load(kernel_data | 3), gp(kernel_data));  // RPL weaker than DPL
    use(user_code32, user_data);
    EXPECT_EQ(load(kernel_data), gp(kernel_data));
    EXPECT_EQ(load(user_data), std::nullopt);
}

TEST_F(SegmentationTest, StackSegmentChecks) {
    const auto load = [&](u16 selector) {
        return raised_by([&] { load_segment(vcpu_, Segment::ss, selector); });
    };
    EXPECT_EQ(load(0), gp());
    EXPECT_EQ(load(code32), gp(code32));
    EXPECT_EQ(load(user_data), gp(user_data & ~3u));
    set_descriptor(0x60, descriptor(0, 0xfff, 0x0012));
    EXPECT_EQ(load(0x60), (Raised{Vector::stack_fault, 0x60}));
    EXPECT_EQ(load(kernel_data), std::nullopt);
}

TEST_F(SegmentationTest, NullStackSegmentInLongModeKeepsTheLevel) {
    enter_long_mode();
    load_segment(vcpu_, Segment::ss, 0);
    EXPECT_FALSE(seg(Segment::ss).usable());
    EXPECT_EQ(state().cpl(), 0u);
    use(user_code64, user_data);
    EXPECT_EQ(raised_by([&] { load_segment(vcpu_, Segment::ss, 3); }), gp());
}

TEST_F(SegmentationTest, LimitsUpAndDown) {
    x86::SegmentRegister up{.attributes = 0x93, .limit = 0xfff};
    EXPECT_TRUE(within_limit(up, 0xffc, 4));
    EXPECT_FALSE(within_limit(up, 0xffd, 4));
    EXPECT_FALSE(within_limit(up, 0xffffffff, 4));
    x86::SegmentRegister down{.attributes = 0x97, .limit = 0xfff};
    EXPECT_FALSE(within_limit(down, 0xfff, 1));
    EXPECT_TRUE(within_limit(down, 0x1000, 4));
    EXPECT_FALSE(within_limit(down, 0xfffd, 4));
    down.attributes |= x86::segment_attribute::default_big;
    EXPECT_TRUE(within_limit(down, 0xfffd, 4));
}

TEST_F(SegmentationTest, LocalDescriptorTable) {
    set_descriptor(0x60, descriptor(ldt, 0x1f, 0x0082));
    EXPECT_EQ(raised_by([&] { load_ldtr(vcpu_, kernel_data); }), gp(kernel_data));
    load_ldtr(vcpu_, 0x60);
    poke(ldt + 8, descriptor(0x5000, 0xfff, 0x0093));
    load_segment(vcpu_, Segment::ds, 0x0c);
    EXPECT_EQ(seg(Segment::ds).base, 0x5000u);
    EXPECT_EQ(raised_by([&] { load_segment(vcpu_, Segment::ds, 0x24); }), gp(0x24));
    load_ldtr(vcpu_, 0);
    EXPECT_EQ(raised_by([&] { load_segment(vcpu_, Segment::ds, 0x0c); }), gp(0x0c));
}

TEST_F(SegmentationTest, TaskRegisterLoadMarksBusy) {
    set_descriptor(task, descriptor(tss, 0x67, 0x89));
    load_task_register(vcpu_, task);
    EXPECT_EQ(peek(gdt + task) >> 40 & 0xf, x86::system_type::tss_busy);
    EXPECT_EQ(raised_by([&] { load_task_register(vcpu_, task); }), gp(task));
    enter_long_mode();
    poke(gdt + task + 8, u64{0xffff8000});
    load_task_register(vcpu_, task);
    EXPECT_EQ(state().tr.base, 0xffff800000003000u);
}

TEST_F(SegmentationTest, AccessRightsAndLimits) {
    EXPECT_EQ(load_access_rights(vcpu_, code32), 0x00cf9b00u & 0x00ffff00u);
    EXPECT_EQ(load_segment_limit(vcpu_, code32), 0xffffffffu);
    EXPECT_EQ(load_segment_limit(vcpu_, task), 0x67u);
    EXPECT_EQ(load_access_rights(vcpu_, 0), std::nullopt);
    EXPECT_EQ(load_access_rights(vcpu_, 0x100), std::nullopt);
    EXPECT_TRUE(verify_segment(vcpu_, kernel_data, true));
    EXPECT_FALSE(verify_segment(vcpu_, code32, true));
    EXPECT_TRUE(verify_segment(vcpu_, code32, false));
    use(user_code32, user_data);
    EXPECT_EQ(load_access_rights(vcpu_, kernel_data), std::nullopt);
    EXPECT_FALSE(verify_segment(vcpu_, kernel_data, false));
}

}  // namespace
}  // namespace softmetal::testing
