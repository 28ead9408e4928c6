#include "devices/debug_console/debug_console.hpp"

#include "devices/state_reader.hpp"

namespace softmetal::devices {

Result<std::unique_ptr<DebugConsole>> DebugConsole::restore(bus::ByteStream& output,
                                                            const bus::SavedState& saved) {
    StateReader read(saved, "debug_console", 1);
    if (const auto outcome = read.finish(); !outcome) return std::unexpected(outcome.error());
    return std::make_unique<DebugConsole>(output);
}

bus::SavedState DebugConsole::save() const { return {"debug_console", 1, nlohmann::json::object()}; }

}  // namespace softmetal::devices
