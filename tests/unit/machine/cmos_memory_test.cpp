// RAM sizes in CMOS memory, as old systems read them.
#include "machine/cmos_memory.hpp"

#include <array>
#include <gtest/gtest.h>

namespace softmetal::machine {
namespace {

struct Cmos {
    explicit Cmos(u64 ram) { describe_memory_in_cmos(bytes, ram); }
    [[nodiscard]] u32 at(u8 index, unsigned count) const {
        u32 value = 0;
        for (unsigned i = count; i-- > 0;) value = value << 8 | bytes.at(index + i);
        return value;
    }
    std::array<u8, 128> bytes{};
};
constexpr u64 mib = 1u << 20;

TEST(CmosMemory, SmallMachines) {
    const Cmos cmos(8 * mib);
    EXPECT_EQ(cmos.at(0x15, 2), 640u);
    EXPECT_EQ(cmos.at(0x17, 2), 7u * 1024);
    EXPECT_EQ(cmos.at(0x30, 2), 7u * 1024);
    EXPECT_EQ(cmos.at(0x34, 2), 0u);
    EXPECT_EQ(cmos.at(0x5b, 3), 0u);
}

TEST(CmosMemory, LargeMachinesSaturateTheOldPlaces) {
    const Cmos cmos(5 * 1024 * mib);
    EXPECT_EQ(cmos.at(0x17, 2), 0xffffu);
    EXPECT_EQ(cmos.at(0x34, 2), (3072u - 16) * 16);
    EXPECT_EQ(cmos.at(0x5b, 3), 2048u * 16);
}

}  // namespace
}  // namespace softmetal::machine
