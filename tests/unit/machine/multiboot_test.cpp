// Multiboot, Multiboot2 and PVH kernels: what they find in memory, and which sentence refuses what.
#include "elf_file.hpp"
#include "machine/boot/kernel_loader.hpp"
#include "machine/boot/memory_map.hpp"
#include "memory/guest_memory.hpp"

#include <gmock/gmock.h>
#include <random>

namespace softmetal::machine {
namespace {

using testing::HasSubstr;
constexpr u64 mib = 1u << 20;
constexpr u64 rsdp_address = 0xe0000;

constexpr u32 magic_1 = 0x1bad'b002, magic_2 = 0xe852'50d6;
constexpr u64 header_at = ElfFile::content_at + 0x40;

struct Foreign : testing::Test {
    std::unique_ptr<GuestMemory> memory = *GuestMemory::create(16 * mib);
    std::vector<std::byte> initrd = std::vector<std::byte>(5000, std::byte{0x5a});
    ElfFile file;

    void SetUp() override {
        const std::string_view rsdp = "RSD PTR 0123456789abcdef0123456789ab";
        ASSERT_TRUE(memory->write({rsdp_address}, std::as_bytes(std::span(rsdp))));
    }
    Result<KernelEntry> load() {
        return load_kernel(*memory, {.kernel = file.bytes(),
                                     .initrd = initrd,
                                     .command_line = "one two",
                                     .rsdp = {rsdp_address},
                                     .kernel_name = "test.elf"});
    }
    std::string refusal() {
        const auto r = load();
        return r ? "accepted" : r.error().message;
    }
    template <class T>
    T at(u64 address) {
        T value{};
        EXPECT_TRUE(memory->read({address}, std::as_writable_bytes(std::span(&value, 1))));
        return value;
    }
    std::string text(u64 address) {
        std::string read;
        while (const char c = at<char>(address++)) read += c;
        return read;
    }
    /// A Multiboot header with these flags and fields.
    void multiboot(u32 flags, std::initializer_list<u32> fields = {}) {
        file.set_words(header_at, {magic_1, flags, 0 - magic_1 - flags});
        file.set_words(header_at + 12, fields);
    }
    /// A Multiboot2 header with these tags, each (type | flags << 16), size, content; and an end tag.
    void multiboot2(std::vector<std::vector<u32>> tags) {
        tags.push_back({0, 8});
        u64 at = header_at + 16;
        for (const auto& tag : tags) {
            for (u32 word : tag) {
                file.set<u32>(at, word);
                at += 4;
            }
            at = (at + 7) / 8 * 8;
        }
        const u32 size = static_cast<u32>(at - header_at);
        file.set_words(header_at, {magic_2, 0, size, 0 - magic_2 - size});
    }
};

TEST_F(Foreign, MultibootKernelsAreEnteredIn32BitMode) {
    multiboot(3);
    const auto entry = load();
    ASSERT_TRUE(entry) << entry.error().message;
    EXPECT_EQ(entry->mode, EntryMode::protected_mode);
    EXPECT_EQ(entry->address.value, ElfFile::physical + 0x10);
    EXPECT_EQ(entry->eax, 0x2bad'b002u);
    EXPECT_EQ(at<u8>(ElfFile::physical + 1), 6u);
    EXPECT_GE(entry->gdt.value, page_size);
    EXPECT_TRUE(entry->may_return_to_real_mode);
}

TEST_F(Foreign, MultibootKernelsGetTheirInformation) {
    multiboot(3);
    const u32 info = load()->ebx;
    EXPECT_EQ(at<u32>(info), 0x24du);  // memory, command line, modules, map, loader's name
    EXPECT_EQ(at<u32>(info + 4), 639u);
    EXPECT_EQ(at<u32>(info + 8), 15u * 1024);
    EXPECT_EQ(text(at<u32>(info + 16)), "test.elf one two");
    EXPECT_EQ(text(at<u32>(info + 64)), "softmetal");

    ASSERT_EQ(at<u32>(info + 20), 1u);
    const u32 module = at<u32>(info + 24), start = at<u32>(module);
    EXPECT_EQ(start % page_size, 0u);
    EXPECT_GE(start, ElfFile::physical + ElfFile::memory_size);
    EXPECT_EQ(at<u32>(module + 4) - start, 5000u);
    EXPECT_EQ(at<u8>(start + 4999), 0x5a);
    EXPECT_EQ(text(at<u32>(module + 8)), "initrd");

    const auto map = memory_map(16 * mib);
    EXPECT_EQ(at<u32>(info + 44), map.size() * 24);
    u32 entry = at<u32>(info + 48);
    for (const MemoryRange& range : map) {
        EXPECT_EQ(at<u64>(entry + 4), range.first);
        EXPECT_EQ(at<u64>(entry + 12), range.size);
        EXPECT_EQ(at<u32>(entry + 20), static_cast<u32>(range.type));
        entry += at<u32>(entry) + 4;
    }
}

TEST_F(Foreign, MultibootKernelsMayComeWithoutModules) {
    multiboot(0);
    initrd.clear();
    const u32 info = load()->ebx;
    EXPECT_EQ(at<u32>(info) & 8, 0u);
    EXPECT_EQ(at<u32>(info + 20), 0u);
}

TEST_F(Foreign, MultibootAddressesCountMoreThanElfHeaders) {
    const u32 load_at = 0x20'0000, header = load_at + 0x40;
    multiboot(1u << 16, {header, load_at, load_at + 0x800, load_at + 0x4000, load_at + 0x30});
    const auto entry = load();
    ASSERT_TRUE(entry) << entry.error().message;
    EXPECT_EQ(entry->address.value, load_at + 0x30);
    EXPECT_EQ(at<u8>(load_at + 1), 6u);
    EXPECT_EQ(at<u8>(load_at + 0x7ff), u8(0x7ff * 5 + 1));
    EXPECT_EQ(at<u8>(load_at + 0x800), 0u);
    EXPECT_EQ(at<u8>(ElfFile::physical + 1), 0u);
    multiboot(1u << 16, {header, load_at, 0, 0, load_at});
    ASSERT_TRUE(load());
    EXPECT_EQ(at<u8>(load_at + 0xfff), u8(0xfff * 5 + 1)) << "without an end: the whole file";
}

TEST_F(Foreign, RefusesMultibootHeadersWithImpossibleDemands) {
    multiboot(4);
    EXPECT_THAT(refusal(), HasSubstr("video mode"));
    multiboot(0x8000);
    EXPECT_THAT(refusal(), HasSubstr("unknown (flags 0x8000)"));
    multiboot(1u << 16, {0x1000, 0x2000, 0, 0, 0});
    EXPECT_THAT(refusal(), HasSubstr("contradictory"));
    multiboot(1u << 16, {0x20'0040, 0x20'0000, 0x40'0000, 0, 0});
    EXPECT_THAT(refusal(), HasSubstr("truncated"));
    multiboot(1u << 16, {0x20'0040, 0x20'0000, 0, 0x10'0000, 0});
    EXPECT_THAT(refusal(), HasSubstr("contradictory"));
    file.set<u32>(header_at + 8, 1);
    EXPECT_THAT(refusal(), HasSubstr("neither a Multiboot header")) << "the checksum is wrong";
}

TEST_F(Foreign, RefusesModulesThatDoNotFit) {
    multiboot(0);
    initrd.resize(16 * mib);
    EXPECT_THAT(refusal(), HasSubstr("the initrd of 16384 KiB does not fit"));
}

/// The content of the first tag of a type in Multiboot2 information.
TEST_F(Foreign, Multiboot2KernelsGetTheirInformation) {
    multiboot2({{1, 20, 1, 4, 6}, {6, 8}, {5 | 1u << 16, 20, 1024, 768, 32}});
    const auto entry = load();
    ASSERT_TRUE(entry) << entry.error().message;
    EXPECT_EQ(entry->eax, 0x36d7'6289u);
    EXPECT_EQ(entry->address.value, ElfFile::physical + 0x10);
    const u32 info = entry->ebx;
    EXPECT_EQ(info % 8, 0u);
    std::map<u32, u32> tags;
    u32 tag = info + 8;
    for (; at<u32>(tag) != 0; tag += (at<u32>(tag + 4) + 7) / 8 * 8) {
        ASSERT_LT(tag, info + at<u32>(info));
        tags[at<u32>(tag)] = tag;
    }
    EXPECT_EQ(tag + 8, info + at<u32>(info));
    EXPECT_EQ(text(tags.at(1) + 8), "one two");
    EXPECT_EQ(text(tags.at(2) + 8), "softmetal");
    const u32 module = at<u32>(tags.at(3) + 8);
    EXPECT_EQ(at<u32>(tags.at(3) + 12) - module, 5000u);
    EXPECT_EQ(at<u8>(module), 0x5a);
    EXPECT_EQ(at<u32>(tags.at(4) + 8), 639u);
    EXPECT_EQ(at<u32>(tags.at(4) + 12), 15u * 1024);
    const auto map = memory_map(16 * mib);
    EXPECT_EQ(at<u32>(tags.at(6) + 4), 16 + 24 * map.size());
    EXPECT_EQ(at<u32>(tags.at(6) + 8), 24u);
    EXPECT_EQ(at<u64>(tags.at(6) + 16 + 24), map[1].first);
    EXPECT_EQ(at<u32>(tags.at(6) + 16 + 24 + 16), 2u);
    EXPECT_EQ(at<u32>(tags.at(14) + 4), 28u);
    EXPECT_EQ(at<u32>(tags.at(15) + 4), 44u);
    EXPECT_EQ(at<char>(tags.at(15) + 8), 'R');
}

TEST_F(Foreign, Multiboot2AddressesAndEntryCountMoreThanElfHeaders) {
    const u32 load_at = 0x20'0000;
    multiboot2({{2, 24, load_at + 0x40, load_at, load_at + 0x800, 0}, {3, 12, load_at + 0x20}});
    const auto entry = load();
    ASSERT_TRUE(entry) << entry.error().message;
    EXPECT_EQ(entry->address.value, load_at + 0x20);
    EXPECT_EQ(at<u8>(load_at + 0x7ff), u8(0x7ff * 5 + 1));
    multiboot2({{2, 24, load_at + 0x40, load_at, load_at + 0x800, 0}});
    EXPECT_THAT(refusal(), HasSubstr("no entry point"));
    multiboot2({{3, 12, ElfFile::physical + 0x20}});
    EXPECT_EQ(load()->address.value, ElfFile::physical + 0x20);
}

TEST_F(Foreign, RefusesMultiboot2HeadersWithImpossibleDemands) {
    multiboot2({{1, 12, 7}});
    EXPECT_THAT(refusal(), HasSubstr("information of type 7"));
    multiboot2({{1 | 1u << 16, 12, 7}});
    EXPECT_EQ(refusal(), "accepted");
    multiboot2({{5, 20, 0, 0, 0}});
    EXPECT_THAT(refusal(), HasSubstr("framebuffer"));
    multiboot2({{4, 12, 1}});
    EXPECT_THAT(refusal(), HasSubstr("console"));
    multiboot2({{4, 12, 2}});
    EXPECT_EQ(refusal(), "accepted");
    multiboot2({{77, 8}});
    EXPECT_THAT(refusal(), HasSubstr("tag of type 77"));
    multiboot2({{77 | 1u << 16, 8}});
    EXPECT_EQ(refusal(), "accepted");
    multiboot2({{77 | 1u << 16, 0}});
    EXPECT_THAT(refusal(), HasSubstr("malformed"));
    multiboot2({{77 | 1u << 16, 0xffff'fff0}});
    EXPECT_THAT(refusal(), HasSubstr("malformed"));
}

TEST_F(Foreign, PvhKernelsGetTheirStartInformation) {
    for (bool is_64 : {false, true}) {
        file = ElfFile(is_64);
        EXPECT_THAT(refusal(), HasSubstr("nor a PVH entry point"));
        file.add_pvh_note(0x10'0020);
        const auto entry = load();
        ASSERT_TRUE(entry) << entry.error().message;
        EXPECT_EQ(entry->mode, EntryMode::protected_mode);
        EXPECT_EQ(entry->address.value, 0x10'0020u);
        const u32 info = entry->ebx;
        EXPECT_EQ(at<u32>(info), 0x336e'c578u);
        EXPECT_EQ(at<u32>(info + 4), 1u);
        ASSERT_EQ(at<u32>(info + 12), 1u);
        EXPECT_EQ(at<u64>(at<u64>(info + 16) + 8), 5000u);
        EXPECT_EQ(at<u8>(at<u64>(at<u64>(info + 16))), 0x5a);
        EXPECT_EQ(text(at<u64>(info + 24)), "one two");
        EXPECT_EQ(at<u64>(info + 32), rsdp_address);
        const auto map = memory_map(16 * mib);
        EXPECT_EQ(at<u32>(info + 48), map.size());
        EXPECT_EQ(at<u64>(at<u64>(info + 40) + 24), map[1].first);
        EXPECT_EQ(at<u32>(at<u64>(info + 40) + 24 + 16), 2u);
    }
}

TEST_F(Foreign, SurvivesRandomHeaders) {
    std::mt19937 random(1);
    for (int round = 0; round < 6000; round++) {
        file = ElfFile();
        if (round % 2)
            multiboot(1u << 16, {0x20'0040, 0x20'0000, 0x20'0800, 0x20'1000, 0x20'0000});
        else
            multiboot2({{1, 12, 1}, {2, 24, 0x20'0040, 0x20'0000, 0, 0}, {3, 12, 0x20'0000}});
        for (int changes = 0; changes < 3; changes++)
            file.set<u8>(header_at + 16 + random() % 0x40, static_cast<u8>(random()));
        const auto entry = load();
        if (entry) {
            ASSERT_LT(entry->address.value, u64{1} << 32);
        }
    }
}

}  // namespace
}  // namespace softmetal::machine
