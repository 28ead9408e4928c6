// The ports and registers of IBM's VGA (Personal System/2 Hardware Interface Technical Reference, "Video
// Subsystem") and of the Bochs display interface, a mode setter beside it.
#pragma once

#include "base/integers.hpp"

namespace softmetal::devices::vga {

/// CRTC and input status 1 are at 0x3bx instead of 0x3dx while misc::colour is clear.
namespace port {
inline constexpr u16 first = 0x3b0, count = 0x30;
inline constexpr u16 attribute = 0x3c0;                       // write: index and data by turns; read: index
inline constexpr u16 attribute_data = 0x3c1;                  // read
inline constexpr u16 miscellaneous = 0x3c2;                   // write; read: input status 0
inline constexpr u16 sequencer = 0x3c4;                       // index; data behind it
inline constexpr u16 dac_mask = 0x3c6;                        // read, write
inline constexpr u16 dac_read_index = 0x3c7;                  // write; read: DAC state
inline constexpr u16 dac_write_index = 0x3c8;                 // read, write
inline constexpr u16 dac_data = 0x3c9;                        // read, write: red, green, blue by turns
inline constexpr u16 feature_read = 0x3ca;                    // read
inline constexpr u16 miscellaneous_read = 0x3cc;              // read
inline constexpr u16 graphics = 0x3ce;                        // index; data behind it
inline constexpr u16 crtc_mono = 0x3b4, crtc_colour = 0x3d4;  // index; data behind it
inline constexpr u16 status_mono = 0x3ba, status_colour = 0x3da;  // read: input status 1; write: feature
inline constexpr u16 dispi_index = 0x1ce, dispi_data = 0x1cf;     // 16 bits each; data at 0x1d0 as well
}  // namespace port

namespace misc {
inline constexpr u8 colour = 1u << 0;
inline constexpr u8 memory_enabled = 1u << 1;
inline constexpr u8 clock_28_mhz = 1u << 2;
}  // namespace misc

namespace status0 {
inline constexpr u8 switch_sense = 1u << 4;
}
namespace status1 {
inline constexpr u8 display_disabled = 1u << 0;
inline constexpr u8 vertical_retrace = 1u << 3;
}  // namespace status1

namespace seq {
inline constexpr unsigned reset = 0, clocking = 1, map_mask = 2, character_map = 3, memory_mode = 4,
                          count = 5;
inline constexpr u8 clocking_8_dots = 1u << 0;
inline constexpr u8 clocking_halved = 1u << 3;
inline constexpr u8 clocking_screen_off = 1u << 5;
inline constexpr u8 memory_sequential = 1u << 2;  // clear: odd and even addresses are different planes
inline constexpr u8 memory_chain4 = 1u << 3;
}  // namespace seq

namespace gfx {
inline constexpr unsigned set_reset = 0, enable_set_reset = 1, colour_compare = 2, rotate = 3, read_map = 4,
                          mode = 5, miscellaneous = 6, colour_care = 7, bit_mask = 8, count = 9;
inline constexpr u8 mode_read_compare = 1u << 3;
inline constexpr u8 mode_odd_even = 1u << 4;
inline constexpr u8 mode_interleaved = 1u << 5;  // CGA's shift register
inline constexpr u8 mode_256 = 1u << 6;
inline constexpr u8 misc_graphics = 1u << 0;
}  // namespace gfx

namespace crtc {
inline constexpr unsigned horizontal_total = 0x00, horizontal_end = 0x01, vertical_total = 0x06,
                          overflow = 0x07, preset_row = 0x08, maximum_scan = 0x09, cursor_start = 0x0a,
                          cursor_end = 0x0b, start_high = 0x0c, start_low = 0x0d, cursor_high = 0x0e,
                          cursor_low = 0x0f, retrace_start = 0x10, retrace_end = 0x11, vertical_end = 0x12,
                          offset = 0x13, underline = 0x14, mode = 0x17, line_compare = 0x18, count = 0x19;
inline constexpr u8 cursor_off = 1u << 5;
inline constexpr u8 protect = 1u << 7;                // in retrace_end: 0 to 7 are read-only
inline constexpr u8 overflow_line_compare = 1u << 4;  // the one bit that stays writable
inline constexpr u8 scan_doubled = 1u << 7;           // in maximum_scan
inline constexpr u8 underline_doubleword = 1u << 6, underline_count_by_4 = 1u << 5;
inline constexpr u8 mode_not_cga = 1u << 0, mode_not_hercules = 1u << 1, mode_count_by_2 = 1u << 3,
                    mode_address_wrap = 1u << 5, mode_byte = 1u << 6;
}  // namespace crtc

namespace attr {
inline constexpr unsigned mode = 0x10, overscan = 0x11, plane_enable = 0x12, panning = 0x13,
                          colour_select = 0x14, count = 0x15;
inline constexpr u8 index_mask = 0x1f;
inline constexpr u8 palette_source = 1u << 5;  // in the index: the display shows the picture
inline constexpr u8 mode_line_graphics = 1u << 2;
inline constexpr u8 mode_blink = 1u << 3;
inline constexpr u8 mode_panning_compat = 1u << 5;
inline constexpr u8 mode_palette_54 = 1u << 7;
}  // namespace attr

/// The Bochs display interface: 16-bit registers.
namespace dispi {
inline constexpr unsigned id = 0, width = 1, height = 2, depth = 3, enable = 4, bank = 5, virtual_width = 6,
                          virtual_height = 7, x_offset = 8, y_offset = 9, memory_64k = 10, count = 11;
inline constexpr u16 oldest_id = 0xb0c0, newest_id = 0xb0c5;
inline constexpr u16 enabled = 1u << 0;
inline constexpr u16 get_capabilities = 1u << 1;
inline constexpr u16 dac_8_bits = 1u << 5;
inline constexpr u16 linear = 1u << 6;
inline constexpr u16 keep_memory = 1u << 7;
inline constexpr u16 enable_mask = enabled | get_capabilities | dac_8_bits | linear | keep_memory;
inline constexpr u32 bank_bytes = 64 * 1024;
}  // namespace dispi

/// Base address 2, as QEMU's docs/specs/standard-vga lays it out.
namespace mmio {
inline constexpr u64 size = 0x1000;
inline constexpr u64 edid_end = 0x400;                  // from 0 on, read
inline constexpr u64 ports = 0x400, ports_end = 0x420;  // ports 0x3c0 to 0x3df, by bytes
inline constexpr u64 dispi = 0x500, dispi_end = dispi + 2 * u64{dispi::count};
inline constexpr u64 extension_size = 0x600;  // 32 bits, read
inline constexpr u64 endianness = 0x604;      // 32 bits, read
inline constexpr u64 extension_end = 0x608;
inline constexpr u32 little_endian = 0x1e1e'1e1e;
}  // namespace mmio

/// The legacy window in guest-physical memory, and how much memory it leads to.
inline constexpr u64 window_base = 0xa0000, window_size = 0x20000;
inline constexpr u32 plane_size = 0x10000;
inline constexpr u64 least_memory = 4 * plane_size;

}  // namespace softmetal::devices::vga
