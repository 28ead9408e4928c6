#include "devices.hpp"

#include "../unit/devices/fake_ram.hpp"
#include "../unit/devices/fake_store.hpp"
#include "devices/acpi_pm/acpi_pm.hpp"
#include "devices/debug_port/debug_port.hpp"
#include "devices/dma8237/dma8237.hpp"
#include "devices/e1000/e1000.hpp"
#include "devices/floppy/floppy.hpp"
#include "devices/fw_cfg/fw_cfg.hpp"
#include "devices/i8042/i8042.hpp"
#include "devices/ide/piix_ide.hpp"
#include "devices/io_apic/io_apic.hpp"
#include "devices/local_apic/local_apic.hpp"
#include "devices/pci/host_bridge.hpp"
#include "devices/pic8259/pic8259.hpp"
#include "devices/piix/isa_bridge.hpp"
#include "devices/piix/power_management.hpp"
#include "devices/pit8254/pit8254.hpp"
#include "devices/rtc/rtc.hpp"
#include "devices/uart16550/uart16550.hpp"
#include "devices/vga/vga.hpp"
#include "devices/vmware_pointer/vmware_pointer.hpp"
#include "input.hpp"

namespace softmetal::fuzz {
namespace {

using namespace devices;
using namespace devices::testing;

/// What most of them have in common: Resources, restore(Resources, state), save().
template <class Device>
class DeviceSubject : public Subject {
 public:
    bus::SavedState save() override { return device->save(); }
    bool restore(const bus::SavedState& state) override {
        auto restored = make(state);
        if (!restored) return false;
        device = std::move(*restored);
        return true;
    }

 protected:
    [[nodiscard]] virtual Result<std::unique_ptr<Device>> make(const bus::SavedState& state) = 0;
    FakeLine line, second_line, third_line;
    FakePlatform platform;
    FakeStream stream;
    std::unique_ptr<Device> device;
};

class PicSubject final : public DeviceSubject<Pic8259> {
 public:
    PicSubject() { device = std::make_unique<Pic8259>(Pic8259::Resources{line}); }
    std::vector<bus::IoHandler*> registers() override {
        return {&device->master_ports(), &device->slave_ports(), &device->edge_level_ports()};
    }
    u64 register_bytes() const override { return 2; }
    void disturb(u8 how) override {
        if (how & 0x80)
            (void)device->acknowledge();
        else
            device->input(how % 16).set_level(how & 16);
    }

 private:
    Result<std::unique_ptr<Pic8259>> make(const bus::SavedState& state) override {
        return Pic8259::restore({line}, state);
    }
};

class PitSubject final : public DeviceSubject<Pit8254> {
 public:
    PitSubject() { device = std::make_unique<Pit8254>(Pit8254::Resources{line, clock, timers}); }
    std::vector<bus::IoHandler*> registers() override {
        return {&device->ports(), &device->system_control_b()};
    }
    u64 register_bytes() const override { return 4; }
    void disturb(u8) override {}

 private:
    Result<std::unique_ptr<Pit8254>> make(const bus::SavedState& state) override {
        return Pit8254::restore({line, clock, timers}, state);
    }
};

class RtcSubject final : public DeviceSubject<Rtc> {
 public:
    RtcSubject() {
        device = std::make_unique<Rtc>(Rtc::Resources{line, clock, timers},
                                       1'700'000'000 * bus::nanoseconds_per_second);
    }
    std::vector<bus::IoHandler*> registers() override { return {device.get()}; }
    u64 register_bytes() const override { return 2; }
    void disturb(u8) override {}

 private:
    Result<std::unique_ptr<Rtc>> make(const bus::SavedState& state) override {
        return Rtc::restore({line, clock, timers}, state);
    }
};

class UartSubject final : public DeviceSubject<Uart16550> {
 public:
    UartSubject() { device = std::make_unique<Uart16550>(Uart16550::Resources{stream, line, clock, timers}); }
    std::vector<bus::IoHandler*> registers() override { return {device.get()}; }
    u64 register_bytes() const override { return 8; }
    void disturb(u8 how) override { stream.feed(std::string(how % 32, 'x')); }

