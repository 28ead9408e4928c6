#include "devices/debug_exit/debug_exit.hpp"

#include "base/bits.hpp"
#include "devices/state_reader.hpp"

namespace softmetal::devices {

Result<std::unique_ptr<DebugExit>> DebugExit::restore(bus::PlatformControl& platform,
                                                      const bus::SavedState& saved) {
    StateReader read(saved, "debug_exit", 1);
    if (const auto outcome = read.finish(); !outcome) return std::unexpected(outcome.error());
    return std::make_unique<DebugExit>(platform);
}

void DebugExit::write_io(u64, unsigned width, u64 value) {
    platform_.request_exit(static_cast<u32>(value & low_bits(8 * width)));
}

bus::SavedState DebugExit::save() const { return {"debug_exit", 1, nlohmann::json::object()}; }

}  // namespace softmetal::devices
