#include "machine/board.hpp"

#include "devices/acpi_pm/acpi_pm.hpp"
#include "devices/coprocessor_error/coprocessor_error.hpp"
#include "devices/debug_console/debug_console.hpp"
#include "devices/debug_exit/debug_exit.hpp"
#include "devices/debug_port/debug_port.hpp"
#include "devices/dma8237/dma8237.hpp"
#include "devices/floppy/floppy.hpp"
#include "devices/fw_cfg/fw_cfg.hpp"
#include "devices/hpet/hpet.hpp"
#include "devices/i8042/i8042.hpp"
#include "devices/io_apic/io_apic.hpp"
#include "devices/local_apic/interrupt_fabric.hpp"
#include "devices/local_apic/local_apic.hpp"
#include "devices/pci/pci_registers.hpp"
#include "devices/pci/shared_line.hpp"
#include "devices/pic8259/pic8259.hpp"
#include "devices/piix/piix_registers.hpp"
#include "devices/pit8254/pit8254.hpp"
#include "devices/rtc/rtc.hpp"
#include "devices/test_device/test_device.hpp"
#include "devices/uart16550/uart16550.hpp"
#include "devices/vmware_pointer/vmware_pointer.hpp"
#include "machine/board_layout.hpp"
#include "machine/cmos_memory.hpp"
#include "machine/firmware_files.hpp"
#include "machine/floppies.hpp"
#include "machine/ide_places.hpp"
#include "machine/memory_types.hpp"
#include "machine/pci_slots.hpp"
#include "machine/split_line.hpp"
#include "machine/switched_line.hpp"
#include "machine/vmware_backdoor.hpp"
#include "monitor/code_aware_dma.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <limits>
#include <optional>

namespace softmetal::machine {

using bus::AddressRange;

namespace {

/// The A20 gate: closed, it keeps address bit 20 of all processors low, so that addresses wrap at 1 MiB as
/// the 8086's did.
class A20Gate final : public bus::InterruptLine {
 public:
    explicit A20Gate(const std::vector<std::unique_ptr<Vcpu>>& vcpus) : vcpus_(vcpus) {}
    void set_level(bool high) override {
        for (const auto& vcpu : vcpus_) vcpu->set_address_mask(high ? ~u64{0} : ~bit(20));
    }

 private:
    const std::vector<std::unique_ptr<Vcpu>>& vcpus_;
};

/// The HPET's legacy replacement: the PIT and the RTC lose their interrupts to it.
class LegacyReplacement final : public bus::InterruptLine {
 public:
    LegacyReplacement(bus::InterruptLine& timer_line, bus::InterruptLine& clock_line)
        : timer(timer_line), clock(clock_line) {}
    void set_level(bool high) override {
        timer.select_replacement(high);
        clock.select_replacement(high);
    }
    SwitchedLine timer, clock;
};

}  // namespace

/// Members stand in the order in which they are wired: what is below uses what is above.
struct Board::Parts {
    Parts(const MachineConfig& config, const MachineResources& resources,
          bus::PlatformControl& platform_control, std::unique_ptr<GuestMemory> ram, CpuModel cpu_model)
        : memory(std::move(ram)),
          dma(*memory),
          model(std::move(cpu_model)),
          clock(resources.clock),
          wall_clock(resources.wall_clock),
          timers(resources.timers),
          platform(platform_control),
          debug_exit_port(config.debug_exit_port),
          has_test_device(config.test_device) {}

    std::unique_ptr<GuestMemory> memory;
    monitor::CodeAwareDma dma;
    bus::AddressSpace ports, mmio;
    const CpuModel model;
    const bus::Clock& clock;
    const bus::Nanoseconds wall_clock;
    bus::TimerFactory& timers;
    bus::PlatformControl& platform;

