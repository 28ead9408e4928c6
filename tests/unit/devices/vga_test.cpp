// The VGA by its registers, memory and pictures. Mode tables are those of IBM's video BIOS. With
// SOFTMETAL_PICTURES set to a folder the pictures are written there, to be looked at.
#include "devices/vga/vga.hpp"

#include "devices/vga/vga_chip.hpp"
#include "devices/vga/vga_picture.hpp"
#include "fakes.hpp"

#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <initializer_list>

namespace softmetal::devices {
namespace {

using namespace vga;
using namespace testing;
using ::testing::Test;

struct Mode {
    u8 miscellaneous;
    std::array<u8, 5> sequencer;
    std::array<u8, 25> crtc;
    std::array<u8, 9> graphics;
    std::array<u8, 21> attribute;
};

// clang-format off
constexpr Mode mode_3 = {0x67, {0x03, 0x00, 0x03, 0x00, 0x02},
    {0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff},
    {0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff},
    {0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0x00, 0x0f, 0x08, 0x00}};
constexpr Mode mode_4 = {0x63, {0x03, 0x09, 0x03, 0x00, 0x02},
    {0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0x00, 0xc1, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x14, 0x00, 0x96, 0xb9, 0xa2, 0xff},
    {0x00, 0x00, 0x00, 0x00, 0x00, 0x30, 0x0f, 0x00, 0xff},
    {0, 0x13, 0x15, 0x17, 2, 4, 6, 7, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x01, 0x00, 0x03, 0x00, 0x00}};
constexpr Mode mode_12 = {0xe3, {0x03, 0x01, 0x0f, 0x00, 0x06},
    {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0x00, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xea, 0x8c, 0xdf, 0x28, 0x00, 0xe7, 0x04, 0xe3, 0xff},
    {0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x0f, 0xff},
    {0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x01, 0x00, 0x0f, 0x00, 0x00}};
constexpr Mode mode_13 = {0x63, {0x03, 0x01, 0x0f, 0x00, 0x0e},
    {0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0x41, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff},
    {0x00, 0x00, 0x00, 0x00, 0x00, 0x40, 0x05, 0x0f, 0xff},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x41, 0x00, 0x0f, 0x00, 0x00}};
// clang-format on

/// Every DAC entry is another colour, and a test can compute it.
constexpr u32 dac_test_colour(unsigned i) {
    const auto wide = [](unsigned six) { return six << 2 | six >> 4; };
    return wide(i & 63) << 16 | wide((i >> 2) & 63) << 8 | wide((i * 5) & 63);
}

struct Chip : Test {
    std::vector<u8> memory = std::vector<u8>(1u << 20);
    VgaChip chip{memory};
    bus::Nanoseconds now = 0;

    void out(u16 port, u8 value) { chip.write_port(port, value); }
    u8 in(u16 port) { return chip.read_port(port, now); }
    void indexed(u16 port, u8 index, u8 value) { out(port, index), out(port + 1, value); }
    void sequencer(unsigned index, u8 value) { indexed(port::sequencer, static_cast<u8>(index), value); }
    void graphics(unsigned index, u8 value) { indexed(port::graphics, static_cast<u8>(index), value); }
    void crtc(unsigned index, u8 value) { indexed(port::crtc_colour, static_cast<u8>(index), value); }
    void attribute(unsigned index, u8 value) {
        (void)in(port::status_colour);
        out(port::attribute, static_cast<u8>(index | attr::palette_source));
        out(port::attribute, value);
    }
    void dispi(unsigned index, u16 value) { chip.write_dispi(index, value); }
    void set_dispi(u16 width, u16 height, u16 depth, u16 flags = dispi::enabled | dispi::linear) {
        dispi(dispi::enable, 0);
        dispi(dispi::width, width), dispi(dispi::height, height), dispi(dispi::depth, depth);
        dispi(dispi::enable, flags);
    }
    void set(const Mode& mode) {
        out(port::miscellaneous, mode.miscellaneous);
        for (unsigned i = 0; i < mode.sequencer.size(); ++i) sequencer(i, mode.sequencer[i]);
        crtc(crtc::retrace_end, 0);
        for (unsigned i = 0; i < mode.crtc.size(); ++i) crtc(i, mode.crtc[i]);
        for (unsigned i = 0; i < mode.graphics.size(); ++i) graphics(i, mode.graphics[i]);
        for (unsigned i = 0; i < mode.attribute.size(); ++i) attribute(i, mode.attribute[i]);
        out(port::dac_mask, 0xff);
        out(port::dac_write_index, 0);
        for (unsigned i = 0; i < 256; ++i)
            for (const unsigned c : {i, i >> 2, i * 5}) out(port::dac_data, static_cast<u8>(c & 63));
    }
    /// To the window as the mode maps it.
    void poke(u32 address, std::initializer_list<unsigned> bytes) {
        for (const unsigned byte : bytes) chip.write_window(address++, static_cast<u8>(byte));
    }
    u8 peek(u32 address) { return chip.read_window(address); }

