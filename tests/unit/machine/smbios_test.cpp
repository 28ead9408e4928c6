// The SMBIOS tables, read as dmidecode does it (DSP0134 2.8).
#include "machine/smbios.hpp"

#include "machine/board_layout.hpp"
#include "memory/guest_memory.hpp"

#include <gtest/gtest.h>
#include <map>
#include <string>

namespace softmetal::machine {
namespace {

using Bytes = std::vector<u8>;

Bytes to_bytes(std::span<const std::byte> b) {
    const auto* first = reinterpret_cast<const u8*>(b.data());
    return {first, first + b.size()};
}
u64 number(const Bytes& b, std::size_t at, unsigned size) {
    u64 value = 0;
    for (unsigned i = size; i-- > 0;) value = value << 8 | b.at(at + i);
    return value;
}

struct Structure {
    Bytes body;
    std::vector<std::string> strings;
    [[nodiscard]] std::string text(std::size_t at) const { return strings.at(body.at(at) - 1u); }
};

/// By type; handles count up, and nothing follows the end.
std::multimap<u8, Structure> parse(const Bytes& b) {
    std::multimap<u8, Structure> all;
    std::size_t at = 0, handle = 0;
    while (at < b.size()) {
        Structure s;
        const std::size_t length = b.at(at + 1);
        EXPECT_GE(length, 4u);
        s.body.assign(b.begin() + static_cast<std::ptrdiff_t>(at),
                      b.begin() + static_cast<std::ptrdiff_t>(at + length));
        EXPECT_EQ(number(s.body, 2, 2), handle++);
        at += length;
        if (b.at(at) == 0) at++;  // two zeros where there are no strings
        while (b.at(at) != 0) {
            s.strings.emplace_back(reinterpret_cast<const char*>(&b[at]));
            at += s.strings.back().size() + 1;
        }
        at++;
        all.emplace(s.body[0], s);
    }
    return all;
}

u8 sum(const Bytes& b, std::size_t first, std::size_t size) {
    u8 total = 0;
    for (std::size_t i = first; i < first + size; i++) total = static_cast<u8>(total + b.at(i));
    return total;
}

TEST(Smbios, DescribesTheMachine) {
    const SmbiosTables tables = build_smbios({.memory_bytes = u64{5} << 30, .cpus = 3});
    const auto structures = parse(to_bytes(tables.structures));
    EXPECT_EQ(structures.count(0), 0u) << "firmware describes itself";
    const std::map<u8, std::size_t> lengths = {{1, 27},  {3, 22},  {4, 42},  {16, 23},
                                               {17, 40}, {19, 31}, {32, 11}, {127, 4}};
    for (const auto& [type, s] : structures) EXPECT_EQ(s.body.size(), lengths.at(type)) << int{type};
    EXPECT_EQ(structures.count(4), 3u);
    EXPECT_EQ(structures.find(1)->second.text(4), "Softmetal");
    EXPECT_EQ(structures.find(1)->second.text(5), "Virtual Machine");
    EXPECT_EQ(structures.find(4)->second.text(4), "CPU 0");
    const Structure& array = structures.find(16)->second;
    EXPECT_EQ(number(array.body, 7, 4), 5u << 20);
    EXPECT_EQ(number(structures.find(17)->second.body, 4, 2), number(array.body, 2, 2));
    EXPECT_EQ(number(structures.find(17)->second.body, 12, 2), 5u << 10);
    EXPECT_EQ(structures.find(17)->second.text(23), "Softmetal");
    ASSERT_EQ(structures.count(19), 2u);
    const Structure& high = std::next(structures.find(19))->second;
    EXPECT_EQ(number(high.body, 4, 4), high_memory_start >> 10);
    EXPECT_EQ(number(high.body, 8, 4) - number(high.body, 4, 4) + 1, ((u64{5} << 30) - low_memory_end) >> 10);

    const Bytes entry = to_bytes(tables.entry_point);
    ASSERT_EQ(entry.size(), 31u);
    EXPECT_EQ(number(entry, 22, 2), tables.structures.size());
    EXPECT_EQ(number(entry, 28, 2), structures.size());
    EXPECT_EQ(sum(entry, 0, 31), 0);
    EXPECT_EQ(sum(entry, 16, 15), 0);
}

TEST(Smbios, MuchMemoryIsInTheExtendedFields) {
    const u64 bytes = u64{5} << 40;
    const auto structures = parse(to_bytes(build_smbios({.memory_bytes = bytes}).structures));
    EXPECT_EQ(number(structures.find(16)->second.body, 7, 4), 0x8000'0000u);
    EXPECT_EQ(number(structures.find(16)->second.body, 15, 8), bytes);
    EXPECT_EQ(number(structures.find(17)->second.body, 12, 2), 0x7fffu);
    EXPECT_EQ(number(structures.find(17)->second.body, 28, 4), bytes >> 20);
    const Structure& high = std::next(structures.find(19))->second;
    EXPECT_EQ(number(high.body, 4, 4), 0xffff'ffffu);
    EXPECT_EQ(number(high.body, 15, 8), high_memory_start);
}

TEST(Smbios, IsFoundWithoutFirmware) {
    const auto memory = *GuestMemory::create(2u << 20);
    ASSERT_TRUE(install_smbios(
        *memory, {.memory_bytes = 2u << 20, .cpus = layout::maximum_cpus, .has_firmware = false}));
    std::vector<std::byte> bytes(31);
    ASSERT_TRUE(memory->read({layout::smbios_start}, bytes));
    const Bytes entry = to_bytes(bytes);
    EXPECT_EQ(std::string(entry.begin(), entry.begin() + 4), "_SM_");
    EXPECT_EQ(sum(entry, 0, 31), 0);
    EXPECT_EQ(sum(entry, 16, 15), 0);
    bytes.resize(number(entry, 22, 2));
    ASSERT_TRUE(memory->read({number(entry, 24, 4)}, bytes));
    const auto structures = parse(to_bytes(bytes));
    EXPECT_EQ(structures.size(), number(entry, 28, 2));
    EXPECT_EQ(structures.find(0)->second.text(4), "Softmetal");
    EXPECT_EQ(structures.find(0)->second.body.size(), 24u);
}

}  // namespace
}  // namespace softmetal::machine
