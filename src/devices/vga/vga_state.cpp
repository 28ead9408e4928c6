#include "devices/vga/vga_state.hpp"

#include "bus/backends/screen.hpp"
#include "devices/state_reader.hpp"

namespace softmetal::devices {

using namespace vga;

nlohmann::json save_vga(const VgaState& s) {
    return {{"miscellaneous", s.miscellaneous},
            {"feature", s.feature},
            {"sequencer_index", s.sequencer_index},
            {"graphics_index", s.graphics_index},
            {"crtc_index", s.crtc_index},
            {"attribute_index", s.attribute_index},
            {"attribute_data_next", s.attribute_data_next},
            {"sequencer", s.sequencer},
            {"graphics", s.graphics},
            {"crtc", s.crtc},
            {"attribute", s.attribute},
            {"dac", s.dac},
            {"dac_mask", s.dac_mask},
            {"dac_read_index", s.dac_read_index},
            {"dac_write_index", s.dac_write_index},
            {"dac_component", s.dac_component},
            {"dac_reading", s.dac_reading},
            {"latches", s.latches},
            {"dispi_index", s.dispi_index},
            {"dispi", s.dispi}};
}

Result<VgaState> load_vga(const nlohmann::json& fields, u64 memory_bytes) {
    StateReader in(fields, "vga");
    VgaState s;
    s.miscellaneous = in.number<u8>("miscellaneous");
    s.feature = in.number<u8>("feature");
    s.sequencer_index = in.number<u8>("sequencer_index", 7);
    s.graphics_index = in.number<u8>("graphics_index", 0x0f);
    s.crtc_index = in.number<u8>("crtc_index", 0x3f);
    s.attribute_index = in.number<u8>("attribute_index", attr::index_mask | attr::palette_source);
    s.attribute_data_next = in.flag("attribute_data_next");
    in.numbers<u8>("sequencer", s.sequencer);
    in.numbers<u8>("graphics", s.graphics);
    in.numbers<u8>("crtc", s.crtc);
    in.numbers<u8>("attribute", s.attribute);
    in.numbers<u8>("dac", s.dac);
    s.dac_mask = in.number<u8>("dac_mask");
    s.dac_read_index = in.number<u8>("dac_read_index");
    s.dac_write_index = in.number<u8>("dac_write_index");
    s.dac_component = in.number<u8>("dac_component", 2);
    s.dac_reading = in.flag("dac_reading");
    s.latches = in.number<u32>("latches");
    s.dispi_index = in.number<u16>("dispi_index");
    in.numbers<u16>("dispi", s.dispi);
    // What pictures and the data path rely on.
    for (const u8 entry : std::span(s.attribute).first(attr::mode))
        in.require(entry <= 0x3f, "a palette register has more than six bits");
    in.require(s.graphics[gfx::read_map] <= 3, "there are four planes");
    const auto& d = s.dispi;
    if (s.dispi_enabled()) {
        const u16 depth = d[dispi::depth];
        in.require(depth == 4 || depth == 8 || depth == 15 || depth == 16 || depth == 24 || depth == 32,
                   "no such depth");
        in.require(d[dispi::width] >= 8 && d[dispi::width] <= bus::Screen::maximum_width &&
                       d[dispi::width] % 8 == 0 && d[dispi::height] >= 1 &&
                       d[dispi::height] <= bus::Screen::maximum_height,
                   "no such screen");
        in.require(d[dispi::virtual_width] >= d[dispi::width], "lines are shorter than the screen");
    }
    in.require(u64{d[dispi::bank]} * dispi::bank_bytes < memory_bytes, "the bank is behind memory's end");
    if (const auto outcome = in.finish(); !outcome) return std::unexpected(outcome.error());
    return s;
}

}  // namespace softmetal::devices
