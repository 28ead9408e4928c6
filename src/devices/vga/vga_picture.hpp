// What a VGA shows: a pure function of its registers, its memory and the time.
//
// The VGA's own modes come out as the tube shows them: every scan line, and every dot of the dot clock's, so
// mode 13h is 640 by 400.
#pragma once

#include "bus/backends/screen.hpp"
#include "bus/clock.hpp"
#include "devices/vga/vga_state.hpp"

#include <array>
#include <span>

namespace softmetal::devices {

class VgaPicture final : public bus::Picture {
 public:
    /// Keeps `memory`, whose contents may change meanwhile.
    VgaPicture(const VgaState& state, std::span<const u8> memory, bus::Nanoseconds now);

    [[nodiscard]] u32 width() const override { return width_; }
    [[nodiscard]] u32 height() const override { return height_; }
    [[nodiscard]] std::span<const u32> line(u32 y, std::span<u32> scratch) const override;

 private:
    enum class Kind : u8 { blank, text, planar, interleaved, bytes, dispi_planar, dispi_linear };

    /// Where a scan line comes from.
    struct Row {
        u32 address = 0;  // the CRTC's counter at the left edge
        u32 scan = 0;     // the line of a character
        u32 panning = 0;  // how many dots are off the left edge
    };

    void choose_kind();
    void measure();
    void load_colours();
    [[nodiscard]] Row row(u32 y) const;
    [[nodiscard]] u32 panning() const;
    [[nodiscard]] u32 memory_offset(u32 counter, u32 scan) const;
    [[nodiscard]] u32 word(u32 plane_offset) const;
    [[nodiscard]] u32 dac_colour(unsigned index) const;

    void text_line(const Row& row, std::span<u32> out) const;
    [[nodiscard]] u32 font(bool second) const;
    [[nodiscard]] bool cursor_at(u32 counter, u32 scan) const;
    void planar_cell(u32 word, std::span<u32> out) const;
    void interleaved_cell(u32 word, std::span<u32> out) const;
    void graphics_line(const Row& row, std::span<u32> out) const;
    [[nodiscard]] std::span<const u32> linear_line(u32 y, std::span<u32> scratch) const;
    void dispi_planar_line(u32 y, std::span<u32> out) const;

    const VgaState state_;
    std::span<const u8> memory_;
    bool cursor_phase_ = true, blink_phase_ = true;  // shown
    Kind kind_ = Kind::blank;
    u32 width_ = 0, height_ = 0;
    u32 cell_dots_ = 8;              // of a character clock
    bool doubled_ = false;           // every dot is two wide
    std::array<u32, 256> dac_{};     // through the mask
    std::array<u32, 16> colours_{};  // through the palette registers
};

}  // namespace softmetal::devices
