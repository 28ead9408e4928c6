// The board's PCI bus: what sits in which slot, and where the interrupt pins lead.
#pragma once

#include "devices/acpi_pm/acpi_pm.hpp"
#include "devices/ide/piix_ide.hpp"
#include "devices/io_apic/io_apic.hpp"
#include "devices/pci/host_bridge.hpp"
#include "devices/pci/root_bus.hpp"
#include "devices/pci/shared_line.hpp"
#include "devices/piix/isa_bridge.hpp"
#include "devices/piix/power_management.hpp"
#include "devices/vga/vga.hpp"
#include "devices/virtio/model.hpp"
#include "devices/virtio_balloon/virtio_balloon.hpp"
#include "machine/board_layout.hpp"
#include "machine/ide_places.hpp"
#include "machine/machine.hpp"
#include "machine/split_line.hpp"
#include "machine/video_memory.hpp"
#include "monitor/code_aware_dma.hpp"

#include <array>
#include <functional>
#include <memory>
#include <vector>

namespace softmetal::machine {

class PciSlots {
 public:
    /// What the bus is wired to. All outlive it.
    struct Wires {
        GuestMemory& memory;
        monitor::CodeAwareDma& dma;
        bus::AddressSpace& ports;
        bus::AddressSpace& mmio;
        const std::vector<std::unique_ptr<Vcpu>>& vcpus;
        bus::InterruptMessageSink& messages;
        devices::IoApic& io_apic;
        /// A new end of an ISA interrupt's wire; null where the board has none of that number.
        std::function<bus::InterruptLine*(unsigned irq)> isa_irq;
        devices::AcpiPm& acpi_pm;
        bus::PlatformControl& platform;
        const bus::Clock& clock;
    };

    /// The bus with all that is on the board itself, and the cards and drives of `resources`. Without a BIOS
    /// nobody looks for a video BIOS.
    PciSlots(Wires wires, const MachineResources& resources, const IdePlaces& places, bool has_bios);

    [[nodiscard]] devices::pci::RootBus& bus() { return bus_; }
    [[nodiscard]] devices::pci::HostBridge& host_bridge() { return *host_bridge_; }
    [[nodiscard]] devices::piix::IsaBridge& isa_bridge() { return *isa_bridge_; }
    [[nodiscard]] devices::piix::PowerManagement& power_management() { return *power_management_; }
    [[nodiscard]] devices::ide::PiixIde& ide() { return *ide_; }
    [[nodiscard]] devices::Vga& vga() { return *vga_; }
    [[nodiscard]] devices::VirtioBalloon& balloon() { return *balloon_; }

 private:
    [[nodiscard]] devices::pci::Surroundings on_board();
    [[nodiscard]] devices::pci::Surroundings in_slot(unsigned slot);
    /// Plugs it in and yields it.
    template <class Function>
    Function* plug_in(unsigned slot, std::unique_ptr<Function> function, unsigned number = 0);
    void plug_virtio(unsigned slot, std::unique_ptr<devices::virtio::Model> model,
                     std::vector<u8> option_rom = {});
    void shadow(const devices::pci::ShadowSegment& segment);
    void add_chipset();
    void add_cards(const MachineResources& resources);
    void add_display(const std::vector<std::byte>& video_bios);
    void add_ide(const MachineResources& resources, const IdePlaces& places);

    const Wires wires_;
    std::unique_ptr<devices::piix::IsaBridge> isa_bridge_;
    std::array<std::unique_ptr<SplitLine>, layout::pci_pin_count> lines_;
    std::array<std::unique_ptr<devices::pci::SharedLine>, layout::pci_pin_count> pins_;
    devices::pci::RootBus bus_;
    VideoMemory video_memory_;
    std::vector<std::unique_ptr<devices::pci::PciFunction>> functions_;  // among them:
    devices::pci::HostBridge* host_bridge_ = nullptr;
    devices::piix::PowerManagement* power_management_ = nullptr;
    devices::ide::PiixIde* ide_ = nullptr;
    devices::Vga* vga_ = nullptr;
    devices::VirtioBalloon* balloon_ = nullptr;
};

}  // namespace softmetal::machine
