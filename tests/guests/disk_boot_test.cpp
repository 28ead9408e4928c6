// SeaBIOS boots a disk with a program of the DOS years on it, from each kind of drive.
#include "../unit/devices/fake_store.hpp"
#include "guest_machine.hpp"

#include <cstring>
#include <gtest/gtest.h>

namespace softmetal::guests {
namespace {

using devices::testing::MemoryStore;
using machine::EndReason;
using machine::Mode;
using namespace std::chrono_literals;

constexpr auto patience = 60s;
constexpr const char* seabios = "/usr/share/seabios/bios-256k.bin";

struct DiskBoot : testing::TestWithParam<Mode> {
    GuestMachine::Options options;
    std::unique_ptr<GuestMachine> guest;

    void SetUp() override {
        const auto firmware = read_file(seabios);
        if (!firmware) GTEST_SKIP() << "needs SeaBIOS: " << firmware.error().message;
        options.config = {.memory_bytes = 16u << 20, .mode = GetParam()};
        options.firmware = *firmware;
    }
    /// Every sector but the program's begins with its number.
    static std::unique_ptr<MemoryStore> disk(u64 bytes) {
        auto store = std::make_unique<MemoryStore>(bytes);
        const auto program = read_file(SOFTMETAL_ASSEMBLED_GUESTS "boot_disk");
        EXPECT_TRUE(program) << program.error().message;
        std::ranges::copy(*program, store->bytes.begin());
        for (u32 sector = 8; sector < bytes / 512; sector++)
            std::memcpy(store->bytes.data() + u64{sector} * 512, &sector, sizeof sector);
        return store;
    }
    void run() {
        auto started = GuestMachine::start(std::move(options));
        ASSERT_TRUE(started) << started.error().message;
        guest = std::move(*started);
        for (const char* said : {"geometry", "read", "written", "a20", "end"})
            ASSERT_TRUE(guest->expect(said, patience)) << said << "; the guest wrote: " << guest->output();
        // The BIOS' screen on the serial port may hold the last character back.
        EXPECT_NE(guest->output().find("teletyp"), std::string::npos);
        const auto end = guest->wait(patience);
        ASSERT_TRUE(end);
        EXPECT_EQ(end->reason, EndReason::power_off) << end->detail;
    }
    /// What the program wrote, somewhere on the disk.
    static bool has_been_written(const MemoryStore& store) {
        const std::array<u16, 4> begin{0x1357, 0x37bf, 0x5c27, 0x808f};
        return !std::ranges::search(store.bytes, std::as_bytes(std::span(begin))).empty();
    }
};

TEST_P(DiskBoot, FromAFloppy) {
    const auto floppy = disk(1474560);
    options.floppies = {floppy.get()};
    run();
    EXPECT_TRUE(has_been_written(*floppy));
}

TEST_P(DiskBoot, FromAnIdeDisk) {
    const auto ide = disk(64u << 20);
    options.ide_disks = {ide.get()};
    run();
    EXPECT_TRUE(has_been_written(*ide));
}

TEST_P(DiskBoot, FromAVirtioDisk) {
    const auto virtio = disk(64u << 20);
    options.disks = {virtio.get()};
    run();
    EXPECT_TRUE(has_been_written(*virtio));
}

TEST_P(DiskBoot, FromTheFloppyWhereThatIsAskedFor) {
    const auto floppy = disk(1474560), ide = disk(64u << 20);
    options.floppies = {floppy.get()};
    options.ide_disks = {ide.get()};
    options.config.boot = machine::BootDevice::floppy;
    run();
    EXPECT_TRUE(has_been_written(*floppy));
    EXPECT_FALSE(has_been_written(*ide));
}

INSTANTIATE_TEST_SUITE_P(Modes, DiskBoot, testing::Values(Mode::interpret, Mode::translate),
                         [](const auto& mode) {
                             return mode.param == Mode::interpret ? "interpret" : "translate";
                         });

}  // namespace
}  // namespace softmetal::guests
