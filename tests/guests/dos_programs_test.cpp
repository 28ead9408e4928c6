// What programs of the DOS years did with screen, timer and memory, from a floppy disk that SeaBIOS boots.
#include "../unit/devices/fake_store.hpp"
#include "guest_machine.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace softmetal::guests {
namespace {

using devices::testing::MemoryStore;
using machine::EndReason;
using machine::Mode;
using namespace std::chrono_literals;

constexpr auto patience = 60s;
constexpr const char* seabios = "/usr/share/seabios/bios-256k.bin";
constexpr const char* video_bios = "/usr/share/seabios/vgabios-stdvga.bin";
constexpr u32 black = 0, red = 0xaa0000, blue = 0x0000aa, bright_red = 0xff5555, bright_green = 0x55ff55;

struct DosPrograms : testing::TestWithParam<Mode> {
    MemoryStore floppy{1474560};
    std::unique_ptr<GuestMachine> guest;

    void SetUp() override {
        const auto firmware = read_file(seabios), video = read_file(video_bios);
        if (!firmware || !video) GTEST_SKIP() << "needs SeaBIOS and its video BIOS";
        const auto program = read_file(SOFTMETAL_ASSEMBLED_GUESTS "dos_programs");
        ASSERT_TRUE(program) << program.error().message;
        std::ranges::copy(*program, floppy.bytes.begin());
        GuestMachine::Options options;
        options.config = {.memory_bytes = 16u << 20, .mode = GetParam()};
        options.firmware = *firmware;
        options.video_bios = *video;
        options.floppies = {&floppy};
        auto started = GuestMachine::start(std::move(options));
        ASSERT_TRUE(started) << started.error().message;
        guest = std::move(*started);
    }
    void expect(const char* said) {
        ASSERT_TRUE(guest->expect(std::string(said) + "\n", patience))
            << said << "; the guest wrote: " << guest->output();
    }
    void press_space() {
        constexpr bus::Key space{0x2c};
        guest->machine().input().key(space, true);
        guest->machine().input().key(space, false);
    }
    void screen_is(u32 width, u32 height) {
        const auto picture = guest->machine().screen().picture();
        EXPECT_EQ(fmt::format("{} x {}", picture->width(), picture->height()),
                  fmt::format("{} x {}", width, height));
    }
    [[nodiscard]] u32 pixel(u32 x, u32 y) {
        const auto picture = guest->machine().screen().picture();
        if (x >= picture->width() || y >= picture->height()) return ~0u;
        std::vector<u32> scratch(bus::Screen::scratch_pixels);
        return picture->line(y, scratch)[x] & 0xffffff;
    }
};

TEST_P(DosPrograms, UseScreenTimerAndMemory) {
    expect("text");
    screen_is(720, 400);
    EXPECT_EQ(pixel(0, 3 * 16), red);
    EXPECT_EQ(pixel(719, 3 * 16 + 15), red);
    EXPECT_EQ(pixel(0, 2 * 16), blue);
    EXPECT_EQ(pixel(0, 4 * 16), black);
    press_space();

    expect("mode 13h");
    screen_is(640, 400);  // the CRT controller doubles lines, the attribute controller pixels
    EXPECT_EQ(pixel(2 * 100, 2 * 50), 0xff0082u);
    EXPECT_EQ(pixel(2 * 109 + 1, 2 * 59 + 1), 0xff0082u);
    EXPECT_EQ(pixel(2 * 110, 2 * 59 + 1), black);
    EXPECT_EQ(pixel(2 * 99 + 1, 2 * 50), black);
    EXPECT_EQ(pixel(2 * 100, 2 * 60), black);
    press_space();

    expect("mode X");
    screen_is(640, 480);
    EXPECT_EQ(pixel(2 * 2, 0), red);
    EXPECT_EQ(pixel(2 * 3, 0), black);
    EXPECT_EQ(pixel(2 * 318 + 1, 479), red);
    EXPECT_EQ(pixel(2 * 317 + 1, 479), black);
    press_space();

    expect("mode 12h");
    screen_is(640, 480);
    EXPECT_EQ(pixel(2, 100), black);
    for (u32 x = 3; x <= 12; x++) EXPECT_EQ(pixel(x, 100), bright_red) << x;
    EXPECT_EQ(pixel(13, 100), black);
    EXPECT_EQ(pixel(80, 200), bright_green);
    EXPECT_EQ(pixel(81, 200), black);
    EXPECT_EQ(pixel(87, 200), bright_green);
    press_space();

    for (const char* said : {"timer", "x87 error", "extended memory", "large segments"}) {
        expect(said);
        if (HasFatalFailure()) return;
        press_space();
    }
    expect("end");
    const auto end = guest->wait(patience);
    ASSERT_TRUE(end);
    EXPECT_EQ(end->reason, EndReason::power_off) << end->detail;
}

INSTANTIATE_TEST_SUITE_P(Modes, DosPrograms, testing::Values(Mode::interpret, Mode::translate),
                         [](const auto& mode) {
                             return mode.param == Mode::interpret ? "interpret" : "translate";
                         });

}  // namespace
}  // namespace softmetal::guests
