// Kernel, initrd, command line and boot_params in guest memory.
#include "machine/boot/linux_loader.hpp"

#include "kernel_file.hpp"
#include "machine/board_layout.hpp"
#include "machine/boot/memory_map.hpp"

#include <algorithm>
#include <gmock/gmock.h>

namespace softmetal::machine {
namespace {

using testing::HasSubstr;
constexpr u64 mib = 1u << 20;

template <class T>
T at(const GuestMemory& memory, u64 address) {
    T value{};
    EXPECT_TRUE(memory.read({address}, std::as_writable_bytes(std::span(&value, 1))));
    return value;
}

struct Loader : testing::Test {
    std::unique_ptr<GuestMemory> memory = *GuestMemory::create(64 * mib);
    KernelFile kernel;
    std::vector<std::byte> initrd = std::vector<std::byte>(5000, std::byte{0x5a});
    std::string command_line = "console=ttyS0";

    Result<KernelEntry> load() {
        return load_linux(*memory, {kernel.bytes(), initrd, command_line, GuestPhysical{0xe0000}});
    }
    std::string refusal() {
        const auto r = load();
        return r ? "accepted" : r.error().message;
    }
    template <class T>
    T param(u32 offset) {
        return at<T>(*memory, boot_address::boot_params + offset);
    }
};

TEST_F(Loader, PlacesKernelInitrdAndCommandLine) {
    const auto entry = load();
    ASSERT_TRUE(entry) << entry.error().message;
    EXPECT_EQ(entry->address.value, 0x100'0200u);
    EXPECT_EQ(entry->mode, EntryMode::long_mode);
    EXPECT_EQ(entry->esi, boot_address::boot_params);

    const auto payload = kernel.bytes().subspan(KernelFile::payload_start);
    std::vector<std::byte> there(payload.size());
    ASSERT_TRUE(memory->read({0x100'0000}, there));
    EXPECT_TRUE(std::ranges::equal(there, payload));

    const u32 initrd_at = param<u32>(setup_header::ramdisk_image);
    EXPECT_EQ(initrd_at, 64 * mib - 2 * page_size);
    EXPECT_EQ(param<u32>(setup_header::ramdisk_size), 5000u);
    EXPECT_EQ(at<u8>(*memory, initrd_at), 0x5a);
    EXPECT_EQ(at<u8>(*memory, initrd_at + 4999), 0x5a);

    const u32 text = param<u32>(setup_header::command_line);
    for (std::size_t i = 0; i <= command_line.size(); i++)
        EXPECT_EQ(at<char>(*memory, text + i), command_line.c_str()[i]);
}

TEST_F(Loader, EntersKernelsWithoutA64BitEntryAtTheirStart) {
    kernel.set<u16>(setup_header::extended_load_flags, 0);
    const auto entry = load();
    ASSERT_TRUE(entry) << entry.error().message;
    EXPECT_EQ(entry->address.value, 0x100'0000u);
    EXPECT_EQ(entry->mode, EntryMode::protected_mode);
}

TEST_F(Loader, FillsBootParams) {
    ASSERT_TRUE(load());
    EXPECT_EQ(param<u32>(setup_header::code32_start), 0x100'0000u);
    EXPECT_EQ(param<u32>(setup_header::magic), 0x53726448u);
    EXPECT_EQ(param<u16>(setup_header::version), 0x020f);
    EXPECT_EQ(param<u8>(setup_header::type_of_loader), 0xff);
    EXPECT_EQ(param<u64>(0x070), 0xe0000u);
    EXPECT_EQ(param<u8>(0x1ef), 0) << "the sentinel says that a loader cleared the page";
    const auto map = memory_map(64 * mib);
    ASSERT_EQ(param<u8>(0x1e8), map.size());
    EXPECT_EQ(param<u64>(0x2d0 + 20), map[1].first);
    EXPECT_EQ(param<u64>(0x2d0 + 28), map[1].size);
    EXPECT_EQ(param<u32>(0x2d0 + 36), 2u);
}

TEST_F(Loader, DoesWithoutAnInitrd) {
    initrd.clear();
    ASSERT_TRUE(load());
    EXPECT_EQ(param<u32>(setup_header::ramdisk_image), 0u);
    EXPECT_EQ(param<u32>(setup_header::ramdisk_size), 0u);
}

TEST_F(Loader, KeepsTheInitrdBelowTheKernelsLimit) {
    kernel.set<u32>(setup_header::initrd_address_max, 0x2ff'ffff);
    ASSERT_TRUE(load());
    EXPECT_EQ(param<u32>(setup_header::ramdisk_image), 0x300'0000u - 2 * page_size);
}

TEST_F(Loader, RefusesWhatDoesNotFit) {
    initrd.resize(48 * mib);
    EXPECT_THAT(refusal(), HasSubstr("initrd of 48 MiB does not fit"));
    initrd.clear();
    kernel.set<u32>(setup_header::init_size, 49 * mib);
    EXPECT_THAT(refusal(), HasSubstr("needs at least 65 MiB"));
}

TEST_F(Loader, RefusesLongCommandLines) {
    command_line.assign(2048, 'x');
    EXPECT_THAT(refusal(), HasSubstr("2048 characters; this kernel takes 2047"));
    command_line.assign(2047, 'x');
    EXPECT_EQ(refusal(), "accepted");
    kernel.set<u32>(setup_header::command_line_size, 0xffff'ffff);
    command_line.assign(mib, 'x');
    EXPECT_THAT(refusal(), HasSubstr("characters"));
}

TEST_F(Loader, RefusesInitrdLimitsThatLeaveNoRoom) {
    kernel.set<u32>(setup_header::initrd_address_max, 0);
    EXPECT_THAT(refusal(), HasSubstr("initrd"));
    kernel.set<u32>(setup_header::initrd_address_max, 0xffff'ffff);
    EXPECT_EQ(refusal(), "accepted");
}

TEST(MemoryMap, IsSortedAndCoversAllRam) {
    for (u64 size : {2 * mib, 64 * mib, 3072 * mib, 3073 * mib, 8192 * mib}) {
        const auto map = memory_map(size);
        u64 end = 0, ram = 0;
        for (const MemoryRange& r : map) {
            EXPECT_GE(r.first, end);
            EXPECT_GT(r.size, 0u);
            end = r.first + r.size;
            if (r.type == MemoryType::ram) ram += r.size;
        }
        EXPECT_EQ(ram, size - (layout::extended_start - layout::ebda_start));
    }
}

}  // namespace
}  // namespace softmetal::machine
