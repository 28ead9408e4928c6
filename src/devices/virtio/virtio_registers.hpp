// Virtual I/O Device (VIRTIO) 1.2: what all device types share. Sections of that specification are given.
#pragma once

#include "base/integers.hpp"

namespace softmetal::devices::virtio {

/// Device status (ch. 2.1).
namespace status {
inline constexpr u8 acknowledge = 1;
inline constexpr u8 driver = 2;
inline constexpr u8 driver_ok = 4;
inline constexpr u8 features_ok = 8;
inline constexpr u8 needs_reset = 64;  // set by the device
inline constexpr u8 failed = 128;
inline constexpr u8 writable = acknowledge | driver | driver_ok | features_ok | failed;
}  // namespace status

/// Feature bits that concern the rings and the transport (ch. 6).
namespace feature {
inline constexpr u64 indirect_descriptors = u64{1} << 28;
inline constexpr u64 event_index = u64{1} << 29;
inline constexpr u64 version_1 = u64{1} << 32;
}  // namespace feature

/// Split virtqueue (ch. 2.7).
namespace ring {
inline constexpr u64 descriptor_size = 16;
inline constexpr u16 flag_next = 1;
inline constexpr u16 flag_write = 2;
inline constexpr u16 flag_indirect = 4;
inline constexpr u16 available_no_interrupt = 1;
}  // namespace ring

/// Common configuration structure (ch. 4.1.4.3). RO, RW as the driver sees them.
namespace common {
inline constexpr u64 device_feature_select = 0x00;  // RW
inline constexpr u64 device_feature = 0x04;         // RO
inline constexpr u64 driver_feature_select = 0x08;  // RW
inline constexpr u64 driver_feature = 0x0c;         // RW
inline constexpr u64 config_vector = 0x10;          // RW, 16 bits
inline constexpr u64 queue_count = 0x12;            // RO, 16 bits
inline constexpr u64 device_status = 0x14;          // RW, 8 bits
inline constexpr u64 config_generation = 0x15;      // RO, 8 bits
inline constexpr u64 queue_select = 0x16;           // RW, 16 bits, and those below are of that queue
inline constexpr u64 queue_size = 0x18;             // RW, 16 bits
inline constexpr u64 queue_vector = 0x1a;           // RW, 16 bits
inline constexpr u64 queue_enable = 0x1c;           // RW, 16 bits
inline constexpr u64 queue_notify_offset = 0x1e;    // RO, 16 bits
inline constexpr u64 queue_descriptors = 0x20;      // RW, 64 bits as two of 32, as the next two
inline constexpr u64 queue_driver = 0x28;
inline constexpr u64 queue_device = 0x30;
inline constexpr u64 size = 0x38;
}  // namespace common

inline constexpr u16 no_vector = 0xffff;

/// Interrupt status (ch. 4.1.4.5).
namespace isr {
inline constexpr u8 queue = 1;
inline constexpr u8 configuration = 2;
}  // namespace isr

/// PCI transport (ch. 4.1.2, 4.1.4).
namespace pci_transport {
inline constexpr u16 vendor = 0x1af4;
inline constexpr u16 device_base = 0x1040;  // plus the device type
inline constexpr u8 capability_common = 1, capability_notify = 2, capability_isr = 3, capability_device = 4,
                    capability_pci_access = 5;
// Where the structures lie in BAR 0: this device's choice.
inline constexpr u64 common_offset = 0x0000, isr_offset = 0x1000, device_offset = 0x2000,
                     notify_offset = 0x3000, msix_table_offset = 0x4000, msix_pending_offset = 0x6000,
                     bar_size = 0x8000, structure_size = 0x1000;
inline constexpr u32 notify_multiplier = 4;
}  // namespace pci_transport

}  // namespace softmetal::devices::virtio
