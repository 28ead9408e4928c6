// The subjects for fuzzing: host bridge and PIIX.
#include "devices/pci/host_bridge.hpp"
#include "devices/piix/isa_bridge.hpp"
#include "devices/piix/power_management.hpp"
#include "pci_subject.hpp"

namespace softmetal::fuzz {
namespace {

using namespace devices;
using namespace devices::testing;

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

}  // namespace

std::unique_ptr<Subject> make_host_bridge() { return std::make_unique<HostBridgeSubject>(); }
std::unique_ptr<Subject> make_isa_bridge() { return std::make_unique<IsaBridgeSubject>(); }
std::unique_ptr<Subject> make_power_management() { return std::make_unique<PowerManagementSubject>(); }

}  // namespace softmetal::fuzz
