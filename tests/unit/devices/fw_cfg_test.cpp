// The firmware configuration device.
#include "devices/fw_cfg/fw_cfg.hpp"

#include "devices/fw_cfg/fw_cfg_registers.hpp"
#include "virtio_driver.hpp"

#include <bit>
#include <gtest/gtest.h>

namespace softmetal::devices {
namespace {

namespace key = fw_cfg::key;

testing::FakeRam memory;

FwCfgItems some_items() { return FwCfgItems({.ram_bytes = 0x1'2345'6789, .cpus = 3}); }

u64 number(FwCfg& device, u16 item, unsigned bytes) {
    device.write_io(fw_cfg::selector, 2, item);
    u64 value = 0;
    for (unsigned i = 0; i < bytes; i++) value |= device.read_io(fw_cfg::data, 1) << (8 * i);
    return value;
}

std::string text(FwCfg& device, unsigned bytes) {
    std::string read;
    for (unsigned i = 0; i < bytes; i++) read.push_back(static_cast<char>(device.read_io(fw_cfg::data, 1)));
    return read;
}

TEST(FwCfg, TellsWhatTheMachineIsMadeOf) {
    FwCfg device(some_items(), memory);
    device.write_io(fw_cfg::selector, 2, key::signature);
    EXPECT_EQ(text(device, 4), "QEMU");
    EXPECT_EQ(number(device, key::id, 4), 3u);
    EXPECT_EQ(number(device, key::ram_size, 8), 0x1'2345'6789u);
    EXPECT_EQ(number(device, key::cpu_count, 2), 3u);
    EXPECT_EQ(number(device, key::max_cpu_count, 2), 3u);
}

TEST(FwCfg, ReadsZerosBehindAnItemAndWhereThereIsNone) {
    FwCfg device(some_items(), memory);
    EXPECT_EQ(number(device, key::cpu_count, 4), 3u);
    EXPECT_EQ(number(device, 0x4321, 4), 0u);
}

TEST(FwCfg, BeginsAnItemAnewWhenItIsSelected) {
    FwCfg device(some_items(), memory);
    EXPECT_EQ(number(device, key::ram_size, 2), 0x6789u);
    EXPECT_EQ(number(device, key::ram_size, 2), 0x6789u);
}

TEST(FwCfg, IgnoresWritesAndOtherWidths) {
    FwCfg device(some_items(), memory);
    device.write_io(fw_cfg::selector, 2, key::cpu_count);
    device.write_io(fw_cfg::data, 1, 9);
    device.write_io(fw_cfg::selector, 1, key::signature);
    EXPECT_EQ(device.read_io(fw_cfg::selector, 2), 0xffffu);
    EXPECT_EQ(device.read_io(fw_cfg::data, 1), 3u);
}

TEST(FwCfg, ListsItsFiles) {
    FwCfgItems items = some_items();
    ASSERT_TRUE(items.add_file("etc/one", {1, 2, 3}));
    ASSERT_TRUE(items.add_file("etc/two", {4}));
    EXPECT_FALSE(items.add_file("etc/two", {5}));
    EXPECT_FALSE(items.add_file("", {5}));
    EXPECT_FALSE(items.add_file(std::string(fw_cfg::file_name_size, 'x'), {5}));
    FwCfg device(std::move(items), memory);
    device.write_io(fw_cfg::selector, 2, key::file_directory);
    EXPECT_EQ(text(device, 4), std::string("\0\0\0\2", 4));
    EXPECT_EQ(text(device, 8), std::string("\0\0\0\3\0\x20\0\0", 8));
    EXPECT_EQ(text(device, fw_cfg::file_name_size).c_str(), std::string("etc/one"));
    EXPECT_EQ(text(device, 8), std::string("\0\0\0\1\0\x21\0\0", 8));
    EXPECT_EQ(number(device, key::first_file, 3), 0x030201u);
    EXPECT_EQ(number(device, key::first_file + 1, 1), 4u);
}

struct Transfer {
    u32 control, length;
    u64 address;
};

u32 run_transfer(FwCfg& device, u32 control, u32 length, u64 to, u64 at = 0x1000) {
    memory.put(at, Transfer{std::byteswap(control), std::byteswap(length), std::byteswap(to)});
    device.write_io(fw_cfg::dma, 4, std::byteswap(static_cast<u32>(at >> 32)));
    device.write_io(fw_cfg::dma_low, 4, std::byteswap(static_cast<u32>(at)));
    return std::byteswap(memory.get<u32>(at));
}

TEST(FwCfg, CopiesAnItemToMemory) {
    namespace transfer = fw_cfg::transfer;
    FwCfg device(some_items(), memory);
    EXPECT_EQ(device.read_io(fw_cfg::dma, 4), 0x554d4551u);      // "QEMU"
    EXPECT_EQ(device.read_io(fw_cfg::dma_low, 4), 0x47464320u);  // " CFG"
    const u32 select_ram = u32{key::ram_size} << 16 | transfer::select;
    memory.put<u64>(0x2000, ~u64{0});
    EXPECT_EQ(run_transfer(device, select_ram | transfer::read, 4, 0x2000), 0u);
    EXPECT_EQ(memory.get<u64>(0x2000), 0xffff'ffff'2345'6789u);
    EXPECT_EQ(run_transfer(device, transfer::read, 8, 0x2000), 0u);  // what is left, then zeros
    EXPECT_EQ(memory.get<u64>(0x2000), 1u);
    EXPECT_EQ(run_transfer(device, select_ram | transfer::skip, 3, 0), 0u);
    EXPECT_EQ(device.read_io(fw_cfg::data, 1), 0x23u);
    EXPECT_EQ(run_transfer(device, select_ram | transfer::skip, ~0u, 0), 0u);
    EXPECT_EQ(device.read_io(fw_cfg::data, 1), 0u);
}

TEST(FwCfg, RefusesTransfersItCannotMake) {
    namespace transfer = fw_cfg::transfer;
    FwCfg device(some_items(), memory);
    EXPECT_EQ(run_transfer(device, transfer::write, 4, 0x2000), transfer::error);
    EXPECT_EQ(run_transfer(device, transfer::read, 4, 0xffff'0000'0000), transfer::error);
    device.write_io(fw_cfg::dma, 8, std::byteswap(u64{0xffff'0000'0000}));  // the request itself is nowhere
    device.write_io(fw_cfg::dma, 4, std::byteswap(0x1234u));
    auto restored = FwCfg::restore(some_items(), memory, device.save());
    ASSERT_TRUE(restored) << restored.error().message;
    EXPECT_EQ((*restored)->save().fields, device.save().fields);
}

TEST(FwCfg, RestoresInTheMiddleOfAnItem) {
    FwCfg device(some_items(), memory);
    EXPECT_EQ(number(device, key::ram_size, 1), 0x89u);
    auto restored = FwCfg::restore(some_items(), memory, device.save());
    ASSERT_TRUE(restored) << restored.error().message;
    EXPECT_EQ((*restored)->read_io(fw_cfg::data, 1), 0x67u);
    bus::SavedState bad = device.save();
    bad.fields["key"] = 0x10000;
    EXPECT_FALSE(FwCfg::restore(some_items(), memory, bad));
}

}  // namespace
}  // namespace softmetal::devices
