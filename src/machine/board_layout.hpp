// The board as data: what lies at which address, port and interrupt input. The firmware tables, the wiring
// and the kernel loader all read it here, so they cannot disagree.
#pragma once

#include "base/integers.hpp"
#include "memory/guest_memory.hpp"

#include <array>

namespace softmetal::machine::layout {

// --- guest-physical memory; RAM's own holes are stated in memory/guest_memory.hpp
inline constexpr u64 ebda_start = 0x9fc00;  // top of conventional memory
inline constexpr u64 conventional_end = 0xa0000;
inline constexpr u64 firmware_start = 0xe0000;  // ACPI tables; the RSDP must lie here (ACPI 6.5, ch. 5.2.5.1)
inline constexpr u64 smbios_start = 0xf0000;    // where its entry point is looked for (SMBIOS 2.8, ch. 5.2.1)
inline constexpr u64 firmware_end = 0x10'0000;
inline constexpr u64 extended_start = 0x10'0000;
inline constexpr u64 smallest_firmware = 0x10000, largest_firmware = 0x80'0000;

inline constexpr u64 pci_window_start = low_memory_end;
inline constexpr u64 pci_window_end = 0xfec0'0000;
inline constexpr u64 io_apic_base = 0xfec0'0000;
inline constexpr u64 io_apic_size = 0x1000;
inline constexpr u64 test_memory_base = 0xff00'0000;
inline constexpr u64 hpet_base = 0xfed0'0000;
inline constexpr u64 local_apic_base = 0xfee0'0000;

// --- ports
inline constexpr u64 port_space_end = 0x1'0000;
inline constexpr u64 pic_primary_port = 0x20, pic_secondary_port = 0xa0, pic_port_count = 2;
inline constexpr u64 pic_edge_level_port = 0x4d0, pic_edge_level_port_count = 2;
inline constexpr u64 pit_port = 0x40, pit_port_count = 4;
inline constexpr u64 i8042_data_port = 0x60;
inline constexpr u64 system_control_port_b = 0x61;  // PIT gate and speaker
inline constexpr u64 i8042_command_port = 0x64;
inline constexpr u64 debug_port = 0x80;
inline constexpr u64 dma_first_port = 0x00, dma_page_port = 0x81, dma_second_port = 0xc0;
inline constexpr u64 floppy_port = 0x3f0, floppy_port_count = 6, floppy_input_port = 0x3f7;
inline constexpr u64 cmos_port = 0x70, cmos_port_count = 2;
inline constexpr u64 system_control_port_a = 0x92;
inline constexpr u64 coprocessor_error_port = 0xf0;
inline constexpr unsigned serial_port_count = 4;  // COM1 to COM4
inline constexpr std::array<u64, serial_port_count> serial_ports = {0x3f8, 0x2f8, 0x3e8, 0x2e8};
inline constexpr u64 com1_port = serial_ports[0], com1_port_count = 8;
inline constexpr u64 debug_console_port = 0x402;
inline constexpr u64 fw_cfg_port = 0x510, fw_cfg_port_count = 12;
inline constexpr u64 default_debug_exit_port = 0xf4, debug_exit_port_count = 4;
inline constexpr u64 test_data_port = 0xe0, test_line_port = 0x2000;
inline constexpr u64 acpi_pm_port = 0x600;  // where firmware puts the PIIX's block of 64
inline constexpr u64 pm1_event_port = acpi_pm_port, pm1_control_port = acpi_pm_port + 4,
                     pm_timer_port = acpi_pm_port + 8;
inline constexpr u64 reset_port = 0xcf9;  // the chipset's reset control register
inline constexpr u8 reset_value = 0x06;   // hard reset, now
inline constexpr u64 vga_memory_bytes = 16u << 20;
inline constexpr u64 dispi_port = 0x1ce, dispi_port_count = 3;
inline constexpr u64 pci_config_port = 0xcf8, pci_config_port_count = 8;
inline constexpr u64 pci_port_window_start = 0xd00;

// --- interrupts: ISA IRQs go to the 8259 pair and to the I/O APIC's input of the same number, but for the
// timer, which the I/O APIC has on input 2, where the 8259's cascade leaves it free.
inline constexpr unsigned isa_irq_count = 16;
inline constexpr unsigned io_apic_inputs = 24;
inline constexpr u8 io_apic_id = 0;
inline constexpr unsigned timer_irq = 0, timer_gsi = 2;
inline constexpr unsigned keyboard_irq = 1, mouse_irq = 12;
inline constexpr unsigned cascade_irq = 2;
inline constexpr unsigned com1_irq = 4;
inline constexpr std::array<unsigned, serial_port_count> serial_irqs = {com1_irq, 3, 4, 3};
inline constexpr unsigned floppy_irq = 6, floppy_dma = 2;
inline constexpr unsigned rtc_irq = 8;
inline constexpr unsigned sci_irq = 9;
inline constexpr unsigned coprocessor_irq = 13;
// PCI INTA..INTD of device d arrive at pin PIRQA..PIRQD of number (d + 3 + pin) % 4, as a board with an
// 82441FX has it. The I/O APIC has these four on inputs of their own; for the 8259s the PIIX steers each to
// an ISA interrupt, these two at first.
inline constexpr unsigned pci_pin_count = 4;
inline constexpr unsigned pci_first_gsi = 16;
[[nodiscard]] constexpr unsigned pci_gsi(unsigned pin) { return pci_first_gsi + pin % pci_pin_count; }
inline constexpr std::array<unsigned, pci_pin_count> pci_isa_irqs = {10, 10, 11, 11};  // by pin
[[nodiscard]] constexpr unsigned pci_pin_of_slot(unsigned slot) {
    return (slot + 3) % pci_pin_count;
}  // INTA

inline constexpr std::array<unsigned, 4> hpet_gsis = {20, 21, 22, 23};

// --- PCI device numbers on bus 0
inline constexpr unsigned pci_host_bridge_slot = 0;
inline constexpr unsigned pci_piix_slot = 1;  // functions 0 ISA bridge, 1 IDE, 3 power management
inline constexpr unsigned pci_ide_function = 1, pci_power_function = 3;
inline constexpr unsigned pci_display_slot = 2;
inline constexpr unsigned pci_rng_slot = 3;
inline constexpr unsigned pci_first_disk_slot = 4;
inline constexpr unsigned pci_slot_count = 32;
inline constexpr unsigned maximum_network_cards = 4;
inline constexpr unsigned pci_first_network_slot = pci_slot_count - maximum_network_cards;
inline constexpr unsigned pci_balloon_slot = pci_first_network_slot - 1;
inline constexpr unsigned pci_console_slot = pci_balloon_slot - 1;
inline constexpr unsigned maximum_disks = pci_console_slot - pci_first_disk_slot;

// --- places on the two IDE cables: primary first and second, secondary first and second
inline constexpr unsigned ide_place_count = 4;
inline constexpr unsigned first_cdrom_place = 2;
inline constexpr std::array<unsigned, 2> ide_irqs = {14, 15};

// --- processors
inline constexpr unsigned maximum_cpus = 64;
/// Virtual TSC ticks a second: one a nanosecond, so that every clock of the machine divides it exactly.
inline constexpr u64 tsc_hz = 1'000'000'000;

inline constexpr u64 minimum_memory = 2 * extended_start;

}  // namespace softmetal::machine::layout
