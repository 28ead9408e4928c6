// PCI functions: their configuration space is one register block, the ports they decode another.
#pragma once

#include "../unit/devices/fake_ram.hpp"
#include "device_subject.hpp"
#include "devices/pci/pci_function.hpp"

#include <algorithm>

namespace softmetal::fuzz {

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
    devices::testing::FakeRam ram_{1 << 20};
    struct Nowhere final : bus::InterruptMessageSink {
        void send(bus::InterruptMessage) override {}
    } messages_;
    devices::pci::Surroundings surroundings_{ports_, memory_, ram_, messages_, nullptr};

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

}  // namespace softmetal::fuzz