    struct Image {
        u32 width = 0, height = 0;
        std::vector<u32> pixels;
        [[nodiscard]] u32 at(u32 x, u32 y) const { return pixels[y * width + x]; }
        [[nodiscard]] u64 hash() const {
            u64 h = 0xcbf2'9ce4'8422'2325;
            for (const u32 p : pixels) h = (h ^ (p & 0xff'ffff)) * 0x100'0000'01b3;
            return h;
        }
    };
    Image picture() {
        const VgaPicture shown(chip.state(), memory, now);
        Image image{shown.width(), shown.height(), {}};
        std::vector<u32> scratch(bus::Screen::scratch_pixels);
        for (u32 y = 0; y < image.height; ++y) {
            const auto line = shown.line(y, scratch);
            EXPECT_EQ(line.size(), image.width);
            image.pixels.insert(image.pixels.end(), line.begin(), line.end());
        }
        if (const char* folder = std::getenv("SOFTMETAL_PICTURES")) write(image, folder);
        return image;
    }
    void write(const Image& image, const std::string& folder) {
        const std::string test = ::testing::UnitTest::GetInstance()->current_test_info()->name();
        std::ofstream file(folder + "/" + test + std::to_string(pictures_++) + ".ppm", std::ios::binary);
        file << "P6 " << image.width << " " << image.height << " 255\n";
        for (const u32 p : image.pixels)
            for (const unsigned shift : {16u, 8u, 0u}) file.put(static_cast<char>(p >> shift));
    }
    unsigned pictures_ = 0;

    /// Characters whose shape is their number: the left column is lit, then one dot a bit, in every line.
    void load_font() {
        sequencer(seq::map_mask, 4), sequencer(seq::memory_mode, 6);
        graphics(gfx::mode, 0), graphics(gfx::miscellaneous, 4);
        for (u32 c = 0; c < 256; ++c)
            for (u32 line = 0; line < 16; ++line)
                chip.write_window(c * 32 + line, static_cast<u8>(line == 0 ? 0xff : c));
        sequencer(seq::map_mask, 3), sequencer(seq::memory_mode, 2);
        graphics(gfx::mode, 0x10), graphics(gfx::miscellaneous, 0x0e);
    }
    static constexpr u32 text_window = 0x18000;
};

TEST_F(Chip, RegistersReadBackWhatExists) {
    set(mode_3);
    EXPECT_EQ(in(port::miscellaneous_read), 0x67);
    sequencer(1, 0xff);
    EXPECT_EQ(in(port::sequencer + 1), 0x3d);
    graphics(4, 0xff);
    EXPECT_EQ(in(port::graphics + 1), 0x03);
    attribute(0x10, 0xff);
    EXPECT_EQ(in(port::attribute_data), 0xef);
    EXPECT_EQ(in(port::crtc_mono), 0xff);  // it is at the colour place
    out(port::miscellaneous, 0x66);
    EXPECT_EQ(in(port::crtc_colour), 0xff);
    EXPECT_EQ(in(port::crtc_mono), 0x18);
}

TEST_F(Chip, AttributeWritesAlternateUntilStatusIsRead) {
    (void)in(port::status_colour);
    out(port::miscellaneous, 1);
    (void)in(port::status_colour);
    out(port::attribute, 0x02);
    (void)in(port::status_colour);
    out(port::attribute, 0x03);  // an index again
    out(port::attribute, 0x15);
    EXPECT_EQ(in(port::attribute), 0x03);
    EXPECT_EQ(in(port::attribute_data), 0x15);
}

TEST_F(Chip, TheCrtcsFirstRegistersCanBeProtected) {
    set(mode_3);
    EXPECT_TRUE(chip.state().crtc[crtc::retrace_end] & crtc::protect);
    crtc(0, 0x12);
    EXPECT_EQ(in(port::crtc_colour + 1), 0x5f);
    crtc(7, 0xe0);
    EXPECT_EQ(in(port::crtc_colour + 1), 0x0f);  // the line compare bit alone follows
    crtc(0x11, 0x0e);
    crtc(0, 0x12);
    EXPECT_EQ(in(port::crtc_colour + 1), 0x12);
}

TEST_F(Chip, DacCountsThroughColours) {
    out(port::dac_write_index, 0x10);
    for (const u8 c : {1, 2, 0xff, 4, 5, 6}) out(port::dac_data, c);
    EXPECT_EQ(in(port::dac_read_index), 0);
    out(port::dac_read_index, 0x10);
    EXPECT_EQ(in(port::dac_read_index), 3);
    for (const unsigned c : {1u, 2u, 0x3fu, 4u, 5u, 6u}) EXPECT_EQ(in(port::dac_data), c);
    EXPECT_EQ(in(port::dac_write_index), 0x12);
}

TEST_F(Chip, RetraceComesAndGoesWithTime) {
    set(mode_3);
    const bus::Nanoseconds frame = frame_time(chip.state());
    EXPECT_NEAR(static_cast<double>(frame), 1e9 / 70, 2e5);
    unsigned retraces = 0, displays = 0, rises = 0;
    bool before = true;
    constexpr unsigned steps = 20'000;
    for (unsigned i = 0; i < steps; ++i) {
        now = 3 * frame + i * (frame / (steps / 2));  // two pictures
        const u8 status = in(port::status_colour);
        const bool retrace = status & status1::vertical_retrace;
        retraces += retrace;
        displays += !(status & status1::display_disabled);
        rises += retrace && !before;
        before = retrace;
    }
    EXPECT_EQ(rises, 2u);
    EXPECT_NEAR(retraces, steps * 2 / 449., 5);             // two lines of 449
    EXPECT_NEAR(displays, steps * (400. / 449) * .8, 200);  // 80 characters of 100
}

TEST_F(Chip, WindowFollowsTheMemoryMap) {
    set(mode_12);
    poke(0, {0xff});
    EXPECT_EQ(peek(0), 0xff);
    EXPECT_EQ(peek(0x10000), 0xff);  // open bus: not mapped
    graphics(gfx::miscellaneous, 0x0d);
    EXPECT_EQ(peek(0x18000), 0xff);
    poke(0x18000, {0x12});
    graphics(gfx::miscellaneous, 0x05);
    EXPECT_EQ(peek(0), 0x12);
    out(port::miscellaneous, 0xe1);
    EXPECT_EQ(peek(0), 0xff);
}

TEST_F(Chip, WriteModesAndLatches) {
    set(mode_12);
    graphics(gfx::enable_set_reset, 0x0f), graphics(gfx::set_reset, 0x05);
    poke(100, {0x00});
    EXPECT_EQ(memory[400], 0xff);
    EXPECT_EQ(memory[401], 0x00);
    EXPECT_EQ(memory[402], 0xff);
    graphics(gfx::enable_set_reset, 0), graphics(gfx::bit_mask, 0x0f);
    (void)peek(100);
    poke(101, {0xaa});  // low half from the processor, high from the latches
    EXPECT_EQ(memory[404], 0xfa);
    EXPECT_EQ(memory[405], 0x0a);
    graphics(gfx::mode, 1);
    poke(102, {0x55});  // the latches as they are
    EXPECT_EQ(memory[408], 0xff);
    EXPECT_EQ(memory[409], 0x00);
    graphics(gfx::mode, 2), graphics(gfx::bit_mask, 0x80);
    poke(103, {0x0a});
    EXPECT_EQ(memory[412], 0x7f);
    EXPECT_EQ(memory[413], 0x80);
    graphics(gfx::mode, 3), graphics(gfx::bit_mask, 0xff), graphics(gfx::rotate, 4);
    graphics(gfx::set_reset, 0x02);
    poke(104, {0x0f});  // rotated: the mask
    EXPECT_EQ(memory[416], 0x0f);
    EXPECT_EQ(memory[417], 0xf0);
    sequencer(seq::map_mask, 1);
    graphics(gfx::mode, 0), graphics(gfx::rotate, 3u << 3 | 1);  // exclusive or, rotated by one
    poke(105, {0x03});
    EXPECT_EQ(memory[420], 0xff ^ 0x81);
    EXPECT_EQ(memory[421], 0);
    graphics(gfx::rotate, 1u << 3);  // and
    poke(106, {0x3c});
    EXPECT_EQ(memory[424], 0x3c);
    graphics(gfx::read_map, 1);
    EXPECT_EQ(peek(104), 0xf0);
}

TEST_F(Chip, ReadModeComparesColours) {
    set(mode_12);
    memory[0] = 0xf0, memory[1] = 0xcc, memory[2] = 0xaa, memory[3] = 0x00;
    graphics(gfx::mode, gfx::mode_read_compare);
    graphics(gfx::colour_compare, 0x03), graphics(gfx::colour_care, 0x0f);
    EXPECT_EQ(peek(0), 0xf0 & 0xcc & ~0xaa);
    graphics(gfx::colour_care, 0x03);
    EXPECT_EQ(peek(0), 0xf0 & 0xcc);
    graphics(gfx::colour_care, 0);
    EXPECT_EQ(peek(0), 0xff);
}

TEST_F(Chip, TextHasShapesColoursAndNinthDots) {
    set(mode_3);
    load_font();
    poke(text_window, {0x81, 0x1e, 0xc1, 0x1e, ' ', 0x47});
    EXPECT_EQ(peek(text_window + 2), 0xc1);  // odd and even planes look like one memory
    const Image image = picture();
    EXPECT_EQ(image.width, 720u);
    EXPECT_EQ(image.height, 400u);
    const u32 blue = dac_test_colour(1), yellow = dac_test_colour(0x3e), red = dac_test_colour(4);
    EXPECT_EQ(image.at(0, 5), yellow);
    EXPECT_EQ(image.at(1, 5), blue);
    EXPECT_EQ(image.at(7, 5), yellow);
    EXPECT_EQ(image.at(8, 5), blue);        // the ninth is background
    EXPECT_EQ(image.at(9 + 8, 5), yellow);  // but not of line graphics
    EXPECT_EQ(image.at(18, 5), red);
    EXPECT_EQ(image.at(8, 0), blue);
    EXPECT_EQ(image.at(30, 20), dac_test_colour(0));
}

/// Whole pictures, looked at once: whoever changes one looks at it again.
TEST_F(Chip, WholePicturesStayAsTheyAre) {
    set(mode_3);
    load_font();
    for (u32 i = 0; i < 2000; ++i) poke(text_window + 2 * i, {i & 0xff, (i * 7) & 0xff});
    EXPECT_EQ(picture().hash(), 3221342377323282142u);
    set(mode_4);
    for (u32 i = 0; i < 0x4000; ++i) poke(text_window + i, {(i % 80) * 3});
    EXPECT_EQ(picture().hash(), 9680249857221978981u);
    set(mode_12);
    graphics(gfx::mode, 2);
    for (u32 y = 0; y < 480; ++y)
        for (u32 x = 0; x < 80; ++x) poke(y * 80 + x, {(x / 5) ^ (y / 30)});
    EXPECT_EQ(picture().hash(), 10383861778004962469u);
    set(mode_13);
    for (u32 i = 0; i < 64000; ++i) poke(i, {(i % 320 / 20) + (i / 320 / 13) * 16});
    EXPECT_EQ(picture().hash(), 15713116930135962405u);
}

TEST_F(Chip, CursorAndTextBlink) {
    set(mode_3);
    load_font();
    poke(text_window, {' ', 0x07, 0x80, 0x87});
    crtc(crtc::cursor_low, 0);
    const u32 grey = dac_test_colour(7), black = dac_test_colour(0);
    EXPECT_EQ(picture().at(4, 13), grey);  // mode 3's cursor: lines 13 and 14
    EXPECT_EQ(picture().at(4, 12), black);
    EXPECT_EQ(picture().at(4, 15), black);
    EXPECT_EQ(picture().at(9, 4), grey);
    now = 8 * frame_time(chip.state());
    EXPECT_EQ(picture().at(4, 13), black);
    EXPECT_EQ(picture().at(9, 4), grey);
    now *= 2;
    EXPECT_EQ(picture().at(4, 13), grey);
    EXPECT_EQ(picture().at(9, 4), black);
    attribute(attr::mode, 0x04);  // no blinking: bright background
    EXPECT_EQ(picture().at(9, 4), grey);
    EXPECT_EQ(picture().at(10, 4), dac_test_colour(0x38));
    crtc(crtc::cursor_start, crtc::cursor_off);
    EXPECT_EQ(picture().at(4, 13), black);
}

TEST_F(Chip, TextScrollsByDotsAndSplits) {
    set(mode_3);
    load_font();
    for (u32 i = 0; i < 4000; ++i) poke(text_window + 2 * i, {i & 0xff, 0x07u | (i & 0x70)});
    const Image still = picture();
    crtc(crtc::start_low, 81), crtc(crtc::preset_row, 3);
    attribute(attr::panning, 1);
    const Image moved = picture();
    EXPECT_EQ(moved.at(100, 30), still.at(100 + 9 + 2, 30 + 16 + 3));
    EXPECT_EQ(moved.at(0, 0), still.at(9 + 2, 16 + 3));
    crtc(crtc::line_compare, 200 - 1), crtc(crtc::maximum_scan, 0x0f);
    crtc(crtc::overflow, 0x0f);  // bit 8 of the line compare is protected by none
    const Image split = picture();
    EXPECT_EQ(split.at(100, 150), moved.at(100, 150));
    EXPECT_EQ(split.at(100, 200), still.at(100 + 2, 0));
    attribute(attr::mode, 0x2c);
    EXPECT_EQ(picture().at(100, 203), still.at(100, 3));
}

TEST_F(Chip, SixteenColours) {
    set(mode_12);
    sequencer(seq::map_mask, 0x0a);
    poke(80 * 100 + 10, {0x81});
    const Image image = picture();
    EXPECT_EQ(image.width, 640u);
    EXPECT_EQ(image.height, 480u);
    EXPECT_EQ(image.at(80, 100), dac_test_colour(0x3a));
    EXPECT_EQ(image.at(81, 100), dac_test_colour(0));
    EXPECT_EQ(image.at(87, 100), dac_test_colour(0x3a));
    EXPECT_EQ(image.at(80, 101), dac_test_colour(0));
}

TEST_F(Chip, A256ColourModeIsLinearToTheProcessor) {
    set(mode_13);
    for (u32 i = 0; i < 64000; ++i) poke(i, {(i % 320 + i / 320) & 0xff});
    EXPECT_EQ(peek(320 * 7 + 9), 16);
    const Image image = picture();
    EXPECT_EQ(image.width, 640u);
    EXPECT_EQ(image.height, 400u);
    for (const auto& [x, y] : {std::pair{0u, 0u}, {319u, 199u}, {17u, 4u}, {160u, 150u}})
        for (const u32 dot : {0u, 1u}) {
            EXPECT_EQ(image.at(2 * x + dot, 2 * y), dac_test_colour((x + y) & 0xff));
            EXPECT_EQ(image.at(2 * x + dot, 2 * y + 1), dac_test_colour((x + y) & 0xff));
        }
    out(port::dac_mask, 0x0f);
    EXPECT_EQ(picture().at(34, 8), dac_test_colour(21 & 0x0f));
}

TEST_F(Chip, UnchainedItHasPages) {
    set(mode_13);
    sequencer(seq::memory_mode, 0x06);
    crtc(crtc::underline, 0x00), crtc(crtc::mode, 0xe3);
    sequencer(seq::map_mask, 0x04);  // every fourth pixel, the third
    poke(16000 + 80 * 3 + 5, {0x42});
    crtc(crtc::start_high, 16000 >> 8), crtc(crtc::start_low, 16000 & 0xff);
    const Image image = picture();
    EXPECT_EQ(image.at(2 * (5 * 4 + 2), 6), dac_test_colour(0x42));
    EXPECT_EQ(image.at(2 * (5 * 4 + 1), 6), dac_test_colour(0));
    attribute(attr::panning, 4);  // two pixels
    EXPECT_EQ(picture().at(2 * (5 * 4), 6), dac_test_colour(0x42));
}

TEST_F(Chip, CgaGraphicsHaveTwoBanks) {
    set(mode_4);
    poke(text_window, {0x1b});           // line 0: colours 0, 1, 2, 3
    poke(text_window + 0x2000, {0xe4});  // line 1
    poke(text_window + 1, {0xff});
    const Image image = picture();
    EXPECT_EQ(image.width, 640u);
    EXPECT_EQ(image.height, 400u);
    const unsigned palette[] = {0, 0x13, 0x15, 0x17};
    for (u32 i = 0; i < 4; ++i) {
        EXPECT_EQ(image.at(2 * i, 0), dac_test_colour(palette[i]));
        EXPECT_EQ(image.at(2 * i + 1, 1), dac_test_colour(palette[i]));
        EXPECT_EQ(image.at(2 * i, 2), dac_test_colour(palette[3 - i]));
    }
    EXPECT_EQ(image.at(8, 0), dac_test_colour(0x17));
}

TEST_F(Chip, NothingIsShownWhileTheScreenIsOff) {
    EXPECT_EQ(picture().width, 720u);  // not set up at all
    set(mode_13);
    for (u32 i = 0; i < 64000; ++i) poke(i, {0x2a});
    EXPECT_NE(picture().at(10, 10), 0u);
    sequencer(seq::clocking, 0x21);
    EXPECT_EQ(picture().at(10, 10), 0u);
    sequencer(seq::clocking, 0x01);
    out(port::attribute, 0x00);  // the palette is the processor's
    EXPECT_EQ(picture().at(10, 10), 0u);
}

TEST_F(Chip, DisplayInterfaceDepths) {
    set_dispi(64, 64, 32);
    const u32 first = 0x123456;
    std::memcpy(memory.data(), &first, 4);
    EXPECT_EQ(picture().at(0, 0), first);
    EXPECT_EQ(picture().width, 64u);
    set_dispi(64, 64, 24);
    EXPECT_EQ(memory[0], 0);  // a new mode begins empty
    memory[3] = 0x33, memory[4] = 0x22, memory[5] = 0x11;
    EXPECT_EQ(picture().at(1, 0), 0x112233u);
    set_dispi(64, 64, 16);
    memory[128] = 0x1f, memory[129] = 0xf8;
    EXPECT_EQ(picture().at(0, 1), 0xff00ffu);
    set_dispi(64, 64, 15);
    memory[0] = 0xe0, memory[1] = 0x03;
    EXPECT_EQ(picture().at(0, 0), 0x00ff00u);
    set_dispi(64, 64, 8, dispi::enabled | dispi::dac_8_bits);
    out(port::dac_write_index, 7);
    for (const u8 c : {0x12, 0x34, 0xff}) out(port::dac_data, c);
    memory[65] = 7;
    EXPECT_EQ(picture().at(1, 1), 0x1234ffu);
    set_dispi(64, 64, 32, dispi::enabled | dispi::keep_memory);
    EXPECT_EQ(memory[65], 7);
}

TEST_F(Chip, DisplayInterfaceScrolls) {
    set_dispi(320, 200, 8);
    dispi(dispi::virtual_width, 640);
    EXPECT_EQ(chip.read_dispi(dispi::virtual_width), 640);
    EXPECT_EQ(chip.read_dispi(dispi::virtual_height), (1u << 20) / 640);
    set(mode_13);
    dispi(dispi::x_offset, 16), dispi(dispi::y_offset, 100);
    memory[640 * 103 + 16 + 2] = 9;
    EXPECT_EQ(picture().at(2, 3), dac_test_colour(9));
    dispi(dispi::y_offset, 0xffff);  // behind the end
    EXPECT_EQ(picture().at(2, 3), 0u);
}

TEST_F(Chip, DisplayInterfaceBanks) {
    set_dispi(640, 480, 8, dispi::enabled);
    set(mode_13);
    dispi(dispi::bank, 3);
    poke(5, {0x77});
    EXPECT_EQ(memory[3 * 65536 + 5], 0x77);
    EXPECT_EQ(peek(5), 0x77);
    dispi(dispi::bank, 16);  // there are 16 of them
    EXPECT_EQ(chip.read_dispi(dispi::bank), 3);
    set(mode_12);
    set_dispi(1024, 768, 4, dispi::enabled);
    dispi(dispi::bank, 1);
    sequencer(seq::map_mask, 0x02);
    poke(0, {0x80});  // the pixel 65536 * 8 of a picture 1024 wide
    EXPECT_EQ(picture().at(0, 512), dac_test_colour(2));
}

TEST_F(Chip, DisplayInterfaceRefusesWhatMemoryDoesNotHold) {
    EXPECT_EQ(chip.read_dispi(dispi::id), 0xb0c5);
    EXPECT_EQ(chip.read_dispi(dispi::memory_64k), 16);
    set_dispi(1024, 768, 32);  // 3 MiB of one
    EXPECT_FALSE(chip.state().dispi_enabled());
    set_dispi(2568, 10, 8);  // too wide: the old width stays
    EXPECT_EQ(chip.read_dispi(dispi::width), 1024);
    dispi(dispi::enable, dispi::get_capabilities);
    EXPECT_EQ(chip.read_dispi(dispi::width), 2560);
    EXPECT_EQ(chip.read_dispi(dispi::depth), 32);
    dispi(dispi::id, 0xb0c2);
    EXPECT_EQ(chip.read_dispi(dispi::id), 0xb0c2);
    dispi(dispi::id, 0xb0d0);
    EXPECT_EQ(chip.read_dispi(dispi::id), 0xb0c2);
}

struct FakeVideoMemory final : bus::MovableMemory {
    std::span<u8> bytes() override { return storage; }
    void place(std::optional<u64> address) override { placed = address; }
    std::vector<u8> storage = std::vector<u8>(1u << 20);
    std::optional<u64> placed;
};

struct Card : Test {
    struct Nowhere final : bus::InterruptMessageSink, bus::DmaView {
        void send(bus::InterruptMessage) override {}
        bool read(GuestPhysical, std::span<std::byte>) const override { return false; }
        bool write(GuestPhysical, std::span<const std::byte>) override { return false; }
    } nowhere;
    bus::AddressSpace ports, memory;
    FakeClock clock;
    FakeVideoMemory video;
    pci::Surroundings surroundings{ports, memory, nowhere, nowhere, nullptr, {0x55, 0xaa, 2}};
    std::unique_ptr<Vga> vga = std::make_unique<Vga>(resources());

