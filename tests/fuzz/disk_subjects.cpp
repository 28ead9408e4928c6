// The subjects for fuzzing: IDE channels, floppy controller, DMA controllers.
#include "../unit/devices/fake_store.hpp"
#include "devices/dma8237/dma8237.hpp"
#include "devices/floppy/floppy.hpp"
#include "devices/ide/piix_ide.hpp"
#include "pci_subject.hpp"

namespace softmetal::fuzz {
namespace {

using namespace devices;
using namespace devices::testing;

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

}  // namespace

std::unique_ptr<Subject> make_ide() { return std::make_unique<IdeSubject>(); }
std::unique_ptr<Subject> make_dma() { return std::make_unique<DmaSubject>(); }
std::unique_ptr<Subject> make_floppy() { return std::make_unique<FloppySubject>(); }

}  // namespace softmetal::fuzz
