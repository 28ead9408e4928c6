// A virtio driver for tests: guest memory, a PCI function reached by its configuration space and BAR, and
// rings that a test fills well or badly.
#pragma once

#include "base/bits.hpp"
#include "devices/pci/pci_registers.hpp"
#include "devices/virtio/virtio_pci.hpp"
#include "fake_ram.hpp"
#include "fakes.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <map>

namespace softmetal::devices::testing {

struct MessageLog : bus::InterruptMessageSink {
    void send(bus::InterruptMessage m) override { sent.push_back(m); }
    std::vector<bus::InterruptMessage> sent;
};

struct TestDescriptor {
    u64 address = 0;
    u32 length = 0;
    u16 flags = 0, next = 0;
};

/// The memory of one queue and a driver's indices into it.
struct TestRing {
    FakeRam& ram;
    u16 size = 16;
    u64 descriptors = 0x1000, driver = 0x3000, device = 0x4000;
    u16 available = 0, seen = 0;

    void describe(u16 index, const TestDescriptor& d) { ram.put(descriptors + 16 * index, d); }
    void offer(u16 head) {
        ram.put<u16>(driver + 4 + 2 * (available % size), head);
        ram.put<u16>(driver + 2, ++available);
    }
    [[nodiscard]] u16 used_index() const { return ram.get<u16>(device + 2); }
    /// Head and length of the next answer; none where there is none.
    [[nodiscard]] std::optional<std::pair<u32, u32>> next_used() {
        if (seen == used_index()) return {};
        const u64 entry = device + 4 + 8 * (seen++ % size);
        return std::pair{ram.get<u32>(entry), ram.get<u32>(entry + 4)};
    }
    void set_flags(u16 flags) { ram.put<u16>(driver, flags); }
    void set_used_event(u16 index) { ram.put<u16>(driver + 4 + 2 * size, index); }
    [[nodiscard]] u16 available_event() const { return ram.get<u16>(device + 4 + 8 * size); }
};

/// A device in its surroundings, found and set up as a driver does.
struct VirtioBench {
    static constexpr u64 bar = 0xe000'0000;

    bus::AddressSpace ports, memory;
    FakeRam ram;
    MessageLog messages;
    FakeLine line;
    TestRing ring{.ram = ram};
    std::unique_ptr<virtio::VirtioPci> device;

    [[nodiscard]] pci::Surroundings surroundings() { return {ports, memory, ram, messages, &line}; }

    void plug(std::unique_ptr<virtio::Model> model) {
        device = std::make_unique<virtio::VirtioPci>(surroundings(), std::move(model));
        device->write_configuration(0x10, 4, static_cast<u32>(bar));
        device->write_configuration(0x04, 2, 0x6);
    }
    [[nodiscard]] u64 read(u64 offset, unsigned width) { return memory.read(bar + offset, width); }
    void write(u64 offset, unsigned width, u64 value) { memory.write(bar + offset, width, value); }
    [[nodiscard]] u8 status() { return static_cast<u8>(read(virtio::common::device_status, 1)); }
    void set_status(u8 value) { write(virtio::common::device_status, 1, value); }

    [[nodiscard]] u64 offered_features() {
        write(virtio::common::device_feature_select, 4, 0);
        const u64 low = read(virtio::common::device_feature, 4);
        write(virtio::common::device_feature_select, 4, 1);
        return low | read(virtio::common::device_feature, 4) << 32;
    }
    void accept(u64 features) {
        namespace c = virtio::common;
        set_status(1);
        set_status(3);
        for (unsigned half = 0; half < 2; ++half) {
            write(c::driver_feature_select, 4, half);
            write(c::driver_feature, 4, features >> (32 * half) & 0xffff'ffff);
        }
        set_status(11);
    }
    void set_queue() { set_queue(0, ring); }
    void set_queue(u16 number, const TestRing& of) {
        namespace c = virtio::common;
        write(c::queue_select, 2, number);
        write(c::queue_size, 2, of.size);
        write(c::queue_descriptors, 4, of.descriptors);
        write(c::queue_descriptors + 4, 4, of.descriptors >> 32);
        write(c::queue_driver, 4, of.driver);
        write(c::queue_driver + 4, 4, of.driver >> 32);
        write(c::queue_device, 4, of.device);
        write(c::queue_device + 4, 4, of.device >> 32);
        write(c::queue_enable, 2, 1);
    }
    /// All the steps to a running device.
    void bring_up(u64 features) {
        accept(features | virtio::feature::version_1);
        ASSERT_EQ(status(), 11);
        set_queue();
        set_status(15);
        ASSERT_EQ(status(), 15);
    }
    void notify(u16 queue = 0) {
        using namespace virtio::pci_transport;
        write(notify_offset + u64{queue} * notify_multiplier, 2, queue);
    }
    [[nodiscard]] u8 isr() { return static_cast<u8>(read(virtio::pci_transport::isr_offset, 1)); }

    /// Two MSI-X vectors on, for configuration changes and queue 0.
    void enable_msix() {
        const u8 capability = find_capability(0x11);
        for (unsigned v = 0; v < 2; ++v) {
            const u64 entry = virtio::pci_transport::msix_table_offset + 16 * v;
            write(entry, 4, 0xfee00000);
            write(entry + 4, 4, 0);
            write(entry + 8, 4, 0x40 + v);
            write(entry + 12, 4, 0);
        }
        device->write_configuration(static_cast<u8>(capability + 2), 2, 0x8000);
        write(virtio::common::config_vector, 2, 0);
        write(virtio::common::queue_select, 2, 0);
        write(virtio::common::queue_vector, 2, 1);
    }
    /// The first capability of this id that `matches`; 0 where there is none.
    [[nodiscard]] u8 find_capability(u8 id, int virtio_type = -1) {
        u8 at = static_cast<u8>(device->read_configuration(0x34, 1));
        for (int guard = 0; at != 0 && guard < 48; ++guard) {
            if (device->read_configuration(at, 1) == id &&
                (virtio_type < 0 ||
                 device->read_configuration(static_cast<u8>(at + 3), 1) == static_cast<u32>(virtio_type)))
                return at;
            at = static_cast<u8>(device->read_configuration(static_cast<u8>(at + 1), 1));
        }
        return 0;
    }
};

}  // namespace softmetal::devices::testing
