// The PIIX's IDE channels with disks and CD-ROM drives, as a driver sees them.
#include "devices/ide/piix_ide.hpp"
#include "devices/pci/pci_registers.hpp"
#include "fake_store.hpp"
#include "virtio_driver.hpp"

#include <gtest/gtest.h>

namespace softmetal::devices::ide {
namespace {

using testing::FakeLine;
using testing::FakeRam;
using testing::MemoryStore;
using testing::MessageLog;

constexpr u64 disk_sectors = 20000, cd_blocks = 300;
constexpr u64 primary = 0x1f0, secondary = 0x170, masters = 0xc000;

struct IdeTest : ::testing::Test {
    bus::AddressSpace ports, memory;
    FakeRam ram;
    MessageLog messages;
    FakeLine irq14, irq15;
    MemoryStore disk{disk_sectors * sector_bytes};
    MemoryStore disc{cd_blocks * cd_block_bytes, true};
    pci::Surroundings surroundings{ports, memory, ram, messages, nullptr};
    PiixIde::Resources resources{{&irq14, &irq15},
                                 {DriveSlot{DriveKind::disk, &disk, "one"}, std::nullopt,
                                  DriveSlot{DriveKind::cdrom, &disc, ""}, std::nullopt}};
    std::unique_ptr<PiixIde> ide;

