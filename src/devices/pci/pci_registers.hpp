// PCI configuration space (PCI Local Bus Specification 3.0, ch. 6) and configuration mechanism #1
// (ch. 3.2.2.3.2).
#pragma once

#include "base/integers.hpp"

namespace softmetal::devices::pci {

/// Type 0 header. Registers that read only are hard-wired.
namespace reg {
inline constexpr u8 vendor = 0x00;            // read, 16 bits
inline constexpr u8 device = 0x02;            // read, 16 bits
inline constexpr u8 command = 0x04;           // read, write, 16 bits
inline constexpr u8 status = 0x06;            // read, 16 bits; error bits clear by writing one
inline constexpr u8 revision = 0x08;          // read
inline constexpr u8 class_code = 0x09;        // read, 24 bits
inline constexpr u8 cache_line = 0x0c;        // read, write
inline constexpr u8 latency_timer = 0x0d;     // read, write
inline constexpr u8 header_type = 0x0e;       // read
inline constexpr u8 multifunction = 1u << 7;  // in header_type: look for functions 1 to 7
inline constexpr u8 base_address0 = 0x10;     // read, write, six of 32 bits
inline constexpr u8 subsystem_vendor = 0x2c;  // read, 16 bits
inline constexpr u8 subsystem = 0x2e;         // read, 16 bits
inline constexpr u8 expansion_rom = 0x30;     // read, write, 32 bits
inline constexpr u8 capabilities = 0x34;      // read: offset of the first
inline constexpr u8 interrupt_line = 0x3c;    // read, write: firmware's note to the operating system
inline constexpr u8 interrupt_pin = 0x3d;     // read: 1 is INTA
}  // namespace reg

namespace command {
inline constexpr u16 port_decode = 1u << 0;
inline constexpr u16 memory_decode = 1u << 1;
inline constexpr u16 bus_master = 1u << 2;
inline constexpr u16 interrupt_disable = 1u << 10;
inline constexpr u16 writable = port_decode | memory_decode | bus_master | interrupt_disable;
}  // namespace command

namespace status {
inline constexpr u16 interrupt = 1u << 3;
inline constexpr u16 capability_list = 1u << 4;
}  // namespace status

namespace bar {
inline constexpr u32 port = 1u << 0;
inline constexpr u32 memory_64 = 2u << 1;
inline constexpr unsigned count = 6;
inline constexpr u32 rom_enable = 1u << 0;  // of the expansion ROM's base address
inline constexpr u64 smallest_rom = 2048;
}  // namespace bar

namespace capability {
inline constexpr u8 msi = 0x05;
inline constexpr u8 vendor_specific = 0x09;
inline constexpr u8 msix = 0x11;
inline constexpr u8 first_offset = 0x40;
}  // namespace capability

/// The ports of mechanism #1, from 0xcf8. The reset control register between them is the PIIX's (82371AB
/// datasheet, ch. 4.2.3.3).
namespace port {
inline constexpr u64 first = 0xcf8;
inline constexpr u64 size = 8;
inline constexpr u64 address = 0;        // read, write, 32 bits only: enable, bus, device, function, register
inline constexpr u64 reset_control = 1;  // read, write, 8 bits
inline constexpr u64 data = 4;           // read, write, 8, 16 or 32 bits
inline constexpr u32 address_enable = 1u << 31;
inline constexpr u32 address_writable = 0x80ff'fffc;
inline constexpr u8 reset_hard = 1u << 1;  // kind of reset; both are the same here
inline constexpr u8 reset_now = 1u << 2;   // 0 to 1 resets
}  // namespace port

}  // namespace softmetal::devices::pci
