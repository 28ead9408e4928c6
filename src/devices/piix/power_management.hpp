// The PIIX4's power-management function: places the block of ACPI registers among the ports. The registers
// themselves are a device of their own. The SMBus controller is not there.
#pragma once

#include "devices/pci/pci_function.hpp"

#include <memory>
#include <optional>

namespace softmetal::devices::piix {

class PowerManagement final : public pci::PciFunction {
 public:
    /// `registers` answers the block's ports, by their offsets, wherever software puts it.
    PowerManagement(const pci::Surroundings& surroundings, bus::IoHandler& registers);
    ~PowerManagement() override;
    [[nodiscard]] static Result<std::unique_ptr<PowerManagement>> restore(
        const pci::Surroundings& surroundings, bus::IoHandler& registers, const bus::SavedState& state);

    /// As firmware leaves it for an operating system: the block lies at `port`.
    void place(u16 port);

    [[nodiscard]] std::string_view name() const override { return "piix_power_management"; }
    void reset() override;
    [[nodiscard]] bus::SavedState save() const override;

 private:
    void configuration_written(u8 offset, unsigned width) override;
    void apply_base();

    bus::AddressSpace& ports_;
    bus::IoHandler& registers_;
    std::optional<u64> mapped_;
};

}  // namespace softmetal::devices::piix
