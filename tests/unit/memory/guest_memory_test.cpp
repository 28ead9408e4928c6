// What answers where: RAM below and above 4 GiB, the holes, firmware, and the chipset's window.
#include "memory/guest_memory.hpp"

#include <array>
#include <gtest/gtest.h>
#include <vector>

namespace softmetal {
namespace {

constexpr u64 mib = 1 << 20;

std::unique_ptr<GuestMemory> make(u64 bytes) { return std::move(*GuestMemory::create(bytes)); }

/// Every page begins with its own number.
std::vector<std::byte> numbered_firmware(unsigned pages) {
    std::vector<std::byte> image(pages * page_size);
    for (unsigned i = 0; i < pages; i++) image[i * page_size] = static_cast<std::byte>(i);
    return image;
}

TEST(GuestMemory, HolesAreNotRam) {
    const auto memory = make(2 * mib);
    EXPECT_NE(memory->page({0x9ffff}), nullptr);
    for (const u64 hole : {0xa0000ull, 0xbffffull, 2ull * mib, 0xffff'fff0ull, 0x1'0000'0000ull}) {
        EXPECT_EQ(memory->page({hole}), nullptr);
        EXPECT_EQ(memory->writable_page({hole}), nullptr);
    }
    EXPECT_EQ(memory->page({0xc0000}), memory->writable_page({0xc0000}));
    EXPECT_NE(memory->page({0xfffff}), nullptr);
}

TEST(GuestMemory, WhatIsReclaimedReadsAsZeroAndCanBeWrittenAgain) {
    const auto memory = make(4 * mib);
    for (const u64 page : {0x1000ull, 0x9f000ull, 0xc0000ull, 0x10'0000ull, 0x3f'f000ull})
        *memory->page({page}) = 7;
    EXPECT_EQ(memory->reclaim({0x1001}, 0xfff), 0u) << "no whole page";
    EXPECT_EQ(*memory->page({0x1000}), 7);
    EXPECT_EQ(memory->reclaim({0}, 0x1'0000'0000), 0xa0000 + 3 * mib) << "all but the chipset's window";
    for (const u64 page : {0x1000ull, 0x9f000ull, 0x10'0000ull, 0x3f'f000ull})
        EXPECT_EQ(*memory->page({page}), 0);
    EXPECT_EQ(*memory->page({0xc0000}), 7);
    *memory->page({0x1000}) = 9;
    EXPECT_EQ(memory->reclaim({~u64{0} - 10}, ~u64{0}), 0u);
    EXPECT_EQ(*memory->page({0x1000}), 9);
}

TEST(GuestMemory, ReclaimingCodeTellsWhoTranslatedIt) {
    struct Observer final : CodeWriteObserver {
        void code_about_to_change(GuestPhysical a, u64, u64 translators) override {
            told.emplace_back(a.value, translators);
        }
        std::vector<std::pair<u64, u64>> told;
    } observer;
    const auto memory = make(2 * mib);
    memory->observe_code_writes(&observer);
    static_cast<void>(memory->mark_code({0x3000}, 1));
    memory->reclaim({0x2000}, 0x4000);
    ASSERT_EQ(observer.told.size(), 1u);
    EXPECT_EQ(observer.told[0], (std::pair<u64, u64>{0x3000, 2}));
}

TEST(GuestMemory, FirmwareEndsAtFourGibAndBelowOneMib) {
    const auto memory = make(2 * mib);
    ASSERT_TRUE(memory->install_firmware(numbered_firmware(64)));
    EXPECT_EQ(memory->page({0xfffb'f000}), nullptr);
    EXPECT_EQ(*memory->page({0xfffc'0000}), 0);
    EXPECT_EQ(*memory->page({0xffff'f000}), 63);
    EXPECT_EQ(memory->writable_page({0xffff'f000}), nullptr);
    memory->shadow(0xc0000, 0x40000, false, false);
    EXPECT_EQ(memory->page({0xdf000}), nullptr);
    EXPECT_EQ(*memory->page({0xe0000}), 32);
    EXPECT_EQ(*memory->page({0xff000}), 63);
    EXPECT_EQ(memory->writable_page({0xff000}), nullptr);
}

TEST(GuestMemory, SmallFirmwareFillsTheLastSegmentOnly) {
    const auto memory = make(2 * mib);
    memory->shadow(0xc0000, 0x40000, false, false);
    ASSERT_TRUE(memory->install_firmware(numbered_firmware(16)));
    EXPECT_EQ(memory->page({0xef000}), nullptr);
    EXPECT_EQ(*memory->page({0xf0000}), 0);
}

TEST(GuestMemory, DevicesSeeWhatProcessorsSee) {
    const auto memory = make(2 * mib);
    ASSERT_TRUE(memory->install_firmware(numbered_firmware(32)));
    std::array<std::byte, 1> byte{std::byte{0x77}};
    memory->shadow(0xf0000, 0x10000, false, true);
    EXPECT_TRUE(memory->write({0xf1000}, byte));
    EXPECT_TRUE(memory->read({0xf1000}, byte));
    EXPECT_EQ(byte[0], std::byte{17});
    memory->shadow(0xf0000, 0x10000, true, false);
    EXPECT_TRUE(memory->read({0xf1000}, byte));
    EXPECT_EQ(byte[0], std::byte{0x77});
    EXPECT_FALSE(memory->write({0xf1000}, byte));
    EXPECT_FALSE(memory->write({0xffff'f000}, byte));
}

TEST(GuestMemory, CodeMarksOfFirmwareAreNotThoseOfRam) {
    const auto memory = make(2 * mib);
    ASSERT_TRUE(memory->install_firmware(numbered_firmware(32)));
    memory->mark_code({0xffff'f000}, 0);
    EXPECT_FALSE(memory->holds_code({0xffff'f000}));
    memory->mark_code({0x5000}, 0);
    EXPECT_TRUE(memory->holds_code({0x5fff}));
    memory->unmark_code({0x5000}, 0);
    EXPECT_FALSE(memory->holds_code({0x5000}));
}

}  // namespace
}  // namespace softmetal
