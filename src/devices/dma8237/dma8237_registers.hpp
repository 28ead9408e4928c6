// The 8237A DMA controller (Intel 8237A datasheet) and the PC/AT's pair of them with its page registers.
#pragma once

#include "base/integers.hpp"

namespace softmetal::devices::dma8237 {

inline constexpr unsigned channels = 4;

/// Registers; below `status` the channels' addresses and counts alternate.
namespace reg {
inline constexpr unsigned status = 8;               // read
inline constexpr unsigned command = 8;              // write
inline constexpr unsigned request = 9;              // write
inline constexpr unsigned single_mask = 10;         // write
inline constexpr unsigned mode = 11;                // write
inline constexpr unsigned clear_byte_pointer = 12;  // write
inline constexpr unsigned master_clear = 13;        // write
inline constexpr unsigned temporary = 13;           // read
inline constexpr unsigned clear_mask = 14;          // write
inline constexpr unsigned all_masks = 15;           // read, write
inline constexpr unsigned count = 16;
}  // namespace reg

namespace mode {
inline constexpr u8 channel = 3u << 0;
inline constexpr u8 transfer = 3u << 2;
inline constexpr u8 to_memory = 1u << 2;
inline constexpr u8 from_memory = 2u << 2;  // and 0 is verify: nothing is moved
inline constexpr u8 automatic = 1u << 4;
inline constexpr u8 decrement = 1u << 5;
}  // namespace mode

namespace command {
inline constexpr u8 disable = 1u << 2;
}
namespace mask {
inline constexpr u8 set = 1u << 2;  // in single_mask
}

}  // namespace softmetal::devices::dma8237
