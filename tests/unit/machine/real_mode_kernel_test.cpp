// A Linux image taken apart for firmware's boot program, and that program's own checksums.
#include "machine/boot/real_mode_kernel.hpp"

#include "kernel_file.hpp"
#include "machine/boot/linux_rom.hpp"

#include <algorithm>
#include <gmock/gmock.h>
#include <numeric>

namespace softmetal::machine {
namespace {

namespace h = setup_header;
using ::testing::HasSubstr;
constexpr u64 mib = 1u << 20;

struct RealMode : ::testing::Test {
    KernelFile kernel;
    std::vector<std::byte> initrd = std::vector<std::byte>(5000, std::byte{0x5a});
    std::string command_line = "one two";
    u64 ram = 64 * mib;

    Result<RealModeKernel> prepare() {
        return prepare_real_mode_kernel(
            {.kernel = kernel.bytes(), .initrd = initrd, .command_line = command_line}, ram);
    }
    std::string refusal() {
        const auto parts = prepare();
        return parts ? "accepted" : parts.error().message;
    }
    template <class T>
    static T header(const RealModeKernel& parts, u32 offset) {
        T value;
        std::memcpy(&value, parts.setup.bytes.data() + offset, sizeof value);
        return value;
    }
};

TEST_F(RealMode, PartsAreTheImagesOwnWithTheHeaderFilledIn) {
    const auto parts = prepare();
    ASSERT_TRUE(parts) << parts.error().message;
    const auto payload = kernel.bytes().subspan(KernelFile::payload_start);
    EXPECT_EQ(parts->setup.bytes.size(), KernelFile::payload_start);
    EXPECT_EQ(parts->payload.address, 0x10'0000u);
    EXPECT_TRUE(std::ranges::equal(std::as_bytes(std::span(parts->payload.bytes)), payload));
    EXPECT_EQ(std::string(parts->command_line.bytes.begin(), parts->command_line.bytes.end()),
              std::string("one two\0", 8));
    EXPECT_EQ(header<u32>(*parts, h::command_line), parts->command_line.address);
    EXPECT_EQ(header<u8>(*parts, h::type_of_loader), 0xff);
    EXPECT_EQ(header<u8>(*parts, h::load_flags), 0x81);
    EXPECT_EQ(header<u16>(*parts, h::heap_end), parts->command_line.address - parts->setup.address - 0x200);
    EXPECT_EQ(header<u32>(*parts, h::ramdisk_size), 5000u);
    EXPECT_EQ(header<u32>(*parts, h::ramdisk_image), parts->initrd.address);
    EXPECT_EQ(parts->initrd.address, 62 * mib - 2 * 4096);
    EXPECT_EQ(parts->initrd.bytes.size(), 5000u);
}

TEST_F(RealMode, WithoutAnInitrdTheHeaderNamesNone) {
    initrd.clear();
    const auto parts = prepare();
    ASSERT_TRUE(parts) << parts.error().message;
    EXPECT_EQ(header<u32>(*parts, h::ramdisk_image), 0u);
    EXPECT_EQ(header<u32>(*parts, h::ramdisk_size), 0u);
    EXPECT_TRUE(parts->initrd.bytes.empty());
}

TEST_F(RealMode, TheInitrdLiesWhereTheKernelReachesIt) {
    kernel.set<u32>(h::initrd_address_max, 0x17f'ffff);
    EXPECT_EQ(prepare()->initrd.address, 24 * mib - 2 * 4096);
    kernel.set<u16>(h::version, 0x0202);
    ram = 2048 * mib;
    EXPECT_EQ(prepare()->initrd.address, 0x3800'0000u - 2 * 4096);
}

TEST_F(RealMode, TheVideoModeIsTakenFromTheCommandLine) {
    const auto mode = [&](std::string_view text) {
        kernel.set<u16>(h::video_mode, 0x1234);
        command_line = text;
        return header<u16>(*prepare(), h::video_mode);
    };
    EXPECT_EQ(mode("vga=788 quiet"), 788u);
    EXPECT_EQ(mode("quiet vga=0x317"), 0x317u);
    EXPECT_EQ(mode("vga=1 vga=ask"), 0xfffdu);
    EXPECT_EQ(mode("vga=normal"), 0xffffu);
    EXPECT_EQ(mode("vga=ext"), 0xfffeu);
    for (const char* none : {"", "xvga=1", "vga=", "vga=q", "vga=99999", " "})
        EXPECT_EQ(mode(none), 0x1234u) << none;
}

TEST_F(RealMode, RefusesWhatCannotBeStartedSo) {
    EXPECT_EQ(refusal(), "accepted");
    ram = 3 * mib;
    EXPECT_THAT(refusal(), HasSubstr("needs at least 4 MiB"));
    ram = 64 * mib;
    initrd.resize(62 * mib);
    EXPECT_THAT(refusal(), HasSubstr("initrd of 62 MiB does not fit"));
    kernel.set<u32>(h::initrd_address_max, 0x1000);
    initrd.resize(1);
    EXPECT_THAT(refusal(), HasSubstr("does not fit"));
    kernel = KernelFile();
    command_line = std::string(2048, 'x');
    EXPECT_THAT(refusal(), HasSubstr("has 2048 characters; this kernel takes 2047"));
    kernel.set<u16>(h::version, 0x0205);
    EXPECT_THAT(refusal(), HasSubstr("this kernel takes 255"));
    kernel.set<u16>(h::version, 0x0206).set<u32>(h::command_line_size, ~0u);
    command_line = std::string(0x2000, 'x');
    EXPECT_THAT(refusal(), HasSubstr("this kernel takes 8191"));
    command_line.clear();
    kernel.set<u16>(h::version, 0x0201);
    EXPECT_THAT(refusal(), HasSubstr("2.01 is too old"));
    kernel = KernelFile().set<u8>(h::load_flags, 0);
    EXPECT_THAT(refusal(), HasSubstr("zImage"));
    kernel = KernelFile().set<u8>(h::setup_sectors, 200);
    EXPECT_THAT(refusal(), HasSubstr("200 sectors"));
    kernel = KernelFile().resize(KernelFile::payload_start);
    EXPECT_THAT(refusal(), HasSubstr("truncated"));
    kernel = KernelFile().set<u32>(h::magic, 0);
    EXPECT_THAT(refusal(), HasSubstr("only a Linux bzImage"));
}

TEST(NeedsRealModeEntry, WhereTheHeaderOffersNoOther) {
    EXPECT_FALSE(needs_real_mode_entry({}));
    EXPECT_FALSE(needs_real_mode_entry(KernelFile().bytes()));  // 64-bit
    const auto without_64 = [] { return KernelFile().set<u16>(h::extended_load_flags, 0); };
    EXPECT_TRUE(needs_real_mode_entry(without_64().bytes()));
    EXPECT_FALSE(needs_real_mode_entry(without_64().set<u32>(h::code32_start, 0x10'0000).bytes()));
    EXPECT_TRUE(needs_real_mode_entry(KernelFile().set<u16>(h::version, 0x020b).bytes()));
    EXPECT_TRUE(needs_real_mode_entry(
        KernelFile().set<u16>(h::version, 0x0205).set<u32>(h::code32_start, 0x10'0000).bytes()));
}

TEST(LinuxRom, IsAnOptionRomThatBoots) {
    const auto sum = [](std::span<const u8> bytes) {
        return std::accumulate(bytes.begin(), bytes.end(), 0u) & 0xff;
    };
    const std::vector<u8> rom = linux_rom();
    ASSERT_GE(rom.size(), 512u);
    EXPECT_EQ(rom[0] | rom[1] << 8, 0xaa55);
    EXPECT_EQ(rom[2] * 512u, rom.size());
    EXPECT_EQ(sum(rom), 0u);
    const std::size_t header = rom[0x1a] | rom[0x1b] << 8;
    EXPECT_EQ(std::string(rom.begin() + static_cast<int>(header), rom.begin() + static_cast<int>(header) + 4),
              "$PnP");
    EXPECT_EQ(sum(std::span(rom).subspan(header, 32)), 0u);
    EXPECT_NE(rom[header + 0x1a] | rom[header + 0x1b] << 8, 0);  // the bootstrap entry
}

}  // namespace
}  // namespace softmetal::machine
