// The registers of a 16550A UART (National Semiconductor PC16550D datasheet, table II).
#pragma once

#include "base/integers.hpp"

#include <cstddef>

namespace softmetal::devices::uart {

// Offsets. 0 and 1 are the divisor latch while line_control::divisor_access is set.
inline constexpr unsigned receive_buffer = 0;            // read
inline constexpr unsigned transmit_holding = 0;          // write
inline constexpr unsigned divisor_low = 0;               // read, write
inline constexpr unsigned interrupt_enable = 1;          // read, write
inline constexpr unsigned divisor_high = 1;              // read, write
inline constexpr unsigned interrupt_identification = 2;  // read
inline constexpr unsigned fifo_control = 2;              // write
inline constexpr unsigned line_control = 3;              // read, write
inline constexpr unsigned modem_control = 4;             // read, write
inline constexpr unsigned line_status = 5;               // read (writing is for factory tests: ignored)
inline constexpr unsigned modem_status = 6;              // read
inline constexpr unsigned scratch = 7;                   // read, write
inline constexpr unsigned register_count = 8;

inline constexpr std::size_t fifo_size = 16;

namespace enable {  // interrupt enable
inline constexpr u8 received_data = 1u << 0;
inline constexpr u8 transmitter_empty = 1u << 1;
inline constexpr u8 line_status = 1u << 2;
inline constexpr u8 modem_status = 1u << 3;
inline constexpr u8 writable = 0x0f;
}  // namespace enable

namespace identification {  // in order of priority
inline constexpr u8 line_status = 0x06;
inline constexpr u8 received_data = 0x04;
inline constexpr u8 character_timeout = 0x0c;
inline constexpr u8 transmitter_empty = 0x02;
inline constexpr u8 modem_status = 0x00;
inline constexpr u8 none = 0x01;
inline constexpr u8 fifos_enabled = 0xc0;
}  // namespace identification

namespace fifo {
inline constexpr u8 enable = 1u << 0;
inline constexpr u8 reset_receiver = 1u << 1;
inline constexpr u8 reset_transmitter = 1u << 2;
inline constexpr unsigned trigger_shift = 6;
inline constexpr u8 trigger_levels[] = {1, 4, 8, 14};
inline constexpr u8 kept = 0xc0 | enable;
}  // namespace fifo

namespace line {
inline constexpr u8 word_length = 0x03;  // plus five bits
inline constexpr u8 two_stop_bits = 1u << 2;
inline constexpr u8 parity = 1u << 3;
inline constexpr u8 divisor_access = 1u << 7;
}  // namespace line

namespace modem {
inline constexpr u8 data_terminal_ready = 1u << 0;
inline constexpr u8 request_to_send = 1u << 1;
inline constexpr u8 out1 = 1u << 2;
inline constexpr u8 out2 = 1u << 3;  // on a PC: connects the interrupt pin to the IRQ line
inline constexpr u8 loopback = 1u << 4;
inline constexpr u8 writable = 0x1f;
}  // namespace modem

namespace status {  // line status
inline constexpr u8 data_ready = 1u << 0;
inline constexpr u8 overrun = 1u << 1;
inline constexpr u8 holding_empty = 1u << 5;
inline constexpr u8 transmitter_empty = 1u << 6;
}  // namespace status

namespace modem_status_bit {
inline constexpr u8 delta_clear_to_send = 1u << 0;
inline constexpr u8 delta_data_set_ready = 1u << 1;
inline constexpr u8 trailing_edge_ring = 1u << 2;
inline constexpr u8 delta_carrier_detect = 1u << 3;
inline constexpr u8 clear_to_send = 1u << 4;
inline constexpr u8 data_set_ready = 1u << 5;
inline constexpr u8 ring = 1u << 6;
inline constexpr u8 carrier_detect = 1u << 7;
inline constexpr u8 deltas = 0x0f;
}  // namespace modem_status_bit

/// The crystal's 1.8432 MHz over 16: the bit rate with a divisor of 1.
inline constexpr u64 base_rate = 115'200;

}  // namespace softmetal::devices::uart