 private:
    Result<std::unique_ptr<Uart16550>> make(const bus::SavedState& state) override {
        return Uart16550::restore({stream, line, clock, timers}, state);
    }
};

class I8042Subject final : public DeviceSubject<I8042> {
 public:
    I8042Subject() {
        device =
            std::make_unique<I8042>(I8042::Resources{line, second_line, third_line, platform, clock, timers});
    }
    std::vector<bus::IoHandler*> registers() override {
        return {&device->data_port(), &device->command_port(), &device->system_control_a()};
    }
    u64 register_bytes() const override { return 1; }
    void disturb(u8 how) override {
        if (how & 1)
            device->key(bus::Key{how}, how & 2);
        else
            device->pointer({.x = how,
                             .y = static_cast<u16>(how / 3),
                             .width = 256,
                             .height = 256,
                             .buttons = static_cast<u8>(how >> 3),
                             .wheel = static_cast<i8>(how)});
    }

 private:
    Result<std::unique_ptr<I8042>> make(const bus::SavedState& state) override {
        return I8042::restore({line, second_line, third_line, platform, clock, timers}, state);
    }
};

class AcpiPmSubject final : public DeviceSubject<AcpiPm> {
 public:
    AcpiPmSubject() { device = std::make_unique<AcpiPm>(AcpiPm::Resources{line, platform, clock, timers}); }
    std::vector<bus::IoHandler*> registers() override {
        return {device.get(), &device->smi_command_port(), &device->reset_control_port()};
    }
    u64 register_bytes() const override { return 16; }
    void disturb(u8) override { device->press_power_button(); }

 private:
    Result<std::unique_ptr<AcpiPm>> make(const bus::SavedState& state) override {
        return AcpiPm::restore({line, platform, clock, timers}, state);
    }
};

class DebugPortSubject final : public DeviceSubject<DebugPort> {
 public:
    DebugPortSubject() { device = std::make_unique<DebugPort>(); }
    std::vector<bus::IoHandler*> registers() override { return {device.get()}; }
    u64 register_bytes() const override { return 1; }
    void disturb(u8) override {}

 private:
    Result<std::unique_ptr<DebugPort>> make(const bus::SavedState& state) override {
        return DebugPort::restore(state);
    }
};

class IoApicSubject final : public DeviceSubject<IoApic> {
 public:
    IoApicSubject() { device = std::make_unique<IoApic>(messages_); }
    std::vector<bus::IoHandler*> registers() override { return {device.get()}; }
    u64 register_bytes() const override { return 0x100; }
    void disturb(u8 how) override {
        if (how & 0x80)
            device->end_of_interrupt(static_cast<u8>(how << 1));
        else
            device->pin(how % 24).set_level(how & 32);
    }

 private:
    struct Nowhere final : bus::InterruptMessageSink {
        void send(bus::InterruptMessage) override {}
    };
    Result<std::unique_ptr<IoApic>> make(const bus::SavedState& state) override {
        return IoApic::restore(messages_, state);
    }
    Nowhere messages_;
};

/// Its registers are a page, but not a bus's: this is the way there. MSRs come behind the page.
class LocalApicSubject final : public Subject, private bus::IoHandler, private bus::CpuInterruptPort {
 public:
    LocalApicSubject() {
        device_ = std::make_unique<LocalApic>(resources(*fabric_));
        fabric_->connect(*device_);
    }
    std::vector<bus::IoHandler*> registers() override { return {this}; }
    u64 register_bytes() const override { return msrs + msr_count + 2; }
    void disturb(u8 how) override {
        switch (how & 7) {
            case 0: device_->lint0().set_level(how & 8); break;
            case 1: device_->lint1().set_level(how & 8); break;
            case 2: (void)device_->acknowledge(); break;
            case 3: (void)device_->deliverable(); break;
            case 4: device_->time_stamp_counter_changed(); break;
            default: fabric_->send({0xfee00000, how | (how & 8 ? 0xc000u : 0)}); break;
        }
    }
    bus::SavedState save() override { return device_->save(); }
    bool restore(const bus::SavedState& state) override {
        auto fabric = std::make_unique<InterruptFabric>();
        auto restored = LocalApic::restore(resources(*fabric), state);
        if (!restored) return false;
        fabric->connect(**restored);
        device_ = std::move(*restored);
        fabric_ = std::move(fabric);
        return true;
    }

