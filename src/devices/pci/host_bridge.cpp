#include "devices/pci/host_bridge.hpp"

#include "devices/state_reader.hpp"

namespace softmetal::devices::pci {

namespace {

constexpr Identity identity{.vendor = 0x8086,
                            .device = 0x1237,
                            .revision = 2,
                            .class_code = 0x060000,
                            .subsystem_vendor = 0,
                            .subsystem = 0};
constexpr u8 pam0 = 0x59, pam_registers = 7;  // programmable attribute map, 0x59 to 0x5f
constexpr u8 smram = 0x72;

}  // namespace

HostBridge::HostBridge(const Surroundings& surroundings) : PciFunction(identity, surroundings) {
    for (u8 i = 0; i < pam_registers; ++i) configuration().define(static_cast<u8>(pam0 + i), 1, 0, 0x33);
    configuration().define(smram, 1, 0x02, 0x78);
}

bus::SavedState HostBridge::save() const {
    return {.schema = "host_bridge", .version = 1, .fields = {{"configuration", save_configuration()}}};
}

Result<std::unique_ptr<HostBridge>> HostBridge::restore(const Surroundings& surroundings,
                                                        const bus::SavedState& state) {
    StateReader in(state, "host_bridge", 1);
    auto restored = std::make_unique<HostBridge>(surroundings);
    const nlohmann::json& saved = in.part("configuration");
    if (auto read = in.finish(); !read) return std::unexpected(read.error());
    if (auto loaded = restored->restore_configuration(saved); !loaded) return std::unexpected(loaded.error());
    return restored;
}

}  // namespace softmetal::devices::pci
