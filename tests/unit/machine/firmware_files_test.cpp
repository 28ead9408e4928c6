// What firmware is told, and who sits where on the IDE cables.
#include "machine/firmware_files.hpp"

#include "devices/fw_cfg/fw_cfg_registers.hpp"

#include <gmock/gmock.h>

namespace softmetal::machine {
namespace {

using ::testing::HasSubstr;

std::string file(const devices::FwCfgItems& items, std::string_view name) {
    namespace key = devices::fw_cfg::key;
    const auto& directory = items.at(key::file_directory);
    for (std::size_t at = 4; at < directory.size(); at += 64) {
        if (reinterpret_cast<const char*>(&directory[at + 8]) != name) continue;
        const auto& content = items.at(static_cast<u16>(directory[at + 4] << 8 | directory[at + 5]));
        return {content.begin(), content.end()};
    }
    return "missing";
}

std::string boot_order(BootDevice first) {
    const auto items =
        firmware_files({.memory_bytes = 64u << 20, .boot = first}, {}, {1, 1, 1, *assign_ide_places(1, 1)});
    return file(*items, "bootorder");
}

TEST(FirmwareFiles, BootOrderBeginsWithWhatIsAskedFor) {
    EXPECT_EQ(boot_order(BootDevice::disk),
              "/pci@i0cf8/ide@1,1/drive@0/disk@0\n/pci@i0cf8/scsi@4/disk@0,0\n"
              "/pci@i0cf8/ide@1,1/drive@1/disk@0\n/pci@i0cf8/isa@1/fdc@03f0/floppy@0\n"
              "/pci@i0cf8/ethernet@1c/ethernet-phy@0\n");
    EXPECT_EQ(boot_order(BootDevice::cdrom).find("/pci@i0cf8/ide@1,1/drive@1/disk@0"), 0u);
    EXPECT_EQ(boot_order(BootDevice::floppy).find("/pci@i0cf8/isa@1/fdc"), 0u);
    EXPECT_EQ(boot_order(BootDevice::network).find("/pci@i0cf8/ethernet@1c"), 0u);
}

TEST(FirmwareFiles, AKernelComesFirstWithItsBootProgram) {
    namespace key = devices::fw_cfg::key;
    RealModeKernel kernel;
    kernel.setup = {0x1'0000, {1, 2, 3}};
    kernel.payload = {0x10'0000, {4, 5}};
    kernel.command_line = {0x1'e000, {0}};
    const auto items = firmware_files({.memory_bytes = 64u << 20}, {}, {.floppies = 1, .kernel = kernel});
    ASSERT_TRUE(items);
    EXPECT_EQ(file(*items, "bootorder"),
              "/rom@genroms/softmetal-linux.rom\n/pci@i0cf8/isa@1/fdc@03f0/floppy@0\n");
    EXPECT_EQ(file(*items, "genroms/softmetal-linux.rom").substr(0, 2), "\x55\xaa");
    EXPECT_EQ(items->at(key::setup_address), (std::vector<u8>{0, 0, 1, 0}));
    EXPECT_EQ(items->at(key::setup_size), (std::vector<u8>{3, 0, 0, 0}));
    EXPECT_EQ(items->at(key::setup_data), (std::vector<u8>{1, 2, 3}));
    EXPECT_EQ(items->at(key::kernel_address), (std::vector<u8>{0, 0, 0x10, 0}));
    EXPECT_EQ(items->at(key::kernel_data), (std::vector<u8>{4, 5}));
    EXPECT_EQ(items->at(key::command_line_address), (std::vector<u8>{0, 0xe0, 1, 0}));
    EXPECT_EQ(items->at(key::command_line_data), (std::vector<u8>{0}));
    EXPECT_EQ(items->at(key::initrd_size), (std::vector<u8>{0, 0, 0, 0}));
    EXPECT_EQ(file(*firmware_files({.memory_bytes = 64u << 20}, {}, {}), "genroms/softmetal-linux.rom"),
              "missing");
}

TEST(FirmwareFiles, OthersCanBeAdded) {
    const std::vector<FirmwareFile> more = {{"opt/a", {std::byte{'x'}}}};
    EXPECT_EQ(file(*firmware_files({.memory_bytes = 64u << 20}, {}, {}, more), "opt/a"), "x");
    const std::vector<FirmwareFile> taken = {{"bootorder", {}}};
    EXPECT_FALSE(firmware_files({.memory_bytes = 64u << 20}, {}, {}, taken));
}

TEST(FirmwareFiles, TheMenuIsAskedFor) {
    namespace key = devices::fw_cfg::key;
    const auto menu = [](bool wanted) {
        return firmware_files({.memory_bytes = 64u << 20, .boot_menu = wanted}, {}, {})->at(key::boot_menu);
    };
    EXPECT_EQ(menu(false), (std::vector<u8>{0, 0}));
    EXPECT_EQ(menu(true), (std::vector<u8>{1, 0}));
}

TEST(FirmwareFiles, MemoryMapSplitsAtTheHole) {
    const auto map = [](u64 bytes) {
        return file(*firmware_files({.memory_bytes = bytes}, {}, {}), "etc/e820").size();
    };
    EXPECT_EQ(map(64u << 20), 20u);
    EXPECT_EQ(map(u64{5} << 30), 40u);
}

TEST(IdePlaces, DisksTakeWhatCdromsLeave) {
    const auto places = *assign_ide_places(3, 1);
    EXPECT_FALSE(places[0]->cdrom);
    EXPECT_EQ(places[1]->number, 1u);
    EXPECT_TRUE(places[2]->cdrom);
    EXPECT_EQ(places[3]->number, 2u);
    EXPECT_THAT(assign_ide_places(4, 1).error().message, HasSubstr("at most 4 IDE drives, not 5"));
    EXPECT_THAT(assign_ide_places(0, 3).error().message, HasSubstr("at most 2 CD-ROM drives, not 3"));
}

}  // namespace
}  // namespace softmetal::machine
