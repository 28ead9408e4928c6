// The firmware configuration device's ports and keys (QEMU: docs/specs/fw_cfg.rst).
#pragma once

#include "base/integers.hpp"

namespace softmetal::devices::fw_cfg {

// Offsets of the ports.
inline constexpr u64 selector = 0;  // -w, 16 bits
inline constexpr u64 data = 1;      // r-, 8 bits: the selected item's next byte
inline constexpr u64 dma = 4;       // rw, 8 bytes, big-endian: a transfer's address; the low half starts it
inline constexpr u64 dma_low = dma + 4;
inline constexpr u64 port_count = 12;

/// What the DMA register reads as.
inline constexpr u64 dma_signature = 0x51454d5520434647;  // "QEMU CFG"

/// A transfer in guest memory, all of it big-endian: u32 control, u32 length, u64 address.
namespace transfer {
inline constexpr u64 size = 16;
// Control. All are cleared when the transfer is done, but for the error.
inline constexpr u32 error = 1u << 0;
inline constexpr u32 read = 1u << 1;  // the item's bytes go to guest memory
inline constexpr u32 skip = 1u << 2;
inline constexpr u32 select = 1u << 3;  // first selects the item of the upper 16 bits
inline constexpr u32 write = 1u << 4;   // to an item: none of ours can be written
}  // namespace transfer

namespace key {
inline constexpr u16 signature = 0x00;  // "QEMU", which says that the device is there
inline constexpr u16 id = 0x01;         // u32: its features
inline constexpr u16 ram_size = 0x03;   // u64, in bytes
inline constexpr u16 cpu_count = 0x05;  // u16
// What a boot program in an option ROM loads: address and size u32 each, and the bytes.
inline constexpr u16 kernel_address = 0x07, kernel_size = 0x08, kernel_data = 0x11;
inline constexpr u16 initrd_address = 0x0a, initrd_size = 0x0b, initrd_data = 0x12;
inline constexpr u16 command_line_address = 0x13, command_line_size = 0x14, command_line_data = 0x15;
inline constexpr u16 setup_address = 0x16, setup_size = 0x17, setup_data = 0x18;
inline constexpr u16 boot_menu = 0x0e;       // u16: 1 where firmware shows one
inline constexpr u16 max_cpu_count = 0x0f;   // u16
inline constexpr u16 file_directory = 0x19;  // big-endian u32 count, then entries
inline constexpr u16 first_file = 0x20;
}  // namespace key

inline constexpr u32 id_traditional_interface = 1u << 0;  // the two ports
inline constexpr u32 id_dma_interface = 1u << 1;

inline constexpr u64 file_name_size = 56;  // with its final zero

}  // namespace softmetal::devices::fw_cfg