    std::vector<std::unique_ptr<Vcpu>> vcpus;
    devices::InterruptFabric fabric;
    std::vector<std::unique_ptr<devices::LocalApic>> local_apics;
    std::unique_ptr<devices::IoApic> io_apic;
    std::unique_ptr<devices::Pic8259> pic;
    std::array<std::unique_ptr<SplitLine>, layout::isa_irq_count> isa_outputs;
    std::array<std::unique_ptr<devices::pci::SharedLine>, layout::isa_irq_count> isa_lines;
    std::unique_ptr<LegacyReplacement> legacy_replacement;
    std::unique_ptr<devices::CoprocessorError> coprocessor_error;
    std::unique_ptr<devices::Hpet> hpet;
    std::unique_ptr<devices::Pit8254> pit;
    bus::NoStream nowhere;
    std::array<std::unique_ptr<devices::Uart16550>, layout::serial_port_count> serial_ports;
    std::unique_ptr<devices::Rtc> rtc;
    A20Gate a20{vcpus};
    std::unique_ptr<devices::I8042> i8042;
    std::unique_ptr<devices::VmwarePointer> pointer;
    std::unique_ptr<VmwareBackdoor> vmware_backdoor;
    devices::DebugPort debug_port;
    std::unique_ptr<devices::DebugConsole> debug_console;
    std::unique_ptr<devices::Dma8237> isa_dma;
    std::unique_ptr<devices::floppy::Floppy> floppy;
    std::unique_ptr<devices::FwCfg> fw_cfg;
    std::unique_ptr<devices::DebugExit> debug_exit;
    std::unique_ptr<devices::TestDevice> test_device;
    std::optional<u16> debug_exit_port;
    bool has_test_device;
    std::unique_ptr<devices::AcpiPm> acpi_pm;
    std::unique_ptr<PciSlots> pci;

    void add_processors(unsigned count);
    void add_interrupt_controllers();
    /// A new end of an ISA interrupt's wire.
    [[nodiscard]] bus::InterruptLine& isa_irq(unsigned irq) { return isa_lines[irq]->add_input(); }
    void add_legacy_devices(const MachineResources& resources, devices::FwCfgItems firmware_items);
    void add_pci(const MachineResources& resources, const IdePlaces& places, bool has_bios);
    void add_test_devices();
    [[nodiscard]] Result<> attach_all();
    [[nodiscard]] bus::Nanoseconds time_of_tsc(const Vcpu& vcpu, u64 tsc) const;
};

/// The inverse of Vcpu::time_stamp_counter, rounded up; time 0 where the counter is past that value. The two
/// are compared as the processor does it, unsigned (SDM vol. 3, 10.5.4.1), so every larger value lies ahead;
/// one that virtual time cannot reach is as far away as can be said.
bus::Nanoseconds Board::Parts::time_of_tsc(const Vcpu& vcpu, u64 tsc) const {
    static_assert(layout::tsc_hz == bus::nanoseconds_per_second);
    constexpr auto farthest = std::numeric_limits<bus::Nanoseconds>::max();
    const bus::Nanoseconds now = clock.now();
    const u64 counter = ticks_at(now, layout::tsc_hz) + vcpu.state.tsc_adjust;
    if (tsc <= counter) return 0;
    const u64 ahead = tsc - counter;
    return ahead > farthest - now ? farthest : now + ahead;
}

void Board::Parts::add_processors(unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        auto vcpu =
            std::make_unique<Vcpu>(i, model, Vcpu::Surroundings{*memory, ports, mmio, clock, wall_clock});
        auto apic = std::make_unique<devices::LocalApic>(devices::LocalApic::Resources{
            .id = i,
            .bootstrap = i == 0,
            .physical_address_bits = model.physical_address_bits(),
            .cpu = *vcpu,
            .clock = clock,
            .timers = timers,
            .fabric = fabric,
            .time_of_tsc = [this, &cpu = *vcpu](u64 tsc) { return time_of_tsc(cpu, tsc); },
            .acknowledge_external = [this] { return std::optional(pic->acknowledge()); },
        });
        fabric.connect(*apic);
        vcpu->apic = apic.get();
        vcpus.push_back(std::move(vcpu));
        local_apics.push_back(std::move(apic));
    }
}

void Board::Parts::add_interrupt_controllers() {
    io_apic = std::make_unique<devices::IoApic>(fabric);
    fabric.on_end_of_interrupt([this](u8 vector) { io_apic->end_of_interrupt(vector); });
    pic = std::make_unique<devices::Pic8259>(devices::Pic8259::Resources{local_apics.front()->lint0()});
    for (unsigned irq = 0; irq < layout::isa_irq_count; irq++) {
        if (irq == layout::cascade_irq) continue;
        const unsigned gsi = irq == layout::timer_irq ? layout::timer_gsi : irq;
        isa_outputs[irq] = std::make_unique<SplitLine>(pic->input(irq), io_apic->pin(gsi));
        isa_lines[irq] = std::make_unique<devices::pci::SharedLine>(*isa_outputs[irq]);
    }
}

