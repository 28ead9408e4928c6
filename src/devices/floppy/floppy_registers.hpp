// The 82078 floppy disk controller in AT mode (Intel 82078 datasheet, ch. 2 and 5).
#pragma once

#include "base/integers.hpp"

namespace softmetal::devices::floppy {

inline constexpr unsigned sector_bytes = 512;
inline constexpr u8 sector_size_code = 2;  // N: 128 << N
inline constexpr unsigned drive_count = 2, drives_addressable = 4;

/// Ports from 0x3f0 on. 0x3f6 belongs to an IDE channel, 0x3f7 is apart.
namespace reg {
inline constexpr unsigned status_a = 0;        // read
inline constexpr unsigned status_b = 1;        // read
inline constexpr unsigned digital_output = 2;  // DOR: read, write
inline constexpr unsigned tape_drive = 3;      // TDR: read, write; kept
inline constexpr unsigned main_status = 4;     // MSR: read
inline constexpr unsigned data_rate = 4;       // DSR: write
inline constexpr unsigned fifo = 5;            // read, write
inline constexpr unsigned count = 6;
}  // namespace reg
// At 0x3f7: digital input (DIR), read; configuration control (CCR), write.

namespace output {
inline constexpr u8 drive = 3u << 0;
inline constexpr u8 not_reset = 1u << 2;
inline constexpr u8 dma_gate = 1u << 3;  // DMA and interrupt are connected
}  // namespace output

namespace main_status {
inline constexpr u8 command_busy = 1u << 4;
inline constexpr u8 to_host = 1u << 6;
inline constexpr u8 request = 1u << 7;
}  // namespace main_status

inline constexpr u8 software_reset = 1u << 7;  // in DSR, clears itself
inline constexpr u8 rate = 3u << 0;            // in DSR and CCR: 500, 300, 250 and 1000 kbit/s
inline constexpr u8 disk_changed = 1u << 7;    // in DIR

/// The command's low five bits; the upper ones say MT, MFM and SK.
namespace command {
inline constexpr u8 opcode = 0x1f, multi_track = 0x80;
inline constexpr u8 read_track = 0x02, specify = 0x03, sense_drive = 0x04, write = 0x05, read = 0x06;
inline constexpr u8 recalibrate = 0x07, sense_interrupt = 0x08, write_deleted = 0x09, read_id = 0x0a;
inline constexpr u8 read_deleted = 0x0c, format = 0x0d, dump_registers = 0x0e, seek = 0x0f;
inline constexpr u8 version = 0x10, perpendicular = 0x12, configure = 0x13, lock = 0x14, part_id = 0x18;
}  // namespace command

namespace status0 {
inline constexpr u8 abnormal = 0x40, invalid = 0x80, polling = 0xc0;
inline constexpr u8 seek_end = 0x20, equipment_check = 0x10, head = 0x04;
}  // namespace status0
namespace status1 {
inline constexpr u8 missing_address_mark = 0x01, not_writable = 0x02, no_data = 0x04, overrun = 0x10;
inline constexpr u8 data_error = 0x20, end_of_cylinder = 0x80;
}  // namespace status1
namespace status2 {
inline constexpr u8 wrong_cylinder = 0x10;
}
namespace status3 {
inline constexpr u8 head = 0x04, two_sided = 0x08, track_0 = 0x10, always = 0x20, write_protected = 0x40;
}

}  // namespace softmetal::devices::floppy
