// The firmware configuration device's ports and keys (QEMU: docs/specs/fw_cfg.rst).
#pragma once

#include "base/integers.hpp"

namespace softmetal::devices::fw_cfg {

// Offsets of the ports.
inline constexpr u64 selector = 0;  // -w, 16 bits
inline constexpr u64 data = 1;      // r-, 8 bits: the selected item's next byte

namespace key {
inline constexpr u16 signature = 0x00;       // "QEMU", which says that the device is there
inline constexpr u16 id = 0x01;              // u32: its features
inline constexpr u16 ram_size = 0x03;        // u64, in bytes
inline constexpr u16 cpu_count = 0x05;       // u16
inline constexpr u16 max_cpu_count = 0x0f;   // u16
inline constexpr u16 file_directory = 0x19;  // big-endian u32 count, then entries
inline constexpr u16 first_file = 0x20;
}  // namespace key

inline constexpr u32 id_traditional_interface = 1u << 0;  // the two ports

inline constexpr u64 file_name_size = 56;  // with its final zero

}  // namespace softmetal::devices::fw_cfg
