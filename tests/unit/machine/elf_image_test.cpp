// ELF executables: what is read of them, and which sentence refuses what.
#include "machine/boot/elf_image.hpp"

#include "elf_file.hpp"

#include <gmock/gmock.h>
#include <random>

namespace softmetal::machine {
namespace {

using testing::HasSubstr;
constexpr u64 mib = 1u << 20;

std::string refusal(const ElfFile& file) {
    const auto image = parse_elf(file.bytes());
    return image ? "accepted" : image.error().message;
}

struct Elf : testing::TestWithParam<bool> {
    ElfFile file{GetParam()};
};

TEST_P(Elf, HasSegmentsAndAnEntryPoint) {
    const auto image = parse_elf(file.bytes());
    ASSERT_TRUE(image) << image.error().message;
    ASSERT_EQ(image->segments.size(), 1u);
    EXPECT_EQ(image->segments[0].physical, ElfFile::physical);
    EXPECT_EQ(image->segments[0].size, ElfFile::memory_size);
    EXPECT_EQ(image->segments[0].bytes.size(), ElfFile::content_size);
    EXPECT_EQ(image->segments[0].bytes.data(), file.bytes().data() + ElfFile::content_at);
    EXPECT_EQ(image->entry, ElfFile::linear + 0x10);
    EXPECT_EQ(image->physical_entry(), ElfFile::physical + 0x10);
    EXPECT_TRUE(image->notes.empty());
}

TEST_P(Elf, LoadsItsSegmentsWithZerosBehindThem) {
    auto ram = *GuestMemory::create(4 * mib);
    BootMemory memory(*ram);
    ASSERT_TRUE(load_segments(memory, *parse_elf(file.bytes())));
    std::vector<std::byte> there(ElfFile::memory_size);
    ASSERT_TRUE(ram->read({ElfFile::physical}, there));
    EXPECT_EQ(there[1], std::byte{6});
    EXPECT_EQ(there[ElfFile::content_size - 1], std::byte{0xfc});
    EXPECT_EQ(there[ElfFile::content_size], std::byte{0});
    EXPECT_EQ(memory.kernel_end(), ElfFile::physical + ElfFile::memory_size);
}

TEST_P(Elf, HasNotes) {
    file.add_pvh_note(0x1234);
    const auto image = parse_elf(file.bytes());
    ASSERT_TRUE(image);
    ASSERT_GE(image->notes.size(), 1u);
    EXPECT_EQ(image->notes[0].owner, "Xen");
    EXPECT_EQ(image->notes[0].type, 18u);
    EXPECT_EQ(number_at<u32>(image->notes[0].description, 0), 0x1234u);
}

TEST_P(Elf, EndsItsNotesAtABrokenOne) {
    file.add_pvh_note(0x1234).set<u32>(ElfFile::note_at, 0xffff'fffd);
    const auto image = parse_elf(file.bytes());
    ASSERT_TRUE(image);
    EXPECT_TRUE(image->notes.empty());
}

TEST_P(Elf, RefusesWhatIsTruncated) {
    EXPECT_THAT(refusal(ElfFile(GetParam()).resize(ElfFile::content_at + 0xfff)), HasSubstr("truncated"));
    EXPECT_THAT(refusal(ElfFile(GetParam()).resize(file.program_headers() + 1)), HasSubstr("truncated"));
    EXPECT_THAT(refusal(ElfFile(GetParam()).resize(20)), HasSubstr("truncated"));
}

TEST_P(Elf, RefusesWhatIsNotForX86) {
    EXPECT_THAT(refusal(ElfFile(GetParam()).set<u16>(18, 183)), HasSubstr("no x86 ELF"));
    EXPECT_THAT(refusal(ElfFile(GetParam()).set<u16>(16, 1)), HasSubstr("no x86 ELF"));
    EXPECT_THAT(refusal(ElfFile(GetParam()).set<u8>(5, 2)), HasSubstr("no x86 ELF"));
    EXPECT_THAT(refusal(ElfFile(GetParam()).set<u8>(0, 0)), HasSubstr("no x86 ELF"));
    EXPECT_THAT(refusal(ElfFile(GetParam()).resize(0)), HasSubstr("no x86 ELF"));
}

TEST_P(Elf, RefusesSegmentsThatDoNotFit) {
    auto ram = *GuestMemory::create(4 * mib);
    const auto load = [&](const ElfFile& f) -> std::string {
        BootMemory memory(*ram);
        const auto r = load_segments(memory, *parse_elf(f.bytes()));
        return r ? "accepted" : r.error().message;
    };
    EXPECT_THAT(load(ElfFile(GetParam()).set_program_header(0, 1, 0x400, 0x1000, 4 * mib)),
                HasSubstr("has none"));
    EXPECT_THAT(load(ElfFile(GetParam()).set_program_header(0, 1, 0x400, 0x1000, 0xfff)),
                HasSubstr("says it has"));
    EXPECT_THAT(load(ElfFile(GetParam()).set_program_header(1, 1, 0x400, 0x10, 0x10)), HasSubstr("overlaps"));
    EXPECT_THAT(load(ElfFile(GetParam()).set_program_header(0, 2, 0x400, 0x10, 0x10)),
                HasSubstr("anything to load"));
}

TEST_P(Elf, SurvivesRandomHeaders) {
    std::mt19937 random(1);
    auto ram = *GuestMemory::create(4 * mib);
    for (int round = 0; round < 20000; round++) {
        ElfFile spoiled(GetParam());
        spoiled.add_pvh_note(1);
        for (int changes = 0; changes < 3; changes++) {
            const u64 at = random() % 2 ? 16 + random() % (spoiled.program_header(2) - 16)
                                        : ElfFile::note_at + random() % ElfFile::note_size;
            spoiled.set<u8>(at, static_cast<u8>(random()));
        }
        const auto image = parse_elf(spoiled.bytes());
        if (!image) continue;
        for (const ElfImage::Segment& s : image->segments)
            ASSERT_LE(s.bytes.data() + s.bytes.size(), spoiled.bytes().data() + spoiled.bytes().size());
        (void)image->physical_entry();
        BootMemory memory(*ram);
        const auto loaded = load_segments(memory, *image);
        EXPECT_TRUE(loaded || !loaded.error().message.empty());
    }
}

INSTANTIATE_TEST_SUITE_P(Classes, Elf, testing::Bool(),
                         [](const auto& instance) { return instance.param ? "Elf64" : "Elf32"; });

TEST(BootMemory, FindsTheLowestFreePlaceBelow4GiB) {
    auto ram = *GuestMemory::create(4 * mib);
    BootMemory memory(*ram);
    EXPECT_EQ(memory.find(16, 8, 0, "a")->value, page_size) << "page 0 is the BIOS'";
    EXPECT_EQ(memory.find(16, 8, 0, "b")->value, page_size + 16);
    EXPECT_EQ(memory.find(1, page_size, 0, "c")->value, 2 * page_size);
    EXPECT_EQ(memory.find(mib, 8, 0, "d")->value, mib) << "conventional memory is too small";
    EXPECT_EQ(memory.find(16, 8, 3 * mib, "e")->value, 3 * mib);
    EXPECT_THAT(memory.find(2 * mib, 8, 0, "the thing").error().message, HasSubstr("the thing of 2048 KiB"));
    EXPECT_FALSE(memory.load(2 * mib - 1, {}, 2, "kernel")) << "d ends there";
    EXPECT_TRUE(memory.load(2 * mib, {}, mib, "kernel"));
    EXPECT_FALSE(memory.load(0x9fbff, {}, 2, "kernel")) << "reaches into the EBDA";
    EXPECT_FALSE(memory.load(~u64{0}, {}, 2, "kernel"));
}

}  // namespace
}  // namespace softmetal::machine
