// The VGA's registers and data path: what processors read and write through its ports, its legacy memory
// window and the Bochs display interface. What comes of it on the screen is vga_picture.hpp's.
//
// Memory holds, in the VGA's own modes, 64 Ki words of four bytes, one of each plane. The display interface
// uses the same memory as one row of pixels after another.
#pragma once

#include "bus/clock.hpp"
#include "devices/vga/vga_state.hpp"

#include <optional>
#include <span>

namespace softmetal::devices {

class VgaChip {
 public:
    /// `memory` has a multiple of 64 KiB, at least vga::least_memory.
    explicit VgaChip(std::span<u8> memory, const VgaState& state = {}) : memory_(memory), state_(state) {}

    /// A port from vga::port::first on. Reading may change what is read next.
    [[nodiscard]] u8 read_port(u16 port, bus::Nanoseconds now);
    void write_port(u16 port, u8 value);

    /// The legacy window; `address` is relative to its base.
    [[nodiscard]] u8 read_window(u32 address);
    void write_window(u32 address, u8 value);

    [[nodiscard]] u16 read_dispi(unsigned index) const;
    void write_dispi(unsigned index, u16 value);
    [[nodiscard]] u16 dispi_index() const { return state_.dispi_index; }
    void select_dispi(u16 index) { state_.dispi_index = index; }

    [[nodiscard]] const VgaState& state() const { return state_; }

 private:
    [[nodiscard]] bool answers(u16 port) const;
    [[nodiscard]] u8 input_status_1(bus::Nanoseconds now);
    void write_attribute(u8 value);
    void write_crtc(u8 value);
    [[nodiscard]] u8 read_dac();
    void write_dac(u8 value);
    void enable_dispi(u16 value);
    void fit_virtual_screen(u16 width);

    [[nodiscard]] std::optional<u32> in_window(u32 address) const;
    [[nodiscard]] bool linear_window() const;
    [[nodiscard]] u32 plane_offset(u32 address, bool odd_even) const;
    [[nodiscard]] bool chain4() const;
    [[nodiscard]] u32 load(u32 offset) const;
    void store(u32 offset, u32 value, u8 planes);
    [[nodiscard]] u32 written(u8 value) const;

    std::span<u8> memory_;
    VgaState state_;
};

/// What Input Status 1 says of the beam at a time; a pure function of the CRTC's registers.
[[nodiscard]] u8 beam_status(const VgaState& state, bus::Nanoseconds now);
/// How long a picture takes.
[[nodiscard]] bus::Nanoseconds frame_time(const VgaState& state);

}  // namespace softmetal::devices
