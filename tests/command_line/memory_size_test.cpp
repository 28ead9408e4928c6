#include "memory_size.hpp"

#include <gtest/gtest.h>

namespace softmetal {
namespace {

TEST(MemorySize, UnderstandsWhatPeopleWrite) {
    EXPECT_EQ(parse_memory_size("512M"), u64{512} << 20);
    EXPECT_EQ(parse_memory_size("2g"), u64{2} << 30);
    EXPECT_EQ(parse_memory_size("64KiB"), u64{64} << 10);
    EXPECT_EQ(parse_memory_size("1TB"), u64{1} << 40);
    EXPECT_EQ(parse_memory_size("4096"), 4096u);
    EXPECT_EQ(parse_memory_size("4096B"), 4096u);
    EXPECT_EQ(parse_memory_size("0"), 0u);
}

TEST(MemorySize, RefusesTheRest) {
    for (const char* text : {"", "M", "1.5G", "-1G", "+1G", " 1G", "1 G", "1GG", "1Gi", "1iB", "0x10", "1E",
                             "99999999999999999999", "17592186044416M", "16777216T"})
        EXPECT_FALSE(parse_memory_size(text).has_value()) << text;
}

TEST(MemorySize, LargestThatFits) { EXPECT_EQ(parse_memory_size("16777215T"), u64{16777215} << 40); }

TEST(MemorySize, IsPrintedInTheLargestUnit) {
    EXPECT_EQ(format_memory_size(u64{1} << 30), "1G");
    EXPECT_EQ(format_memory_size(u64{1536} << 20), "1536M");
    EXPECT_EQ(format_memory_size(1000), "1000 bytes");
}

TEST(MemorySize, GuestMemoryHasLimits) {
    constexpr u64 host = u64{8} << 30;
    EXPECT_TRUE(check_guest_memory(u64{4} << 20, host).has_value());
    EXPECT_TRUE(check_guest_memory(host, host).has_value());
    EXPECT_FALSE(check_guest_memory(host + 4096, host).has_value());
    EXPECT_FALSE(check_guest_memory((u64{4} << 20) - 4096, host).has_value());
    EXPECT_FALSE(check_guest_memory((u64{8} << 20) + 1, host).has_value());
}

}  // namespace
}  // namespace softmetal
