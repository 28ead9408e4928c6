// ATA/ATAPI registers, commands and packets (ATA/ATAPI-7, INCITS 397; MMC-5 for packets), and the PIIX's IDE
// function (82371AB datasheet, ch. 4.2 and 5.2; Programming Interface for Bus Master IDE Controller 1.0).
#pragma once

#include "base/integers.hpp"

namespace softmetal::devices::ide {

inline constexpr unsigned sector_bytes = 512, cd_block_bytes = 2048, packet_bytes = 12;

/// Command block registers, by port offset.
namespace reg {
inline constexpr unsigned data = 0;      // read, write, 16 bits
inline constexpr unsigned error = 1;     // read
inline constexpr unsigned features = 1;  // write
inline constexpr unsigned count = 2;     // read, write; with a packet: interrupt reason
inline constexpr unsigned lba_low = 3;   // read, write
inline constexpr unsigned lba_mid = 4;   // read, write; with a packet: byte count, low
inline constexpr unsigned lba_high = 5;  // read, write; with a packet: byte count, high
inline constexpr unsigned device = 6;    // read, write
inline constexpr unsigned status = 7;    // read; takes the interrupt back
inline constexpr unsigned command = 7;   // write
inline constexpr unsigned file_size = 8;
}  // namespace reg

namespace status {
inline constexpr u8 error = 1u << 0;
inline constexpr u8 data_request = 1u << 3;
inline constexpr u8 seek_complete = 1u << 4;
inline constexpr u8 device_fault = 1u << 5;
inline constexpr u8 ready = 1u << 6;
inline constexpr u8 busy = 1u << 7;
}  // namespace status

namespace error {
inline constexpr u8 diagnostics_passed = 0x01;
inline constexpr u8 aborted = 1u << 2;
inline constexpr u8 id_not_found = 1u << 4;
inline constexpr u8 uncorrectable = 1u << 6;
}  // namespace error

namespace device {
inline constexpr u8 head = 0xf;
inline constexpr u8 second = 1u << 4;
inline constexpr u8 lba = 1u << 6;
inline constexpr u8 always_one = 0xa0;
}  // namespace device

/// Device control, write; read there is the alternate status, which takes nothing back.
namespace control {
inline constexpr u8 no_interrupt = 1u << 1;  // nIEN
inline constexpr u8 software_reset = 1u << 2;
inline constexpr u8 high_order_byte = 1u << 7;  // reads show what was written before last
}  // namespace control

namespace reason {
inline constexpr u8 command = 1u << 0;  // a packet is wanted, or all is over
inline constexpr u8 to_host = 1u << 1;
}  // namespace reason

namespace command {
inline constexpr u8 device_reset = 0x08;
inline constexpr u8 recalibrate = 0x10;
inline constexpr u8 read_sectors = 0x20, read_sectors_no_retry = 0x21, read_sectors_ext = 0x24;
inline constexpr u8 read_dma_ext = 0x25, read_native_max_ext = 0x27, read_multiple_ext = 0x29;
inline constexpr u8 write_sectors = 0x30, write_sectors_no_retry = 0x31, write_sectors_ext = 0x34;
inline constexpr u8 write_dma_ext = 0x35, write_multiple_ext = 0x39;
inline constexpr u8 verify = 0x40, verify_no_retry = 0x41, verify_ext = 0x42;
inline constexpr u8 seek = 0x70;
inline constexpr u8 diagnose = 0x90, initialize_parameters = 0x91;
inline constexpr u8 packet = 0xa0, identify_packet = 0xa1;
inline constexpr u8 read_multiple = 0xc4, write_multiple = 0xc5, set_multiple = 0xc6;
inline constexpr u8 read_dma = 0xc8, read_dma_no_retry = 0xc9, write_dma = 0xca, write_dma_no_retry = 0xcb;
inline constexpr u8 standby_immediate = 0xe0, idle_immediate = 0xe1, standby = 0xe2, idle = 0xe3;
inline constexpr u8 check_power_mode = 0xe5, sleep = 0xe6;
inline constexpr u8 flush = 0xe7, flush_ext = 0xea;
inline constexpr u8 identify = 0xec, set_features = 0xef, read_native_max = 0xf8;
}  // namespace command

/// SET FEATURES, in the features register.
namespace feature {
inline constexpr u8 write_cache_on = 0x02, transfer_mode = 0x03, write_cache_off = 0x82;
inline constexpr u8 look_ahead_off = 0x55, look_ahead_on = 0xaa;
inline constexpr u8 keep_over_reset = 0x66, defaults_at_reset = 0xcc;
}  // namespace feature

namespace packet {
inline constexpr u8 test_unit_ready = 0x00, request_sense = 0x03, inquiry = 0x12, start_stop_unit = 0x1b;
inline constexpr u8 prevent_removal = 0x1e, read_capacity = 0x25, read_10 = 0x28, seek_10 = 0x2b;
inline constexpr u8 read_toc = 0x43, get_configuration = 0x46, get_event_status = 0x4a;
inline constexpr u8 read_disc_information = 0x51, mode_sense_10 = 0x5a, read_12 = 0xa8,
                    mechanism_status = 0xbd;
inline constexpr u8 read_cd = 0xbe;
}  // namespace packet

/// Sense keys with additional sense codes.
struct Sense {
    u8 key = 0, code = 0;
    bool operator==(const Sense&) const = default;
};
namespace sense {
inline constexpr Sense none{0, 0};
inline constexpr Sense no_medium{0x02, 0x3a};
inline constexpr Sense read_error{0x03, 0x11};
inline constexpr Sense unknown_command{0x05, 0x20}, beyond_end{0x05, 0x21}, invalid_field{0x05, 0x24};
inline constexpr Sense removal_prevented{0x05, 0x53};
inline constexpr Sense medium_changed{0x06, 0x28}, was_reset{0x06, 0x29};
}  // namespace sense

/// Bus-master registers of one channel.
namespace bus_master {
inline constexpr unsigned command = 0, status = 2, table = 4, size = 8;
inline constexpr u8 start = 1u << 0, to_memory = 1u << 3;  // command
inline constexpr u8 active = 1u << 0, error = 1u << 1, interrupt = 1u << 2;
inline constexpr u8 drives_capable = 3u << 5;  // kept for software
inline constexpr u64 entry_bytes = 8;
inline constexpr u16 last_entry = 1u << 15;
}  // namespace bus_master

/// IDETIM, one of 16 bits for each channel.
inline constexpr u8 timing = 0x40;
inline constexpr u16 decode_enable = 1u << 15;

}  // namespace softmetal::devices::ide
