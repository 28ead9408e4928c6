// All that a VGA remembers beside its memory, and how it is saved.
#pragma once

#include "base/result.hpp"
#include "bus/saved_state.hpp"
#include "devices/vga/vga_registers.hpp"

#include <array>

namespace softmetal::devices {

struct VgaState {
    u8 miscellaneous = 0, feature = 0;
    u8 sequencer_index = 0, graphics_index = 0, crtc_index = 0, attribute_index = 0;
    bool attribute_data_next = false;
    std::array<u8, vga::seq::count> sequencer{};
    std::array<u8, vga::gfx::count> graphics{};
    std::array<u8, vga::crtc::count> crtc{};
    std::array<u8, vga::attr::count> attribute{};
    std::array<u8, 256 * 3> dac{};
    u8 dac_mask = 0xff, dac_read_index = 0, dac_write_index = 0;
    u8 dac_component = 0;  // 0 to 2: which colour comes next
    bool dac_reading = false;
    u32 latches = 0;  // plane 0 in the lowest byte
    u16 dispi_index = 0;
    std::array<u16, vga::dispi::count> dispi{vga::dispi::newest_id};

    bool operator==(const VgaState&) const = default;
    [[nodiscard]] bool dispi_enabled() const { return dispi[vga::dispi::enable] & vga::dispi::enabled; }
};

[[nodiscard]] nlohmann::json save_vga(const VgaState& state);
/// `memory_bytes` is what the adapter has.
[[nodiscard]] Result<VgaState> load_vga(const nlohmann::json& fields, u64 memory_bytes);

}  // namespace softmetal::devices