void Board::Parts::add_legacy_devices(const MachineResources& resources, devices::FwCfgItems firmware_items) {
    // Of several processors only the first has these pins connected.
    coprocessor_error = std::make_unique<devices::CoprocessorError>(
        devices::CoprocessorError::Resources{isa_irq(layout::coprocessor_irq), *vcpus.front()});
    vcpus.front()->numeric_errors = coprocessor_error.get();
    legacy_replacement =
        std::make_unique<LegacyReplacement>(isa_irq(layout::timer_irq), isa_irq(layout::rtc_irq));
    std::vector<devices::Hpet::Route> routes;
    routes.reserve(std::size(layout::hpet_gsis));
    for (unsigned gsi : layout::hpet_gsis) routes.push_back({gsi, &io_apic->pin(gsi)});
    hpet = std::make_unique<devices::Hpet>(devices::Hpet::Resources{
        legacy_replacement->timer.replacement(), legacy_replacement->clock.replacement(), *legacy_replacement,
        std::move(routes), clock, timers});
    pit = std::make_unique<devices::Pit8254>(
        devices::Pit8254::Resources{legacy_replacement->timer.ordinary(), clock, timers});
    for (unsigned i = 0; i < layout::serial_port_count; i++) {
        bus::ByteStream* const stream = resources.serial_ports[i] ? resources.serial_ports[i]
                                        : i == 0                  ? &nowhere
                                                                  : nullptr;
        if (stream)
            serial_ports[i] = std::make_unique<devices::Uart16550>(devices::Uart16550::Resources{
                *stream, isa_irq(layout::serial_irqs[i]), clock, timers, fmt::format("com{}", i + 1)});
    }
    devices::RtcChip::Cmos cmos{};
    describe_memory_in_cmos(cmos, memory->ram_bytes());
    describe_floppies_in_cmos(cmos, resources.floppies);
    rtc = std::make_unique<devices::Rtc>(
        devices::Rtc::Resources{legacy_replacement->clock.ordinary(), clock, timers}, wall_clock, cmos);
    i8042 = std::make_unique<devices::I8042>(devices::I8042::Resources{
        isa_irq(layout::keyboard_irq), isa_irq(layout::mouse_irq), a20, platform, clock, timers});
    pointer = std::make_unique<devices::VmwarePointer>(
        devices::VmwarePointer::Resources{*i8042, [this] { i8042->wake_mouse_driver(); }});
    vmware_backdoor = std::make_unique<VmwareBackdoor>(*pointer);
    isa_dma = std::make_unique<devices::Dma8237>(dma);
    if (!resources.floppies.empty()) {
        devices::floppy::Floppy::Resources wires{isa_irq(layout::floppy_irq),
                                                 isa_dma->channel(layout::floppy_dma)};
        std::ranges::copy(resources.floppies, wires.disks.begin());
        floppy = std::make_unique<devices::floppy::Floppy>(wires);
    }
    fw_cfg = std::make_unique<devices::FwCfg>(std::move(firmware_items), dma);
    if (resources.debug_console)
        debug_console = std::make_unique<devices::DebugConsole>(*resources.debug_console);
    acpi_pm = std::make_unique<devices::AcpiPm>(
        devices::AcpiPm::Resources{isa_irq(layout::sci_irq), platform, clock, timers});
}

void Board::Parts::add_pci(const MachineResources& resources, const IdePlaces& places, bool has_bios) {
    const auto new_end = [this](unsigned irq) { return isa_lines[irq] ? &isa_irq(irq) : nullptr; };
    pci = std::make_unique<PciSlots>(PciSlots::Wires{.memory = *memory,
                                                     .dma = dma,
                                                     .ports = ports,
                                                     .mmio = mmio,
                                                     .vcpus = vcpus,
                                                     .messages = fabric,
                                                     .io_apic = *io_apic,
                                                     .isa_irq = new_end,
                                                     .acpi_pm = *acpi_pm,
                                                     .platform = platform,
                                                     .clock = clock},
                                     resources, places, has_bios);
}

/// What only kernels made for testing machines ask for.
void Board::Parts::add_test_devices() {
    if (has_test_device) {
        std::vector<bus::InterruptLine*> lines;
        lines.reserve(isa_lines.size());
        for (const auto& line : isa_lines) lines.push_back(line ? &line->add_input() : nullptr);
        test_device = std::make_unique<devices::TestDevice>(std::move(lines));
    }
    if (debug_exit_port) debug_exit = std::make_unique<devices::DebugExit>(platform);
}