 private:
    static constexpr u64 msrs = 0x1000, msr_count = 0x100;
    static constexpr u32 tsc_deadline = 0x6e0;

    LocalApic::Resources resources(InterruptFabric& fabric) {
        return {.id = 0,
                .bootstrap = true,
                .physical_address_bits = 46,
                .cpu = *this,
                .clock = clock,
                .timers = timers,
                .fabric = fabric,
                .time_of_tsc = [](u64 tsc) { return tsc; },
                .acknowledge_external = [] { return std::optional<u8>(0x20); }};
    }
    [[nodiscard]] static u32 msr(u64 offset) {
        const u64 n = offset - msrs;
        return n < msr_count ? static_cast<u32>(0x800 + n) : tsc_deadline;
    }
    u64 read_io(u64 offset, unsigned) override {
        if (offset < msrs) return device_->read_register(static_cast<u32>(offset & ~u64{3}));
        return device_->read_msr(msr(offset)).value_or(0);
    }
    void write_io(u64 offset, unsigned width, u64 value) override {
        if (offset < msrs)
            device_->write_register(static_cast<u32>(offset & ~u64{3}), static_cast<u32>(value));
        else if (offset == msrs + msr_count + 1)
            (void)device_->set_base(value);
        else if (width == 1)
            device_->set_task_priority(static_cast<u8>(value));
        else
            (void)device_->write_msr(msr(offset), value);
    }
    void interrupt_pending() override {}
    void nonmaskable_interrupt() override {}
    void init() override {}
    void startup(u8) override {}

    std::unique_ptr<InterruptFabric> fabric_ = std::make_unique<InterruptFabric>();
    std::unique_ptr<LocalApic> device_;
};

class FwCfgSubject final : public DeviceSubject<FwCfg> {
 public:
    ~FwCfgSubject() override { device.reset(); }
    FwCfgSubject() { device = std::make_unique<FwCfg>(items(), ram_); }
    std::vector<bus::IoHandler*> registers() override { return {device.get()}; }
    u64 register_bytes() const override { return 12; }
    /// A DMA request, anywhere.
    void disturb(u8 how) override {
        ram_.put<u32>(how * 8u, u32{how} << 24 | u32{how} << 8);
        ram_.put<u32>(how * 8u + 4, u32{how} << 16);
    }

 private:
    static FwCfgItems items() { return FwCfgItems({.ram_bytes = 1 << 20, .cpus = 2}); }
    Result<std::unique_ptr<FwCfg>> make(const bus::SavedState& state) override {
        return FwCfg::restore(items(), ram_, state);
    }
    FakeRam ram_{1 << 16};
};

/// PCI functions: their configuration space is one register block, the ports they decode another.
template <class Device>
class PciSubject : public DeviceSubject<Device> {
 public:
    ~PciSubject() override { this->device.reset(); }  // before what it is wired to
    std::vector<bus::IoHandler*> registers() override { return {&configuration_, &ports_window_}; }
    u64 register_bytes() const override { return 0x100; }

 protected:
    /// Where its ports are, in sixteens.
    [[nodiscard]] virtual u64 port(u64 offset) const { return 0x600 + offset; }
    bus::AddressSpace ports_, memory_;
    FakeRam ram_{1 << 20};
    struct Nowhere final : bus::InterruptMessageSink {
        void send(bus::InterruptMessage) override {}
    } messages_;
    pci::Surroundings surroundings_{ports_, memory_, ram_, messages_, nullptr};