    void SetUp() override {
        ide = std::make_unique<PiixIde>(surroundings, resources);
        EXPECT_EQ(in(primary + reg::status), 0xff) << "nothing is decoded yet";
        ide->write_configuration(0x20, 4, masters);
        ide->enable_channels();
        ide->write_configuration(pci::reg::command, 2, pci::command::port_decode | pci::command::bus_master);
    }
    u8 in(u64 port) { return static_cast<u8>(ports.read(port, 1)); }
    void out(u64 port, u8 value) { ports.write(port, 1, value); }
    u8 wait(u64 base) {
        for (;;) {
            const u8 status = in(base + 0x206);
            if (!(status & status::busy)) return status;
            std::this_thread::yield();
        }
    }
    /// The status register, with its effect.
    u8 finish(u64 base) {
        wait(base);
        return in(base + reg::status);
    }
    void address(u64 lba, u8 count, u64 base = primary) {
        out(base + reg::device, static_cast<u8>(device::lba | (lba >> 24 & 0xf)));
        out(base + reg::count, count);
        out(base + reg::lba_low, static_cast<u8>(lba));
        out(base + reg::lba_mid, static_cast<u8>(lba >> 8));
        out(base + reg::lba_high, static_cast<u8>(lba >> 16));
    }
    std::vector<std::byte> read_data(std::size_t bytes, u64 base = primary) {
        std::vector<std::byte> data(bytes);
        for (std::size_t i = 0; i < bytes; i += 2) {
            const u64 word = ports.read(base, 2);
            std::memcpy(data.data() + i, &word,
                        std::min<std::size_t>(2, bytes - i));  // the last may be half a word
        }
        return data;
    }
    void write_data(std::span<const std::byte> data, u64 base = primary) {
        for (std::size_t i = 0; i < data.size(); i += 2) {
            u64 word = 0;
            std::memcpy(&word, data.data() + i, 2);
            ports.write(base, 2, word);
        }
    }
    std::vector<std::byte> stored(u64 sector, u64 count) const {
        const auto begin = disk.bytes.begin() + static_cast<std::ptrdiff_t>(sector * sector_bytes);
        return {begin, begin + static_cast<std::ptrdiff_t>(count * sector_bytes)};
    }
    static std::vector<std::byte> pattern(std::size_t bytes, u8 seed) {
        std::vector<std::byte> data(bytes);
        for (std::size_t i = 0; i < bytes; i++) data[i] = static_cast<std::byte>(i * 7 + seed);
        return data;
    }
    u16 word(const std::vector<std::byte>& data, unsigned n) {
        u16 value = 0;
        std::memcpy(&value, data.data() + 2 * n, 2);
        return value;
    }
    /// Two regions: 0x20000 with `first` bytes, the rest at 0x40000.
    void prd_table(u32 first, u32 rest) {
        ram.put<u32>(0x1000, 0x20000);
        ram.put<u32>(0x1004, rest ? first : first | 0x8000'0000);
        ram.put<u32>(0x1008, 0x40000);
        ram.put<u32>(0x100c, rest | 0x8000'0000);
        ports.write(masters + 4, 4, 0x1000);
    }
    void replace_by_restored() {
        const auto saved = ide->save();
        ide.reset();
        auto restored = PiixIde::restore(surroundings, resources, saved);
        ASSERT_TRUE(restored) << restored.error().message;
        ide = std::move(*restored);
        EXPECT_EQ(ide->save().fields, saved.fields);
    }
    void packet(std::initializer_list<u8> bytes, u16 limit = 0xfffe, bool by_dma = false) {
        out(secondary + reg::device, 0);
        out(secondary + reg::features, by_dma);
        out(secondary + reg::lba_mid, static_cast<u8>(limit));
        out(secondary + reg::lba_high, static_cast<u8>(limit >> 8));
        out(secondary + reg::command, command::packet);
        EXPECT_EQ(wait(secondary) & status::data_request, status::data_request);
        EXPECT_EQ(in(secondary + reg::count), reason::command);
        std::vector<std::byte> p(packet_bytes);
        std::ranges::transform(bytes, p.begin(), [](u8 b) { return static_cast<std::byte>(b); });
        write_data(p, secondary);
    }
    /// All blocks of a packet command's answer.
    std::vector<std::byte> packet_answer() {
        std::vector<std::byte> all;
        while (finish(secondary) & status::data_request) {
            EXPECT_EQ(in(secondary + reg::count), reason::to_host);
            const auto bytes =
                static_cast<std::size_t>(in(secondary + reg::lba_mid) | in(secondary + reg::lba_high) << 8);
            const auto block = read_data(bytes, secondary);
            all.insert(all.end(), block.begin(), block.end());
        }
        EXPECT_EQ(in(secondary + reg::count), reason::command | reason::to_host);
        return all;
    }
    u8 sense_key() {
        packet({packet::request_sense, 0, 0, 0, 18});
        return std::to_integer<u8>(packet_answer().at(2));
    }
};

TEST_F(IdeTest, IdentityAndSignatures) {
    EXPECT_EQ(ide->read_configuration(0, 4), 0x70108086u);
    EXPECT_EQ(ide->read_configuration(8, 4), 0x01018000u);
    EXPECT_EQ(in(primary + reg::count), 1);
    EXPECT_EQ(in(primary + reg::lba_mid), 0);
    EXPECT_EQ(in(secondary + reg::lba_mid), 0x14);
    EXPECT_EQ(in(secondary + reg::lba_high), 0xeb);
    out(primary + reg::device, device::second);
    EXPECT_EQ(in(primary + reg::status), 0) << "the first drive answers for the one that is not there";
    out(primary + reg::device, 0);
    out(primary + reg::command, command::identify);
    EXPECT_EQ(finish(primary), status::ready | status::seek_complete | status::data_request);
    const auto id = read_data(512);
    EXPECT_EQ(word(id, 60) | word(id, 61) << 16, static_cast<int>(disk_sectors));
    EXPECT_EQ(word(id, 100), disk_sectors);
    EXPECT_EQ(word(id, 27), 'S' << 8 | 'o');
    EXPECT_EQ(finish(primary), status::ready | status::seek_complete);
    EXPECT_FALSE(irq14.high());
}

TEST_F(IdeTest, PioReadInterruptsForEachSector) {
    address(7, 3);
    out(primary + reg::command, command::read_sectors);
    std::vector<std::byte> got;
    for (int i = 0; i < 3; i++) {
        EXPECT_TRUE(finish(primary) & status::data_request);
        EXPECT_FALSE(irq14.high());
        const auto sector = read_data(512);
        got.insert(got.end(), sector.begin(), sector.end());
    }
    EXPECT_EQ(got, stored(7, 3));
    EXPECT_EQ(irq14.rises(), 3u);
    EXPECT_EQ(finish(primary), status::ready | status::seek_complete);
}

TEST_F(IdeTest, MultipleSectorsAndWideAddresses) {
    out(primary + reg::count, 16);
    out(primary + reg::command, command::set_multiple);
    EXPECT_EQ(finish(primary) & status::error, 0);
    const auto data = pattern(300 * 512, 3);
    out(primary + reg::device, device::lba);
    for (const u8 high : {1, 0}) {  // the upper bytes come first
        out(primary + reg::count, high ? 1 : 44);
        out(primary + reg::lba_low, high ? 0 : 100);
        out(primary + reg::lba_mid, 0);
        out(primary + reg::lba_high, 0);
    }
    out(primary + 0x206, control::high_order_byte);
    EXPECT_EQ(in(primary + reg::count), 1);
    out(primary + reg::command, command::write_multiple_ext);
    for (std::size_t at = 0; at < data.size(); at += 16 * 512) {
        EXPECT_TRUE(finish(primary) & status::data_request);
        write_data(std::span(data).subspan(at, std::min<std::size_t>(16 * 512, data.size() - at)));
    }
    EXPECT_EQ(finish(primary), status::ready | status::seek_complete);
    EXPECT_EQ(stored(100, 300), data);
    EXPECT_EQ(disk.flushes, 0u);
    out(primary + reg::command, command::flush_ext);
    EXPECT_EQ(finish(primary) & status::error, 0);
    EXPECT_EQ(disk.flushes, 1u);
}

TEST_F(IdeTest, WithoutWriteCacheEveryWriteIsFlushed) {
    out(primary + reg::features, feature::write_cache_off);
    out(primary + reg::command, command::set_features);
    finish(primary);
    const unsigned before = disk.flushes;
    address(1, 1);
    out(primary + reg::command, command::write_sectors);
    EXPECT_FALSE(irq14.high());
    write_data(pattern(512, 1));
    finish(primary);
    EXPECT_EQ(disk.flushes, before + 1);
}

TEST_F(IdeTest, DmaReadsIntoSeveralRegions) {
    constexpr unsigned sectors = 200;  // more than the drive moves at once
    prd_table(0x6200, sectors * 512 - 0x6200 - 0x4000);
    ram.put<u32>(0x100c, 0x10000 - 0x8000);
    ram.put<u32>(0x1010, 0x80000);
    ram.put<u32>(0x1014, (sectors * 512 - 0x6200 - 0x8000) | 0x8000'0000);
    address(11, sectors);
    out(masters, bus_master::to_memory);
    out(primary + reg::command, command::read_dma);
    out(masters, bus_master::to_memory | bus_master::start);
    EXPECT_EQ(finish(primary), status::ready | status::seek_complete);
    EXPECT_EQ(in(masters + 2), bus_master::interrupt);
    const auto expected = stored(11, sectors);
    const auto same = [&](u64 at, std::size_t from, std::size_t size) {
        return std::ranges::equal(ram.at(at, size), std::span(expected).subspan(from, size));
    };
    EXPECT_TRUE(same(0x20000, 0, 0x6200));
    EXPECT_TRUE(same(0x40000, 0x6200, 0x8000));
    EXPECT_TRUE(same(0x80000, 0xe200, sectors * 512 - 0xe200));
    out(masters + 2, bus_master::interrupt);
    EXPECT_EQ(in(masters + 2), 0);
}

TEST_F(IdeTest, DmaWriteWithATableThatIsTooLongStaysActive) {
    const auto data = pattern(1024, 9);
    std::ranges::copy(data, ram.at(0x20000, 1024).begin());
    prd_table(4096, 0);
    address(50, 2);
    out(primary + reg::command, command::write_dma);
    out(masters, bus_master::start);
    EXPECT_EQ(finish(primary) & status::error, 0);
    EXPECT_EQ(stored(50, 2), data);
    EXPECT_EQ(in(masters + 2), bus_master::interrupt | bus_master::active);
    out(masters, 0);
    EXPECT_EQ(in(masters + 2), bus_master::interrupt);
}

TEST_F(IdeTest, DmaOutsideOfMemoryIsAnError) {
    ram.put<u32>(0x1000, 0xfff0'0000);
    ram.put<u32>(0x1004, 0x8000'0200);
    ports.write(masters + 4, 4, 0x1000);
    address(0, 1);
    out(masters, bus_master::to_memory | bus_master::start);
    out(primary + reg::command, command::read_dma);
    while (!(in(masters + 2) & bus_master::error)) std::this_thread::yield();
    EXPECT_FALSE(in(masters + 2) & bus_master::active);
    out(primary + 0x206, control::software_reset);  // as a driver goes on
    out(primary + 0x206, 0);
    EXPECT_EQ(finish(primary), status::ready | status::seek_complete);
}

TEST_F(IdeTest, CylindersHeadsAndSectors) {
    out(primary + reg::device, 3);  // head 3
    out(primary + reg::count, 1);
    out(primary + reg::lba_low, 5);
    out(primary + reg::lba_mid, 2);
    out(primary + reg::lba_high, 0);
    out(primary + reg::command, command::read_sectors);
    finish(primary);
    EXPECT_EQ(read_data(512), stored((2 * 16 + 3) * 63 + 4, 1));
    out(primary + reg::lba_low, 0);  // sectors count from 1
    out(primary + reg::command, command::read_sectors);
    EXPECT_TRUE(finish(primary) & status::error);
    EXPECT_EQ(in(primary + reg::error), error::id_not_found);
}

TEST_F(IdeTest, WhatIsNotOnTheDiskFails) {
    address(disk_sectors - 1, 2);
    out(primary + reg::command, command::read_dma);
    EXPECT_EQ(finish(primary) & (status::error | status::data_request), status::error);
    EXPECT_EQ(in(primary + reg::error), error::id_not_found);
    out(primary + reg::command, 0xfe);
    EXPECT_TRUE(finish(primary) & status::error);
    EXPECT_EQ(in(primary + reg::error), error::aborted);
    disk.broken = true;
    address(0, 1);
    out(primary + reg::command, command::read_sectors);
    EXPECT_TRUE(finish(primary) & status::error);
    EXPECT_EQ(in(primary + reg::error), error::uncorrectable);
}

/// Of a disc that the host cannot read: MEDIUM ERROR (MMC-6, annex F).
TEST_F(IdeTest, HostErrorsOfADiscAreMediumErrors) {
    sense_key();  // that it has been put in
    disc.broken = true;
    packet({packet::read_10, 0, 0, 0, 0, 5, 0, 0, 1});
    EXPECT_TRUE(finish(secondary) & status::error);
    EXPECT_EQ(sense_key(), 3);
    disc.broken = false;
    packet({packet::read_10, 0, 0, 0, 0, 5, 0, 0, 1});
    EXPECT_EQ(packet_answer().size(), cd_block_bytes);
}

TEST_F(IdeTest, InterruptsCanBeHeldBack) {
    out(primary + 0x206, control::no_interrupt);
    out(primary + reg::command, command::check_power_mode);
    EXPECT_FALSE(irq14.high());
    EXPECT_EQ(in(primary + reg::count), 0xff);
    out(primary + 0x206, 0);
    EXPECT_TRUE(irq14.high());
    in(primary + reg::status);
    EXPECT_FALSE(irq14.high());
}

TEST_F(IdeTest, RestoresInTheMiddleOfAPioRead) {
    address(30, 4);
    out(primary + reg::command, command::read_sectors);
    finish(primary);
    auto got = read_data(700);
    replace_by_restored();
    const auto rest = read_data(4 * 512 - 700);
    got.insert(got.end(), rest.begin(), rest.end());
    EXPECT_EQ(got, stored(30, 4));
}

TEST_F(IdeTest, RestoresInTheMiddleOfAWriteAndOfDma) {
    const auto data = pattern(1024, 5);
    address(60, 2);
    out(primary + reg::command, command::write_sectors);
    write_data(std::span(data).first(514));
    replace_by_restored();
    write_data(std::span(data).subspan(514));
    EXPECT_EQ(finish(primary) & status::error, 0);
    EXPECT_EQ(stored(60, 2), data);

    prd_table(1024, 0);
    address(60, 2);
    out(primary + reg::command, command::read_dma);
    replace_by_restored();
    EXPECT_TRUE(in(primary + 0x206) & status::busy) << "the bus master has not started";
    out(masters, bus_master::to_memory | bus_master::start);
    finish(primary);
    EXPECT_TRUE(std::ranges::equal(ram.at(0x20000, 1024), data));
    bus::SavedState bad = ide->save();
    bad.fields["channels"][0]["drives"][0]["sectors"] = 5;
    EXPECT_FALSE(PiixIde::restore(surroundings, resources, bad));
}

TEST_F(IdeTest, AResetForgetsWhatIsUnderWayButKeepsItsOrder) {
    disk.hold(true);
    address(5, 1);
    out(primary + reg::command, command::write_sectors);
    write_data(pattern(512, 1));
    out(primary + 0x206, control::software_reset);
    out(primary + 0x206, 0);
    EXPECT_EQ(in(primary + reg::status), status::ready | status::seek_complete);
    address(5, 1);
    out(primary + reg::command, command::write_sectors);
    write_data(pattern(512, 2));
    EXPECT_TRUE(in(primary + 0x206) & status::busy);
    disk.hold(false);
    finish(primary);
    EXPECT_EQ(stored(5, 1), pattern(512, 2));
}

TEST_F(IdeTest, TheDeviceGoesAwayWithRequestsUnderWay) {
    disk.hold(true);
    address(5, 1);
    out(primary + reg::command, command::read_sectors);
    std::jthread release([this] { disk.hold(false); });
    ide.reset();
    EXPECT_EQ(in(primary + reg::status), 0xff);
}

TEST_F(IdeTest, CdromAnnouncesItselfOnce) {
    out(secondary + reg::command, command::identify);
    EXPECT_TRUE(finish(secondary) & status::error);
    EXPECT_EQ(in(secondary + reg::lba_high), 0xeb);
    out(secondary + reg::command, command::identify_packet);
    finish(secondary);
    EXPECT_EQ(word(read_data(512, secondary), 0), 0x85c0);
    packet({packet::test_unit_ready});
    EXPECT_TRUE(finish(secondary) & status::error);
    EXPECT_EQ(in(secondary + reg::error) >> 4, 6);
    EXPECT_EQ(sense_key(), 6);
    packet({packet::test_unit_ready});
    EXPECT_FALSE(finish(secondary) & status::error);
    EXPECT_EQ(sense_key(), 0);
}

TEST_F(IdeTest, RestoresAfterAPacketWithoutData) {
    for (int i = 0; i < 2; i++) {
        packet({packet::test_unit_ready});
        finish(secondary);
        replace_by_restored();
    }
    packet({packet::test_unit_ready});
    EXPECT_FALSE(finish(secondary) & status::error);
}

TEST_F(IdeTest, CdromReadsByPioInBlocksAsLargeAsTheHostWants) {
    sense_key();
    const std::vector<std::byte> expected(disc.bytes.begin() + 5 * 2048, disc.bytes.begin() + 45 * 2048);
    for (const u16 limit : {2048, 4096, 1000, 1001, 0xffff}) {
        packet({packet::read_10, 0, 0, 0, 0, 5, 0, 0, 40}, limit);
        EXPECT_EQ(packet_answer(), expected) << limit;
    }
    packet({packet::read_12, 0, 0, 0, 0, 5, 0, 0, 0, 40}, 2048, true);
    prd_table(0x8000, 40 * 2048 - 0x8000);
    ports.write(masters + 12, 4, 0x1000);
    out(masters + 8, bus_master::to_memory | bus_master::start);
    EXPECT_FALSE(finish(secondary) & status::error);
    EXPECT_TRUE(std::ranges::equal(ram.at(0x40000, 40 * 2048 - 0x8000), std::span(expected).subspan(0x8000)));
    packet({packet::read_10, 0, 0, 0, 1, 0x2c, 0, 0, 1});
    EXPECT_TRUE(finish(secondary) & status::error);
    EXPECT_EQ(sense_key(), 5);
}

TEST_F(IdeTest, CdromDescribesItsDisc) {
    sense_key();
    packet({packet::read_capacity});
    const auto capacity = packet_answer();
    EXPECT_EQ(capacity, (std::vector<std::byte>{std::byte{0}, std::byte{0}, std::byte{1}, std::byte{0x2b},
                                                std::byte{0}, std::byte{0}, std::byte{8}, std::byte{0}}));
    packet({packet::read_toc, 0, 0, 0, 0, 0, 0, 0, 100});
    const auto toc = packet_answer();
    ASSERT_EQ(toc.size(), 20u);
    EXPECT_EQ(toc[1], std::byte{18});
    EXPECT_EQ(toc[14], std::byte{0xaa});
    EXPECT_EQ(toc[19], std::byte{0x2c});
    packet({packet::read_toc, 2, 0, 0, 0, 0, 0xaa, 0, 12});
    EXPECT_EQ(packet_answer().at(9), std::byte{0});
    packet({packet::get_configuration, 0, 0, 0, 0, 0, 0, 1, 0});
    EXPECT_EQ(packet_answer().at(7), std::byte{8}) << "the CD-ROM profile";
    packet({packet::mode_sense_10, 0, 0x2a, 0, 0, 0, 0, 0, 28});
    EXPECT_EQ(packet_answer().size(), 28u);
    packet({packet::inquiry, 0, 0, 0, 5});
    EXPECT_EQ(packet_answer().size(), 5u);
}

TEST_F(IdeTest, CdromTrayOpensAndTheDiscIsNewWhenItCloses) {
    sense_key();
    packet({packet::prevent_removal, 0, 0, 0, 1});
    finish(secondary);
    packet({packet::start_stop_unit, 0, 0, 0, 2});
    EXPECT_TRUE(finish(secondary) & status::error);
    EXPECT_EQ(sense_key(), 5);
    packet({packet::prevent_removal, 0, 0, 0, 0});
    finish(secondary);
    packet({packet::start_stop_unit, 0, 0, 0, 2});
    EXPECT_FALSE(finish(secondary) & status::error);
    packet({packet::read_10, 0, 0, 0, 0, 0, 0, 0, 1});
    EXPECT_TRUE(finish(secondary) & status::error);
    EXPECT_EQ(sense_key(), 2);
    replace_by_restored();
    packet({packet::start_stop_unit, 0, 0, 0, 3});
    EXPECT_FALSE(finish(secondary) & status::error);
    packet({packet::get_event_status, 1, 0, 0, 1 << 4, 0, 0, 0, 8});
    EXPECT_EQ(packet_answer().at(4), std::byte{2}) << "new media";
    packet({packet::test_unit_ready});
    EXPECT_TRUE(finish(secondary) & status::error);
    EXPECT_EQ(sense_key(), 6);
}

}  // namespace
}  // namespace softmetal::devices::ide
