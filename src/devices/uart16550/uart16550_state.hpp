// A UART's saved state: the chip, and bytes that had left the stream when the FIFO shrank.
#pragma once

#include "base/result.hpp"
#include "bus/saved_state.hpp"
#include "devices/uart16550/uart16550_chip.hpp"

#include <vector>

namespace softmetal::devices {

struct Uart16550State {
    Uart16550Chip::State chip;
    std::vector<u8> held_input;  // at most one FIFO full
};

[[nodiscard]] bus::SavedState save_uart16550(const Uart16550State& state);
[[nodiscard]] Result<Uart16550State> load_uart16550(const bus::SavedState& saved);

}  // namespace softmetal::devices