 private:
    struct Configuration final : bus::IoHandler {
        explicit Configuration(PciSubject& s) : subject(s) {}
        u64 read_io(u64 offset, unsigned width) override {
            return subject.device->read_configuration(static_cast<u8>(offset & ~3u), std::min(width, 4u));
        }
        void write_io(u64 offset, unsigned width, u64 value) override {
            subject.device->write_configuration(static_cast<u8>(offset & ~3u), std::min(width, 4u),
                                                static_cast<u32>(value));
        }
        PciSubject& subject;
    } configuration_{*this};
    struct Ports final : bus::IoHandler {
        explicit Ports(PciSubject& s) : subject(s) {}
        u64 read_io(u64 offset, unsigned width) override {
            return subject.ports_.read(subject.port(offset), width);
        }
        void write_io(u64 offset, unsigned width, u64 value) override {
            subject.ports_.write(subject.port(offset), width, value);
        }
        PciSubject& subject;
    } ports_window_{*this};
};

class HostBridgeSubject final : public PciSubject<pci::HostBridge> {
 public:
    HostBridgeSubject() { device = std::make_unique<pci::HostBridge>(surroundings_, ignore); }
    void disturb(u8) override {}

 private:
    static void ignore(const pci::ShadowSegment&) {}
    Result<std::unique_ptr<pci::HostBridge>> make(const bus::SavedState& state) override {
        return pci::HostBridge::restore(surroundings_, ignore, state);
    }
};

class IsaBridgeSubject final : public PciSubject<piix::IsaBridge> {
 public:
    ~IsaBridgeSubject() override { device.reset(); }
    IsaBridgeSubject() {
        lines_.fill(&line);
        device = std::make_unique<piix::IsaBridge>(surroundings_, lines_);
    }
    void disturb(u8 how) override { device->pin(how % 4).set_level(how & 4); }

 private:
    Result<std::unique_ptr<piix::IsaBridge>> make(const bus::SavedState& state) override {
        return piix::IsaBridge::restore(surroundings_, lines_, state);
    }
    piix::IsaBridge::IsaLines lines_{};
};

class PowerManagementSubject final : public PciSubject<piix::PowerManagement> {
 public:
    PowerManagementSubject() { device = std::make_unique<piix::PowerManagement>(surroundings_, block_); }
    ~PowerManagementSubject() override { device.reset(); }
    void disturb(u8) override { device->place(0x600); }