    Vga::Resources resources() { return {surroundings, video, clock}; }
    void map() {
        vga->write_configuration(0x10, 4, 0xe000'0000);
        vga->write_configuration(0x18, 4, 0xe100'0000);
        vga->write_configuration(0x04, 2, 2);
    }
};

TEST_F(Card, HasAMonitorThatLikes1024By768) {
    map();
    std::vector<u8> edid;
    for (u64 i = 0; i < 128; i++) edid.push_back(static_cast<u8>(memory.read(0xe100'0000 + i, 1)));
    EXPECT_EQ(memory.read(0xe100'0000, 4), 0xffff'ff00u);
    EXPECT_EQ(memory.read(0xe100'0080, 4), 0u) << "no extension";
    unsigned sum = 0;
    for (const u8 byte : edid) sum += byte;
    EXPECT_EQ(sum & 0xff, 0u);
    EXPECT_EQ(edid[54] | edid[55] << 8, 6500);  // 65 MHz
    EXPECT_EQ(edid[56] | (edid[58] & 0xf0) << 4, 1024);
    EXPECT_EQ(edid[59] | (edid[61] & 0xf0) << 4, 768);
    EXPECT_EQ((edid[52] + 31) * 8, 1920) << "the last standard timing";
    EXPECT_EQ(std::string(edid.begin() + 77, edid.begin() + 87), "Softmetal\n");
}

TEST_F(Card, PlacesItsMemory) {
    EXPECT_EQ(vga->read_configuration(0, 4), 0x1111'1234u);
    vga->write_configuration(0x10, 4, ~0u);
    EXPECT_EQ(vga->read_configuration(0x10, 4), 0xfff0'0008u);
    EXPECT_FALSE(video.placed);
    map();
    EXPECT_EQ(video.placed, 0xe000'0000u);
    memory.write(0xe000'0010, 4, 0x12345678);  // the long way
    EXPECT_EQ(video.storage[0x10], 0x78);
    EXPECT_EQ(memory.read(0xe000'0010, 4), 0x12345678u);
    vga->write_configuration(0x10, 4, 0xd000'0000);
    EXPECT_EQ(video.placed, 0xd000'0000u);
    vga->write_configuration(0x04, 2, 0);
    EXPECT_FALSE(video.placed);
    map();
    vga->reset();
    EXPECT_FALSE(video.placed);
}

TEST_F(Card, HasItsRegistersInMemoryToo) {
    map();
    memory.write(0xe100'0500 + 2 * dispi::width, 2, 800);
    EXPECT_EQ(vga->dispi().read_io(0, 2), 0u);
    vga->dispi().write_io(0, 2, dispi::width);
    EXPECT_EQ(vga->dispi().read_io(1, 2), 800u);
    EXPECT_EQ(vga->dispi().read_io(2, 2), 800u);
    memory.write(0xe100'0400 + 0x08, 1, 0x21);  // the DAC's index
    EXPECT_EQ(in(vga->ports(), port::dac_write_index - port::first), 0x21);
    EXPECT_EQ(memory.read(0xe100'0604, 4), 0x1e1e1e1eu);
}

TEST_F(Card, ShowsItsRom) {
    vga->write_configuration(0x30, 4, 0xffff'f800);
    EXPECT_EQ(vga->read_configuration(0x30, 4), 0xffff'f800u);
    vga->write_configuration(0x30, 4, 0xe200'0000);
    vga->write_configuration(0x04, 2, 2);
    EXPECT_EQ(memory.read(0xe200'0000, 2), 0xffffu);
    vga->write_configuration(0x30, 4, 0xe200'0001);
    EXPECT_EQ(memory.read(0xe200'0000, 2), 0xaa55u);
    EXPECT_EQ(memory.read(0xe200'0003, 1), 0xffu);
}

TEST_F(Card, RestoresInTheMiddleOfItAll) {
    map();
    out(vga->ports(), port::miscellaneous - port::first, 0x63);
    out(vga->ports(), port::attribute - port::first, 0x05);     // data comes next
    out(vga->ports(), port::dac_write_index - port::first, 9);  // green comes next
    out(vga->ports(), port::dac_data - port::first, 0x3f);
    vga->dispi().write_io(0, 2, dispi::height);
    const bus::SavedState saved = vga->save();
    vga.reset();
    EXPECT_FALSE(video.placed);
    auto restored = Vga::restore(resources(), saved);
    ASSERT_TRUE(restored) << restored.error().message;
    vga = std::move(*restored);
    EXPECT_EQ(video.placed, 0xe000'0000u);
    EXPECT_EQ(vga->save().fields, saved.fields);
    out(vga->ports(), port::attribute - port::first, 0x2a);
    EXPECT_EQ(in(vga->ports(), port::attribute_data - port::first), 0x2a);
    out(vga->ports(), port::dac_data - port::first, 0x11);
    out(vga->ports(), port::dac_read_index - port::first, 9);
    EXPECT_EQ(in(vga->ports(), port::dac_data - port::first), 0x3f);
    EXPECT_EQ(in(vga->ports(), port::dac_data - port::first), 0x11);
    vga->dispi().write_io(1, 2, 600);
    EXPECT_EQ(vga->dispi().read_io(1, 2), 600u);
}

TEST_F(Card, RefusesImpossibleStates) {
    const bus::SavedState good = vga->save();
    const auto refuses = [&](const char* field, nlohmann::json value) {
        bus::SavedState bad = good;
        bad.fields["registers"][field] = std::move(value);
        return !Vga::restore(resources(), bad).has_value();
    };
    EXPECT_TRUE(refuses("dac_component", 3));
    EXPECT_TRUE(refuses("crtc", 1));
    // Enabled, and no such depth; narrower lines than the screen; a bank behind the end.
    EXPECT_TRUE(refuses("dispi", {0xb0c5, 64, 64, 7, 1, 0, 64, 64, 0, 0, 0}));
    EXPECT_TRUE(refuses("dispi", {0xb0c5, 64, 64, 8, 1, 0, 32, 64, 0, 0, 0}));
    EXPECT_TRUE(refuses("dispi", {0xb0c5, 64, 64, 8, 1, 16, 64, 64, 0, 0, 0}));
    EXPECT_FALSE(refuses("dispi", {0xb0c5, 64, 64, 8, 1, 15, 64, 64, 0, 0, 0}));
}

}  // namespace
}  // namespace softmetal::devices