Result<> Board::Parts::attach_all() {
    struct Attachment {
        bus::AddressSpace& space;
        AddressRange range;
        bus::IoHandler& handler;
    };
    using namespace layout;
    const Attachment attachments[] = {
        {mmio, {io_apic_base, io_apic_size}, *io_apic},
        {mmio, {hpet_base, devices::hpet::size}, *hpet},
        {ports, {pic_primary_port, pic_port_count}, pic->master_ports()},
        {ports, {pic_secondary_port, pic_port_count}, pic->slave_ports()},
        {ports, {pic_edge_level_port, pic_edge_level_port_count}, pic->edge_level_ports()},
        {ports, {pit_port, pit_port_count}, pit->ports()},
        {ports, {system_control_port_b, 1}, pit->system_control_b()},
        {ports, {i8042_data_port, 1}, i8042->data_port()},
        {ports, {i8042_command_port, 1}, i8042->command_port()},
        {ports, {devices::vmware::backdoor_port, 1}, *vmware_backdoor},
        {ports, {layout::debug_port, 1}, this->debug_port},
        {ports, {coprocessor_error_port, 1}, *coprocessor_error},
        {ports, {system_control_port_a, 1}, i8042->system_control_a()},
        {ports, {dma_first_port, devices::Dma8237::first_ports}, isa_dma->first_controller()},
        {ports, {dma_page_port, devices::Dma8237::page_ports}, isa_dma->page_registers()},
        {ports, {dma_second_port, devices::Dma8237::second_ports}, isa_dma->second_controller()},
        {ports, {fw_cfg_port, fw_cfg_port_count}, *fw_cfg},
        {ports, {cmos_port, cmos_port_count}, *rtc},
        {ports, {pci_config_port, pci_config_port_count}, pci->bus()},
        {ports, {devices::vga::port::first, devices::vga::port::count}, pci->vga().ports()},
        {ports, {dispi_port, dispi_port_count}, pci->vga().dispi()},
        {mmio, {video_window_start, video_window_end - video_window_start}, pci->vga().window()},
    };
    for (const Attachment& a : attachments)
        if (auto r = a.space.attach(a.range, a.handler); !r) return r;
    for (unsigned i = 0; i < serial_port_count; i++)
        if (serial_ports[i])
            if (auto r = ports.attach({layout::serial_ports[i], com1_port_count}, *serial_ports[i]); !r)
                return r;
    if (floppy)
        for (const Attachment& a :
             std::initializer_list<Attachment>{{ports, {floppy_port, floppy_port_count}, floppy->registers()},
                                               {ports, {floppy_input_port, 1}, floppy->digital_input()}})
            if (auto r = a.space.attach(a.range, a.handler); !r) return r;
    if (debug_console)
        if (auto r = ports.attach({debug_console_port, 1}, *debug_console); !r) return r;
    if (test_device)
        for (const Attachment& a : std::initializer_list<Attachment>{
                 {ports, {test_data_port, devices::TestDevice::data_port_count}, test_device->data_port()},
                 {ports, {test_line_port, test_device->line_port_count()}, test_device->line_ports()},
                 {mmio, {test_memory_base, devices::TestDevice::memory_size}, test_device->memory()}})
            if (auto r = a.space.attach(a.range, a.handler); !r) return r;
    if (!debug_exit) return {};
    const AddressRange exit_ports{*debug_exit_port, debug_exit_port_count};
    if (exit_ports.first + exit_ports.size > port_space_end || !ports.attach(exit_ports, *debug_exit))
        return fail(fmt::format("the debug exit port cannot be {:#x}: the board has another device there",
                                *debug_exit_port));
    return {};
}

