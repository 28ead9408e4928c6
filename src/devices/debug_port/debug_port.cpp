#include "devices/debug_port/debug_port.hpp"

#include "devices/state_reader.hpp"

namespace softmetal::devices {

Result<std::unique_ptr<DebugPort>> DebugPort::restore(const bus::SavedState& saved) {
    StateReader read(saved, "debug_port", 1);
    auto port = std::make_unique<DebugPort>();
    port->last_ = read.number<u8>("last");
    if (const auto outcome = read.finish(); !outcome) return std::unexpected(outcome.error());
    return port;
}

bus::SavedState DebugPort::save() const { return {"debug_port", 1, {{"last", last()}}}; }

}  // namespace softmetal::devices
