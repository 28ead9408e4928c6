// The 82441FX host bridge as software knows it: its identity, and the registers firmware writes (82441FX
// datasheet, ch. 3.2). Guest memory is RAM from 0xc0000 to 0xfffff whatever the PAM registers say.
#pragma once

#include "devices/pci/pci_function.hpp"

#include <memory>

namespace softmetal::devices::pci {

class HostBridge final : public PciFunction {
 public:
    explicit HostBridge(const Surroundings& surroundings);
    [[nodiscard]] static Result<std::unique_ptr<HostBridge>> restore(const Surroundings& surroundings,
                                                                     const bus::SavedState& state);
    [[nodiscard]] std::string_view name() const override { return "host_bridge"; }
    void reset() override { reset_configuration(); }
    [[nodiscard]] bus::SavedState save() const override;
};

}  // namespace softmetal::devices::pci
