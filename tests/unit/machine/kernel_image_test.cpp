// The bzImage header: what is accepted, and which sentence refuses what.
#include "machine/boot/kernel_image.hpp"

#include "kernel_file.hpp"

#include <gmock/gmock.h>
#include <random>

namespace softmetal::machine {
namespace {

namespace h = setup_header;
using testing::HasSubstr;

std::string refusal(const KernelFile& file) {
    const auto image = parse_kernel_image(file.bytes());
    return image ? "accepted" : image.error().message;
}

TEST(KernelImage, AcceptsARelocatable64BitKernel) {
    const KernelFile file;
    const auto image = parse_kernel_image(file.bytes());
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(image->load_address, 0x100'0000u);
    EXPECT_EQ(image->entry(), 0x100'0200u);
    EXPECT_EQ(image->init_size, 0x10'0000u);
    EXPECT_EQ(image->payload.size(), 0x2000u);
    EXPECT_EQ(image->payload.data(), file.bytes().data() + KernelFile::payload_start);
    EXPECT_EQ(image->setup_header.size(), 0x202u + 0x6a - 0x1f1);
    EXPECT_EQ(image->initrd_address_max, 0x7fff'ffffu);
}

TEST(KernelImage, LeavesBytesBehindThePayloadAlone) {  // signed kernels carry a certificate there
    KernelFile file;
    file.resize(file.bytes().size() + 1000);
    EXPECT_EQ(parse_kernel_image(file.bytes())->payload.size(), 0x2000u);
}

TEST(KernelImage, NeedsRoomForThePayloadWhereInitSizeForgetsIt) {
    EXPECT_EQ(parse_kernel_image(KernelFile().set<u32>(h::init_size, 0).bytes())->init_size, 0x2000u);
}

TEST(KernelImage, RefusesWhatIsNoKernel) {
    EXPECT_THAT(refusal(KernelFile().resize(0)), HasSubstr("not a Linux bzImage"));
    EXPECT_THAT(refusal(KernelFile().resize(h::end_of_placement - 1)), HasSubstr("not a Linux bzImage"));
    EXPECT_THAT(refusal(KernelFile().set<u16>(h::boot_flag, 0)), HasSubstr("not a Linux bzImage"));
    EXPECT_THAT(refusal(KernelFile().set<u32>(h::magic, 0)), HasSubstr("not a Linux bzImage"));
}

TEST(KernelImage, EntersA32BitKernelAtItsStart) {
    const KernelFile without_flag = KernelFile().set<u16>(h::extended_load_flags, 0);
    EXPECT_EQ(parse_kernel_image(without_flag.bytes())->entry_mode, EntryMode::protected_mode);
    EXPECT_EQ(parse_kernel_image(without_flag.bytes())->entry(), 0x100'0000u);
    const KernelFile older = KernelFile().set<u16>(h::version, 0x020b);  // where the flags are something else
    EXPECT_EQ(parse_kernel_image(older.bytes())->entry_mode, EntryMode::protected_mode);
}

TEST(KernelImage, LoadsKernelsThatNameNoPlaceAt1MiB) {
    const KernelFile file = KernelFile().set<u16>(h::version, 0x0206).set<u16>(h::jump, 0x3aeb);
    const auto image = parse_kernel_image(file.bytes());
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(image->load_address, 0x10'0000u);
    EXPECT_EQ(image->init_size, image->payload.size());
    EXPECT_EQ(image->command_line_size, 2047u);
}

TEST(KernelImage, RefusesOldKernels) {
    EXPECT_THAT(refusal(KernelFile().set<u16>(h::version, 0x0205)), HasSubstr("2.05 is too old"));
    EXPECT_THAT(refusal(KernelFile().set<u8>(h::load_flags, 0)), HasSubstr("zImage"));
}

TEST(KernelImage, RefusesTruncatedKernels) {
    EXPECT_THAT(refusal(KernelFile().resize(KernelFile::payload_start)), HasSubstr("truncated"));
    EXPECT_THAT(refusal(KernelFile().resize(KernelFile::payload_start + 0x1ff0)), HasSubstr("truncated"));
    EXPECT_THAT(refusal(KernelFile().set<u32>(h::payload_paragraphs, 0)), HasSubstr("truncated"));
    EXPECT_THAT(refusal(KernelFile().set<u32>(h::payload_paragraphs, 0xffff'ffff)), HasSubstr("truncated"));
    EXPECT_THAT(refusal(KernelFile().set<u8>(h::setup_sectors, 255)), HasSubstr("truncated"));
}

TEST(KernelImage, TheLastParagraphMayBeShort) {
    const KernelFile file = KernelFile().resize(KernelFile::payload_start + 0x1ff1);
    const auto image = parse_kernel_image(file.bytes());
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(image->payload.size(), 0x1ff1u);
}

TEST(KernelImage, RefusesHeadersOfImpossibleLength) {
    EXPECT_THAT(refusal(KernelFile().set<u16>(h::jump, 0x3aeb)), HasSubstr("impossible length"));
    EXPECT_THAT(refusal(KernelFile().set<u16>(h::jump, 0x00eb)), HasSubstr("impossible length"));
    EXPECT_THAT(refusal(KernelFile().set<u16>(h::jump, 0xffeb)), HasSubstr("impossible length"));
}

TEST(KernelImage, RefusesLoadAddressesOutsideTheBootMapping) {
    for (u64 address : {u64{0}, u64{0xff000}, u64{0x100'0001}, u64{0x1'0000'0000}, ~u64{0xfff}})
        EXPECT_THAT(refusal(KernelFile().set<u64>(h::preferred_address, address)), HasSubstr("4 GiB"));
    EXPECT_THAT(refusal(KernelFile().set<u32>(h::init_size, 0xffff'ffff)), HasSubstr("4 GiB"));
}

TEST(KernelImage, KeepsItsPromisesForRandomHeaders) {
    std::mt19937 random(1);
    for (int round = 0; round < 20000; round++) {
        KernelFile file;
        for (int changes = 0; changes < 3; changes++)
            file.set<u8>(0x1f1 + random() % 0x77, static_cast<u8>(random()));
        const auto image = parse_kernel_image(file.bytes());
        if (!image) continue;
        const auto all = file.bytes();
        ASSERT_LE(image->payload.data() + image->payload.size(), all.data() + all.size());
        ASSERT_LE(image->setup_header.size(), h::end_in_boot_params - h::start);
        ASSERT_GE(image->init_size, image->payload.size());
        ASSERT_LE(image->load_address + image->init_size, u64{1} << 32);
    }
}

}  // namespace
}  // namespace softmetal::machine
