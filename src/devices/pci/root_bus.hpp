// PCI bus 0 behind configuration mechanism #1, at ports 0xcf8 to 0xcff, with the chipset's reset control
// register (0xcf9) between them.
#pragma once

#include "bus/address_space.hpp"
#include "bus/device.hpp"
#include "bus/platform.hpp"
#include "devices/pci/pci_function.hpp"

#include <array>
#include <memory>
#include <mutex>

namespace softmetal::devices::pci {

/// The ports are for the machine to attach: {pci::port::first, pci::port::size}.
class RootBus final : public bus::Device, public bus::IoHandler {
 public:
    static constexpr unsigned slots = 32, functions_a_slot = 8;

    explicit RootBus(bus::PlatformControl& platform) : platform_(platform) {}
    [[nodiscard]] static Result<std::unique_ptr<RootBus>> restore(bus::PlatformControl& platform,
                                                                  const bus::SavedState& state);

    /// While the machine is built; the place is free, and function 0 of the slot comes first.
    void connect(unsigned slot, PciFunction& function, unsigned number = 0);

    /// What firmware does before it starts an operating system: gives every base address register a place in
    /// these windows, in slot order, and turns decoding on. Fails where they are too small. For booting a
    /// kernel without firmware.
    [[nodiscard]] Result<> assign_addresses(bus::AddressRange memory, bus::AddressRange ports);

    [[nodiscard]] std::string_view name() const override { return "pci_root_bus"; }
    void reset() override;
    [[nodiscard]] bus::SavedState save() const override;

    [[nodiscard]] u64 read_io(u64 offset, unsigned width) override;
    void write_io(u64 offset, unsigned width, u64 value) override;

 private:
    struct Target {
        PciFunction* function = nullptr;
        u8 offset = 0;
    };
    [[nodiscard]] Target selected(u64 port_offset, unsigned width) const;

    bus::PlatformControl& platform_;
    std::array<PciFunction*, slots * functions_a_slot> functions_{};  // constant once the machine runs
    mutable std::mutex mutex_;                                        // never held while a function is called
    u32 address_ = 0;
    u8 reset_control_ = 0;
};

}  // namespace softmetal::devices::pci
