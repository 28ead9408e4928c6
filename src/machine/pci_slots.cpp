#include "machine/pci_slots.hpp"

#include "devices/e1000/e1000.hpp"
#include "devices/virtio/virtio_pci.hpp"
#include "devices/virtio_block/virtio_block.hpp"
#include "devices/virtio_console/virtio_console.hpp"
#include "devices/virtio_net/virtio_net.hpp"
#include "devices/virtio_rng/virtio_rng.hpp"
#include "machine/boot/file_bytes.hpp"

#include <fmt/format.h>

namespace softmetal::machine {

PciSlots::PciSlots(Wires wires, const MachineResources& resources, const IdePlaces& places, bool has_bios)
    : wires_(std::move(wires)), bus_(wires_.platform), video_memory_(wires_.memory, wires_.vcpus) {
    add_chipset();
    add_cards(resources);
    add_display(has_bios ? resources.video_bios : std::vector<std::byte>{});
    add_ide(resources, places);
}

devices::pci::Surroundings PciSlots::on_board() {
    return {wires_.ports, wires_.mmio, wires_.dma, wires_.messages, nullptr};
}

/// What a card in this slot is connected to; the _PRT of the DSDT says the same.
devices::pci::Surroundings PciSlots::in_slot(unsigned slot) {
    devices::pci::Surroundings surroundings = on_board();
    surroundings.interrupt = &pins_[layout::pci_pin_of_slot(slot)]->add_input();
    return surroundings;
}

template <class Function>
Function* PciSlots::plug_in(unsigned slot, std::unique_ptr<Function> function, unsigned number) {
    Function* const plugged = function.get();
    bus_.connect(slot, *plugged, number);
    functions_.push_back(std::move(function));
    return plugged;
}

void PciSlots::plug_virtio(unsigned slot, std::unique_ptr<devices::virtio::Model> model,
                           std::vector<u8> option_rom) {
    devices::pci::Surroundings surroundings = in_slot(slot);
    surroundings.option_rom = std::move(option_rom);
    plug_in(slot, std::make_unique<devices::virtio::VirtioPci>(surroundings, std::move(model)));
}

void PciSlots::shadow(const devices::pci::ShadowSegment& segment) {
    wires_.memory.shadow(segment.range.first, segment.range.size, segment.reads_ram, segment.writes_ram);
    for (const auto& vcpu : wires_.vcpus) vcpu->memory_map_changed();
}

void PciSlots::add_chipset() {
    devices::piix::IsaBridge::IsaLines steered{};
    for (unsigned irq = 0; irq < steered.size(); irq++) steered[irq] = wires_.isa_irq(irq);
    isa_bridge_ = std::make_unique<devices::piix::IsaBridge>(on_board(), steered);
    for (unsigned pin = 0; pin < layout::pci_pin_count; pin++) {
        lines_[pin] =
            std::make_unique<SplitLine>(isa_bridge_->pin(pin), wires_.io_apic.pin(layout::pci_gsi(pin)));
        pins_[pin] = std::make_unique<devices::pci::SharedLine>(*lines_[pin]);
    }
    host_bridge_ =
        plug_in(layout::pci_host_bridge_slot,
                std::make_unique<devices::pci::HostBridge>(
                    on_board(), [this](const devices::pci::ShadowSegment& segment) { shadow(segment); }));
    bus_.connect(layout::pci_piix_slot, *isa_bridge_);
    power_management_ = plug_in(layout::pci_piix_slot,
                                std::make_unique<devices::piix::PowerManagement>(on_board(), wires_.acpi_pm),
                                layout::pci_power_function);
}

void PciSlots::add_cards(const MachineResources& resources) {
    plug_virtio(layout::pci_rng_slot, std::make_unique<devices::VirtioRng>(resources.entropy));
    for (unsigned i = 0; i < resources.disks.size(); i++)
        plug_virtio(layout::pci_first_disk_slot + i,
                    std::make_unique<devices::VirtioBlock>(*resources.disks[i], fmt::format("disk{}", i),
                                                           static_cast<unsigned>(wires_.vcpus.size())));
    for (unsigned i = 0; i < resources.network_cards.size(); i++) {
        const unsigned slot = layout::pci_first_network_slot + i;
        const NetworkCard& card = resources.network_cards[i];
        if (card.model == NetworkCardModel::e1000) {
            devices::pci::Surroundings surroundings = in_slot(slot);
            surroundings.option_rom = to_u8(resources.network_rom);
            plug_in(slot, std::make_unique<devices::E1000>(surroundings, *card.link, card.mac));
        } else {
            plug_virtio(slot, std::make_unique<devices::VirtioNet>(*card.link, card.mac),
                        to_u8(resources.network_rom));
        }
    }
    auto balloon = std::make_unique<devices::VirtioBalloon>(wires_.dma);
    balloon_ = balloon.get();
    plug_virtio(layout::pci_balloon_slot, std::move(balloon));
    if (resources.virtio_console)
        plug_virtio(layout::pci_console_slot,
                    std::make_unique<devices::VirtioConsole>(*resources.virtio_console));
}

void PciSlots::add_display(const std::vector<std::byte>& video_bios) {
    devices::pci::Surroundings surroundings = on_board();
    surroundings.option_rom = to_u8(video_bios);
    vga_ = plug_in(layout::pci_display_slot,
                   std::make_unique<devices::Vga>(devices::Vga::Resources{
                       .surroundings = surroundings, .memory = video_memory_, .clock = wires_.clock}));
}

void PciSlots::add_ide(const MachineResources& resources, const IdePlaces& places) {
    using namespace devices::ide;
    PiixIde::Resources drives;
    for (unsigned i = 0; i < PiixIde::channel_count; i++)
        drives.interrupts[i] = wires_.isa_irq(layout::ide_irqs[i]);
    for (unsigned place = 0; place < places.size(); place++) {
        if (!places[place]) continue;
        const auto [cdrom, number] = *places[place];
        drives.drives[place] =
            DriveSlot{cdrom ? DriveKind::cdrom : DriveKind::disk,
                      (cdrom ? resources.cdroms : resources.ide_disks)[number], fmt::format("ide{}", place)};
    }
    ide_ = plug_in(layout::pci_piix_slot, std::make_unique<PiixIde>(on_board(), drives),
                   layout::pci_ide_function);
}

}  // namespace softmetal::machine