Board::Board(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Board::~Board() = default;

Result<std::unique_ptr<Board>> Board::create(const MachineConfig& config, const MachineResources& resources,
                                             bus::PlatformControl& platform) {
    if (resources.disks.size() > layout::maximum_disks)
        return fail(fmt::format("a machine has at most {} disks, not {}", layout::maximum_disks,
                                resources.disks.size()));
    if (resources.network_cards.size() > layout::maximum_network_cards)
        return fail(fmt::format("a machine has at most {} network cards, not {}",
                                layout::maximum_network_cards, resources.network_cards.size()));
    auto memory = GuestMemory::create(config.memory_bytes, layout::vga_memory_bytes);
    if (!memory) return std::unexpected(memory.error());
    auto model = CpuModel::named(config.cpu_model, config.cpus, layout::tsc_hz);
    if (!model) return std::unexpected(model.error());
    if (auto r = check_floppies(resources.floppies); !r) return std::unexpected(r.error());
    const auto places = assign_ide_places(resources.ide_disks.size(), resources.cdroms.size());
    if (!places) return std::unexpected(places.error());
    BootSources sources{resources.disks.size(), resources.network_cards.size(), resources.floppies.size(),
                        *places};
    const bool has_bios = firmware_begins(config, resources);
    if (has_bios && !resources.kernel.empty()) {
        auto kernel = prepare_real_mode_kernel(
            {.kernel = resources.kernel, .initrd = resources.initrd, .command_line = config.command_line},
            config.memory_bytes);
        if (!kernel) return std::unexpected(kernel.error());
        sources.kernel = std::move(*kernel);
    }
    auto firmware_items =
        firmware_files(config, acpi_board(config, resources), std::move(sources), resources.firmware_files);
    if (!firmware_items) return std::unexpected(firmware_items.error());
    auto parts = std::make_unique<Parts>(config, resources, platform, std::move(*memory), std::move(*model));
    parts->add_processors(config.cpus);
    parts->add_interrupt_controllers();
    parts->add_legacy_devices(resources, std::move(*firmware_items));
    parts->add_pci(resources, *places, has_bios);
    parts->add_test_devices();
    if (auto r = parts->attach_all(); !r) return std::unexpected(r.error());
    return std::unique_ptr<Board>(new Board(std::move(parts)));
}

GuestMemory& Board::memory() { return *parts_->memory; }
std::vector<std::unique_ptr<Vcpu>>& Board::vcpus() { return parts_->vcpus; }

bus::Screen& Board::screen() { return parts_->pci->vga(); }
bus::InputSink& Board::input() { return *parts_->pointer; }

BootScreen Board::show_boot_screen() {
    const u64 base = parts_->pci->vga().read_configuration(devices::pci::reg::base_address0, 4) & ~u64{0x0f};
    const BootScreen screen{.address = base, .width = 1024, .height = 768};
    machine::show_boot_screen(parts_->ports, screen);
    return screen;
}

void Board::set_memory_target(u64 bytes) {
    const u64 all = parts_->memory->ram_bytes();
    parts_->pci->balloon().set_target(all - std::min(bytes, all));
}

MemoryStatus Board::memory_status() const {
    const devices::VirtioBalloon& balloon = parts_->pci->balloon();
    const devices::VirtioBalloon::Statistics guest = balloon.statistics();
    const u64 all = parts_->memory->ram_bytes();
    return {.ram = all,
            .target = all - balloon.target(),
            .balloon = balloon.size(),
            .reclaimed = balloon.reclaimed(),
            .guest_total = guest.total,
            .guest_available = guest.available,
            .guest_free = guest.free};
}

bool Board::ask_guest_about_memory(std::function<void()> answered) {
    devices::VirtioBalloon& balloon = parts_->pci->balloon();
    balloon.on_statistics(std::move(answered));
    return balloon.ask_for_statistics();
}

void Board::press_power_button() { parts_->acpi_pm->press_power_button(); }

Result<> Board::install_firmware(std::span<const std::byte> image) {
    using namespace layout;
    if (image.size() < smallest_firmware || image.size() > largest_firmware ||
        image.size() % smallest_firmware != 0)
        return fail(fmt::format("the firmware has {} bytes; an image has a multiple of 64 KiB, up to 8 MiB",
                                image.size()));
    return parts_->memory->install_firmware(image);
}

Result<> Board::hand_over_as_firmware() {
    using namespace layout;
    parts_->pci->host_bridge().shadow_everything();
    parts_->pci->power_management().place(acpi_pm_port);
    parts_->pci->ide().enable_channels();
    parts_->local_apics.front()->set_virtual_wire();
    for (const auto& vcpu : parts_->vcpus)
        set_memory_types(vcpu->state, parts_->model.physical_address_bits());
    // The keyboard's interrupt on, its codes translated, the mouse off.
    constexpr u8 write_command_byte = 0x60, keyboard_on = 0x65;
    parts_->i8042->command_port().write_io(0, 1, write_command_byte);
    parts_->i8042->data_port().write_io(0, 1, keyboard_on);
    // Level-triggered inputs of the 8259s: the SCI and the PCI pins.
    u64 level_triggered = bit(sci_irq);
    for (unsigned pin = 0; pin < pci_pin_count; pin++) {
        level_triggered |= bit(pci_isa_irqs[pin]);
        parts_->pci->isa_bridge().write_configuration(static_cast<u8>(devices::piix::isa::pirq_route + pin),
                                                      1, pci_isa_irqs[pin]);
    }
    parts_->pic->edge_level_ports().write_io(0, pic_edge_level_port_count, level_triggered);
    return parts_->pci->bus().assign_addresses(
        {pci_window_start, pci_window_end - pci_window_start},
        {pci_port_window_start, port_space_end - pci_port_window_start});
}

}  // namespace softmetal::machine
