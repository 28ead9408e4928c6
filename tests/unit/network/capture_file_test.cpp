#include "network/capture_file.hpp"

#include "host/shared_memory.hpp"

#include <cstdio>
#include <cstring>
#include <gtest/gtest.h>
#include <unistd.h>

namespace softmetal::network {
namespace {

u32 word(const std::vector<char>& bytes, std::size_t at) {
    u32 value = 0;
    std::memcpy(&value, bytes.data() + at, 4);
    return value;
}

TEST(CaptureFile, IsAsItsFormatSays) {
    std::FILE* file = std::tmpfile();
    ASSERT_TRUE(file);
    const int copy = dup(fileno(file));
    {
        CaptureFile capture(host::UniqueFd(copy), 100);
        capture.add(3'000'000'007, std::vector<std::byte>(60, std::byte{0x11}));
        capture.add(4'999'999'999, std::vector<std::byte>(150, std::byte{0x22}));
    }
    ASSERT_EQ(std::fseek(file, 0, SEEK_SET), 0);
    std::vector<char> bytes(1000);
    bytes.resize(std::fread(bytes.data(), 1, bytes.size(), file));
    std::fclose(file);
    ASSERT_EQ(bytes.size(), 24u + 16 + 60 + 16 + 100);
    EXPECT_EQ(word(bytes, 0), 0xa1b23c4du);
    EXPECT_EQ(word(bytes, 4), 0x00040002u);
    EXPECT_EQ(word(bytes, 16), 100u);
    EXPECT_EQ(word(bytes, 20), 1u) << "Ethernet";
    EXPECT_EQ(word(bytes, 24), 3u);
    EXPECT_EQ(word(bytes, 28), 7u);
    EXPECT_EQ(word(bytes, 32), 60u);
    EXPECT_EQ(word(bytes, 36), 60u);
    EXPECT_EQ(bytes[40], 0x11);
    EXPECT_EQ(word(bytes, 100), 4u);
    EXPECT_EQ(word(bytes, 108), 100u) << "cut";
    EXPECT_EQ(word(bytes, 112), 150u);
}

}  // namespace
}  // namespace softmetal::network
