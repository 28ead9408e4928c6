// Configuration registers of the PIIX functions beyond the PCI header (82371FB/82371SB datasheet for the ISA
// bridge, 82371AB for power management).
#pragma once

#include "base/integers.hpp"

namespace softmetal::devices::piix {

/// Function 0, the bridge to ISA.
namespace isa {
inline constexpr u8 io_recovery = 0x4c;  // read, write: kept, without effect
inline constexpr u8 xbus_select = 0x4e;  // read, write, 16 bits: kept, without effect
inline constexpr u8 pirq_route = 0x60;   // read, write, one of 8 bits for each of PIRQA..PIRQD
inline constexpr unsigned pirq_count = 4;
inline constexpr u8 pirq_disabled = 1u << 7;
inline constexpr u8 pirq_irq = 0xf;
inline constexpr u8 pirq_writable = pirq_disabled | pirq_irq;
inline constexpr u8 top_of_memory = 0x69;     // read, write: kept, without effect
inline constexpr u16 routable_irqs = 0xdef8;  // 3 to 7, 9 to 12, 14 and 15
}  // namespace isa

/// Function 3, power management.
namespace power {
inline constexpr u8 base = 0x40;  // PMBA: read, write, 32 bits
inline constexpr u32 base_address = 0xffc0;
inline constexpr u32 base_is_port = 1u << 0;
inline constexpr unsigned block_ports = 64;
inline constexpr u8 device_activity_b = 0x58;  // DEVACTB: read, write, 32 bits
inline constexpr u32 apmc_enable = 1u << 25;   // writes to the APM control port raise SMIs
inline constexpr u8 misc = 0x80;               // PMREGMISC: read, write
inline constexpr u8 decode_enable = 1u << 0;
inline constexpr u8 smbus_base = 0x90;  // SMBBA: read, write, 32 bits
inline constexpr u32 smbus_base_address = 0xfff0;
}  // namespace power

}  // namespace softmetal::devices::piix
