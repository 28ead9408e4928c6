#include "devices.hpp"

#include "../unit/devices/fake_ram.hpp"
#include "../unit/devices/fake_store.hpp"
#include "devices/acpi_pm/acpi_pm.hpp"
#include "devices/debug_port/debug_port.hpp"
#include "devices/dma8237/dma8237.hpp"
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
    RtcSubject() { device = std::make_unique<Rtc>(Rtc::Resources{line, clock, timers}, 1'700'000'000); }
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
        device = std::make_unique<I8042>(I8042::Resources{line, second_line, third_line, platform});
    }
    std::vector<bus::IoHandler*> registers() override {
        return {&device->data_port(), &device->command_port(), &device->system_control_a()};
    }
    u64 register_bytes() const override { return 1; }
    void disturb(u8) override {}

 private:
    Result<std::unique_ptr<I8042>> make(const bus::SavedState& state) override {
        return I8042::restore({line, second_line, third_line, platform}, state);
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
                                                 make_subject<DmaSubject>,
                                                 make_subject<FloppySubject>};
    return all;
}

}  // namespace softmetal::fuzz
