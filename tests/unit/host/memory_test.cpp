// Memory of this process: what is written to code memory runs, and neither kind costs or contains anything at
// first.
#include "host/code_memory.hpp"
#include "host/private_memory.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <utility>

namespace softmetal::host {
namespace {

TEST(CodeMemory, RunsWhatWasWritten) {
    auto memory = CodeMemory::create(4 << 20);
    ASSERT_TRUE(memory) << memory.error().message;
    const u8 code[] = {0x8d, 0x47, 0x07, 0xc3};  // lea eax,[rdi+7]; ret
    u8* at = memory->writable() + (3 << 20);
    std::memcpy(at, code, sizeof code);
    const auto function =
        reinterpret_cast<int (*)(int)>(reinterpret_cast<u64>(memory->executable()) + (3 << 20));
    EXPECT_EQ(function(35), 42);
    EXPECT_EQ(memory->writable(memory->executable() + 5), memory->writable() + 5);
}

TEST(PrivateMemory, IsZeroAndLargerThanWhatIsTouched) {
    auto memory = PrivateMemory::create("a test", u64{1} << 36);
    ASSERT_TRUE(memory) << memory.error().message;
    EXPECT_EQ(memory->size(), u64{1} << 36);
    memory->data()[memory->size() - 1] = 5;
    const PrivateMemory moved = std::move(*memory);
    EXPECT_EQ(moved.data()[moved.size() - 1], 5);
    EXPECT_EQ(moved.data()[0], 0);
}

TEST(PrivateMemory, SaysThatThereIsNotSoMuch) {
    const auto memory = PrivateMemory::create("a test", u64{1} << 62);
    ASSERT_FALSE(memory);
    EXPECT_NE(memory.error().message.find("a test"), std::string::npos);
}

}  // namespace
}  // namespace softmetal::host