 private:
    Result<std::unique_ptr<piix::PowerManagement>> make(const bus::SavedState& state) override {
        device->reset();  // two cannot have the same ports
        return piix::PowerManagement::restore(surroundings_, block_, state);
    }
    struct Block final : bus::IoHandler {
        u64 read_io(u64 offset, unsigned) override { return offset; }
        void write_io(u64, unsigned, u64) override {}
    } block_;
};

class IdeSubject final : public PciSubject<ide::PiixIde> {
 public:
    IdeSubject() {
        device = std::make_unique<ide::PiixIde>(surroundings_, resources_);
        device->write_configuration(0x20, 4, 0xc000);
        device->enable_channels();
        device->write_configuration(4, 2, 5);
    }
    ~IdeSubject() override { device.reset(); }
    /// Something for the bus master to follow.
    void disturb(u8 how) override {
        ram_.put<u32>(how * 8u, u32{how} << 10);
        ram_.put<u32>(how * 8u + 4, u32{how} << 8 | (how & 1 ? 0x8000'0000 : 0));
        disk_.broken = how == 0xff;
    }

 private:
    u64 port(u64 offset) const override {
        if (offset < 0x08) return 0x1f0 + offset;
        if (offset < 0x10) return 0x3f6;
        if (offset < 0x18) return 0x170 + (offset & 7);
        if (offset < 0x20) return 0x376;
        return 0xc000 + (offset & 15);
    }
    Result<std::unique_ptr<ide::PiixIde>> make(const bus::SavedState& state) override {
        device->reset();
        return ide::PiixIde::restore(surroundings_, resources_, state);
    }
    MemoryStore disk_{600 * 512}, disc_{40 * 2048, true};
    ide::PiixIde::Resources resources_{{&line, &second_line},
                                       {ide::DriveSlot{ide::DriveKind::disk, &disk_, "x"}, std::nullopt,
                                        ide::DriveSlot{ide::DriveKind::cdrom, &disc_, ""}, std::nullopt}};
};

class DmaSubject final : public DeviceSubject<Dma8237> {
 public:
    DmaSubject() { device = std::make_unique<Dma8237>(ram_); }
    ~DmaSubject() override { device.reset(); }
    std::vector<bus::IoHandler*> registers() override {
        return {&device->first_controller(), &device->second_controller(), &device->page_registers()};
    }
    u64 register_bytes() const override { return 32; }
    void disturb(u8 how) override {
        std::vector<std::byte> data(how);
        bus::IsaDmaChannel& channel = device->channel(how % Dma8237::channel_count);
        static_cast<void>(how & 0x80 ? channel.to_memory(data) : channel.from_memory(data));
    }

 private:
    Result<std::unique_ptr<Dma8237>> make(const bus::SavedState& state) override {
        return Dma8237::restore(ram_, state);
    }
    FakeRam ram_{1 << 18};
};

class FloppySubject final : public DeviceSubject<floppy::Floppy> {
 public:
    FloppySubject() { device = std::make_unique<floppy::Floppy>(resources()); }
    ~FloppySubject() override { device.reset(); }
    std::vector<bus::IoHandler*> registers() override {
        return {&device->registers(), &device->digital_input()};
    }
    u64 register_bytes() const override { return 6; }
    /// The channel is programmed, in either direction.
    void disturb(u8 how) override {
        dma_.first_controller().write_io(11, 1, how & 1 ? 0x46 : 0x4a);
        dma_.first_controller().write_io(5, 1, how);
        dma_.first_controller().write_io(5, 1, how >> 4);
        dma_.first_controller().write_io(10, 1, 2);
    }

 private:
    floppy::Floppy::Resources resources() { return {line, dma_.channel(2), {&disk_, nullptr}}; }
    Result<std::unique_ptr<floppy::Floppy>> make(const bus::SavedState& state) override {
        return floppy::Floppy::restore(resources(), state);
    }
    FakeRam ram_{1 << 17};
    Dma8237 dma_{ram_};
    MemoryStore disk_{163840};
};

/// Its configuration space is the last register block; what comes from outside is somebody who looks.
class VgaSubject final : public Subject, private bus::IoHandler {
 public:
    VgaSubject() { device_ = std::make_unique<Vga>(resources()); }
    std::vector<bus::IoHandler*> registers() override {
        return {&device_->ports(), &device_->dispi(), &device_->window(), this};
    }
    u64 register_bytes() const override { return 0x40; }
    void disturb(u8 how) override {
        const auto picture = device_->picture();
        std::vector<u32> scratch(bus::Screen::scratch_pixels);
        const u32 step = 1 + how;
        for (u32 y = 0; y < picture->height(); y += step) {
            const auto line = picture->line(y, scratch);
            u32 seen = 0;
            for (const u32 pixel : line) seen ^= pixel;  // every byte is there
            if (line.size() != picture->width()) scratch.at(seen) = 0;
        }
    }
    bus::SavedState save() override { return device_->save(); }
    bool restore(const bus::SavedState& state) override {
        auto restored = Vga::restore(resources(), state);
        if (!restored) return false;
        device_ = std::move(*restored);
        return true;
    }

 private:
    struct Memory final : bus::MovableMemory {
        std::span<u8> bytes() override { return storage; }
        void place(std::optional<u64>) override {}
        std::vector<u8> storage = std::vector<u8>(vga::least_memory);
    };
    struct Nowhere final : bus::InterruptMessageSink, bus::DmaView {
        void send(bus::InterruptMessage) override {}
        bool read(GuestPhysical, std::span<std::byte>) const override { return false; }
        bool write(GuestPhysical, std::span<const std::byte>) override { return false; }
    };
    Vga::Resources resources() { return {surroundings_, memory_, clock}; }
    u64 read_io(u64 offset, unsigned width) override {
        return device_->read_configuration(static_cast<u8>(offset & ~u64{3}), width > 4 ? 4 : width);
    }
    void write_io(u64 offset, unsigned width, u64 value) override {
        device_->write_configuration(static_cast<u8>(offset & ~u64{3}), width > 4 ? 4 : width,
                                     static_cast<u32>(value));
    }

    Nowhere nowhere_;
    bus::AddressSpace ports_, mmio_;
    Memory memory_;
    pci::Surroundings surroundings_{ports_, mmio_, nowhere_, nowhere_, nullptr};
    std::unique_ptr<Vga> device_;
};

/// Its registers that do something lie next to each other here; the last block writes descriptors and
/// frames into memory, at which the rings mostly point.
class E1000Subject final : public Subject, private bus::IoHandler {
 public:
    E1000Subject() {
        device_ = std::make_unique<E1000>(surroundings_, link_, mac);
        device_->write_configuration(0x10, 4, static_cast<u32>(bar));
        device_->write_configuration(0x04, 2, 7);
    }
    std::vector<bus::IoHandler*> registers() override { return {this, &memory_}; }
    u64 register_bytes() const override { return 4 * offsets.size() - 1; }
    void disturb(u8 how) override {
        link_.full = how & 1;
        if (how & 2) return link_.card->may_send();
        std::vector<std::byte> frame(14u + how * 5u, std::byte{how});
        std::ranges::copy(std::as_bytes(std::span(mac)), frame.begin());
        static_cast<void>(link_.card->receive(frame));
    }
    bus::SavedState save() override { return device_->save(); }
    bool restore(const bus::SavedState& state) override {
        auto restored = E1000::restore(surroundings_, link_, mac, state);
        if (restored) device_ = std::move(*restored);
        return restored.has_value();
    }

 private:
    static constexpr u64 bar = 0xe000'0000;
    static constexpr MacAddress mac = {2, 0, 0, 0, 0, 1};
    static constexpr std::array<u32, 28> offsets = {e1000::reg::control,
                                                    e1000::reg::status,
                                                    e1000::reg::eeprom_control,
                                                    e1000::reg::eeprom_read,
                                                    e1000::reg::mdi_control,
                                                    e1000::reg::cause,
                                                    e1000::reg::cause_set,
                                                    e1000::reg::mask_set,
                                                    e1000::reg::mask_clear,
                                                    e1000::reg::receive_control,
                                                    e1000::reg::transmit_control,
                                                    e1000::reg::receive_base_low,
                                                    e1000::reg::receive_length,
                                                    e1000::reg::receive_head,
                                                    e1000::reg::receive_tail,
                                                    e1000::reg::transmit_base_low,
                                                    e1000::reg::transmit_base_high,
                                                    e1000::reg::transmit_length,
                                                    e1000::reg::transmit_head,
                                                    e1000::reg::transmit_tail,
                                                    e1000::reg::transmit_tail,
                                                    e1000::reg::receive_tail,
                                                    e1000::reg::address,
                                                    e1000::reg::address + 4,
                                                    e1000::reg::multicast,
                                                    e1000::reg::vlan_filter,
                                                    e1000::reg::packet_buffer,
                                                    e1000::reg::statistics};

    struct Link final : bus::NetworkLink {
        void connect(bus::NetworkCard& c) override { card = &c; }
        bool send(std::span<const std::byte> frame) override {
            if (frame.size() < 60 || frame.size() > bus::ethernet_frame_max) fail("an impossible frame");
            return !full;
        }
        void room() override {}
        void call_back() override {}
        bus::NetworkCard* card = nullptr;
        bool full = false;
    };
    /// Guest memory of 64 KiB, which repeats.
    struct Memory final : bus::InterruptMessageSink, bus::DmaView, bus::IoHandler {
        void send(bus::InterruptMessage) override {}
        bool read(GuestPhysical a, std::span<std::byte> into) const override {
            if (a.value >> 32) return false;
            for (std::byte& b : into) b = bytes[a.value++ % bytes.size()];
            return true;
        }
        bool write(GuestPhysical a, std::span<const std::byte> from) override {
            if (a.value >> 32) return false;
            for (const std::byte b : from) bytes[a.value++ % bytes.size()] = b;
            return true;
        }
        u64 read_io(u64, unsigned) override { return 0; }
        void write_io(u64 offset, unsigned, u64 value) override {
            static_cast<void>(write({offset * 8}, std::as_bytes(std::span(&value, 1))));
        }
        std::vector<std::byte> bytes = std::vector<std::byte>(1 << 16);
    };
    u64 read_io(u64 offset, unsigned) override {
        return mmio_.read(bar + offsets[offset / 4 % offsets.size()], 4);
    }
    void write_io(u64 offset, unsigned, u64 value) override {
        mmio_.write(bar + offsets[offset / 4 % offsets.size()], 4, value & 0xffff'ffff);
    }

    Memory memory_;
    Link link_;
    FakeLine line_;
    bus::AddressSpace ports_, mmio_;
    pci::Surroundings surroundings_{ports_, mmio_, memory_, memory_, &line_};
    std::unique_ptr<E1000> device_;
};

/// A read's offset is the backdoor's command; what was last written is the other registers.
class VmwarePointerSubject final : public DeviceSubject<VmwarePointer>,
                                   private bus::IoHandler,
                                   private bus::InputSink {
 public:
    VmwarePointerSubject() { device = std::make_unique<VmwarePointer>(resources()); }
    std::vector<bus::IoHandler*> registers() override { return {this}; }
    u64 register_bytes() const override { return vmware::command::pointer_restrict + 1; }
    void disturb(u8 how) override {
        device->pointer({.x = how, .y = 3, .width = static_cast<u16>(how / 2), .height = 4, .buttons = how});
    }

 private:
    VmwarePointer::Resources resources() {
        return {*this, [] {}};
    }
    Result<std::unique_ptr<VmwarePointer>> make(const bus::SavedState& state) override {
        return VmwarePointer::restore(resources(), state);
    }
    u64 read_io(u64 offset, unsigned) override {
        VmwarePointerChip::Registers r{vmware::magic, parameter_, static_cast<u32>(offset), 0};
        if (!device->call(r)) return 0;
        return r.eax;
    }
    void write_io(u64, unsigned, u64 value) override {
        constexpr std::array known = {vmware::pointer::enable, vmware::pointer::disable,
                                      vmware::pointer::request_absolute, vmware::pointer::request_relative};
        parameter_ = value % 16 < known.size() ? known[value % 16] : static_cast<u32>(value);
    }
    void key(bus::Key, bool) override {}
    void pointer(const bus::PointerState&) override {}

    u32 parameter_ = vmware::pointer::enable;
};

template <class S>
std::unique_ptr<Subject> make_subject() {
    return std::make_unique<S>();
}

}  // namespace

const std::vector<MakeSubject>& subjects() {
    // The order is what the kept inputs mean: new ones go to the end.
    static const std::vector<MakeSubject> all = {make_subject<PicSubject>,
                                                 make_subject<PitSubject>,
                                                 make_subject<RtcSubject>,
                                                 make_subject<UartSubject>,
                                                 make_subject<I8042Subject>,
                                                 make_subject<AcpiPmSubject>,
                                                 make_subject<DebugPortSubject>,
                                                 make_subject<IoApicSubject>,
                                                 make_subject<LocalApicSubject>,
                                                 make_subject<FwCfgSubject>,
                                                 make_subject<HostBridgeSubject>,
                                                 make_subject<IsaBridgeSubject>,
                                                 make_subject<PowerManagementSubject>,
                                                 make_subject<IdeSubject>,
                                                 make_subject<VgaSubject>,
                                                 make_subject<E1000Subject>,
                                                 make_subject<DmaSubject>,
                                                 make_subject<FloppySubject>,
                                                 make_subject<VmwarePointerSubject>};
    return all;
}

}  // namespace softmetal::fuzz
