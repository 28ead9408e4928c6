// Intel 82540EM, as its software developer's manual describes it ("PCI/PCI-X Family of Gigabit Ethernet
// Controllers", 317453). Chapters below are of that manual.
#pragma once

#include "base/integers.hpp"

namespace softmetal::devices::e1000 {

inline constexpr u16 vendor_intel = 0x8086, device_82540em = 0x100e, subsystem = 0x001e;
inline constexpr u64 memory_size = 0x20000, port_size = 0x40;

/// Offsets of 32-bit registers (table 13-2).
namespace reg {
inline constexpr u32 control = 0x0000, status = 0x0008, eeprom_control = 0x0010, eeprom_read = 0x0014,
                     extended_control = 0x0018, flash_access = 0x001c, mdi_control = 0x0020,
                     flow_low = 0x0028, flow_high = 0x002c, flow_type = 0x0030, vlan_type = 0x0038,
                     cause = 0x00c0, throttling = 0x00c4, cause_set = 0x00c8, mask_set = 0x00d0,
                     mask_clear = 0x00d8, receive_control = 0x0100, flow_time = 0x0170,
                     transmit_word = 0x0178, receive_word = 0x0180, transmit_control = 0x0400, gap = 0x0410,
                     adaptive_gap = 0x0458, led_control = 0x0e00, packet_buffer = 0x1000,
                     receive_low_water = 0x2160, receive_high_water = 0x2168, receive_base_low = 0x2800,
                     receive_base_high = 0x2804, receive_length = 0x2808, receive_head = 0x2810,
                     receive_tail = 0x2818, receive_delay = 0x2820, receive_descriptor_control = 0x2828,
                     receive_absolute_delay = 0x282c, receive_small = 0x2c00, transmit_base_low = 0x3800,
                     transmit_base_high = 0x3804, transmit_length = 0x3808, transmit_head = 0x3810,
                     transmit_tail = 0x3818, transmit_delay = 0x3820, transmit_descriptor_control = 0x3828,
                     transmit_absolute_delay = 0x382c, segmentation_pad = 0x3830, statistics = 0x4000,
                     statistics_end = 0x4128, receive_checksum = 0x5000, multicast = 0x5200,
                     multicast_end = 0x5400, address = 0x5400, address_end = 0x5480, vlan_filter = 0x5600,
                     vlan_filter_end = 0x5800, wake_control = 0x5800, wake_filter = 0x5808,
                     management = 0x5820;
}  // namespace reg

namespace control {
inline constexpr u32 full_duplex = 1u << 0, link_up = 1u << 6, reset = 1u << 26, phy_reset = 1u << 31;
}
namespace status {
inline constexpr u32 full_duplex = 1u << 0, link_up = 1u << 1, speed_1000 = 2u << 6;
}

/// EECD: the EEPROM's four wires, and who has them (ch. 13.4.3).
namespace eeprom_control {
inline constexpr u32 clock = 1u << 0, select = 1u << 1, data_in = 1u << 2, data_out = 1u << 3,
                     request = 1u << 6, grant = 1u << 7, present = 1u << 8;
inline constexpr u32 writable = clock | select | data_in | 3u << 4 | request;
}  // namespace eeprom_control
/// EERD (ch. 13.4.4).
namespace eeprom_read {
inline constexpr u32 start = 1u << 0, done = 1u << 4;
}
inline constexpr unsigned eeprom_words = 64;
inline constexpr u16 eeprom_sum = 0xbaba;  // of all words (ch. 5.6.35)

/// MDIC (ch. 13.4.8).
namespace mdi {
inline constexpr u32 write = 1u << 26, read = 2u << 26, operation = 3u << 26, ready = 1u << 28,
                     interrupt = 1u << 29, error = 1u << 30;
inline constexpr unsigned phy_address = 1;
}  // namespace mdi

/// Interrupt causes (ch. 13.4.17).
namespace cause {
inline constexpr u32 transmitted = 1u << 0, transmit_queue_empty = 1u << 1, link_changed = 1u << 2,
                     receive_low = 1u << 4, receive_overrun = 1u << 6, received = 1u << 7, mdi_done = 1u << 9;
inline constexpr u32 all = 0x1ffff;
}  // namespace cause

namespace receive_control {
inline constexpr u32 enable = 1u << 1, unicast_promiscuous = 1u << 3, multicast_promiscuous = 1u << 4,
                     long_packets = 1u << 5, broadcast = 1u << 15, vlan_filter = 1u << 18,
                     size_extension = 1u << 25, strip_check = 1u << 26;
inline constexpr unsigned low_threshold_shift = 8, multicast_shift = 12,
                          buffer_size_shift = 16;  // two bits each
}  // namespace receive_control

namespace transmit_control {
inline constexpr u32 enable = 1u << 1;
}

inline constexpr u32 address_valid = 1u << 31;  // in the upper half of a receive address
inline constexpr unsigned check_bytes = 4;      // of a frame's end on the wire

/// Descriptors are 16 bytes; a ring's length is a multiple of eight of them (ch. 13.4.27).
inline constexpr u32 descriptor_bytes = 16, ring_length_mask = 0xfff80;

struct ReceiveDescriptor {
    u64 address = 0;
    u16 length = 0, checksum = 0;
    u8 status = 0, errors = 0;
    u16 special = 0;
};
static_assert(sizeof(ReceiveDescriptor) == descriptor_bytes);
namespace receive_status {
inline constexpr u8 done = 1u << 0, end_of_packet = 1u << 1, ignore_checksum = 1u << 2;
}

/// A transmit descriptor's second half (ch. 3.3.3, 3.3.6, 3.3.7), where its kinds agree.
namespace transmit {
inline constexpr u64 end_of_packet = u64{1} << 24, insert_checksum = u64{1} << 26,
                     segmentation = u64{1} << 26, report_status = u64{1} << 27, extension = u64{1} << 29;
inline constexpr u64 is_tcp = u64{1} << 24, is_ipv4 = u64{1} << 25;  // in a context
inline constexpr u64 done = u64{1} << 32;
inline constexpr unsigned type_shift = 20, option_shift = 40;
inline constexpr u64 length_mask = 0xfffff, legacy_length_mask = 0xffff;
inline constexpr u8 option_ip_checksum = 1, option_tcp_checksum = 2;
enum class Type : u8 { context = 0, data = 1 };
}  // namespace transmit

}  // namespace softmetal::devices::e1000
