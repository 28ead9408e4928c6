// The subjects for fuzzing: the network card.
#include "device_subject.hpp"
#include "devices/e1000/e1000.hpp"
#include "input.hpp"

namespace softmetal::fuzz {
namespace {

using namespace devices;
using namespace devices::testing;

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
        if (how & 4) return device_->write_configuration(msi_control, 2, how >> 3);
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
    static constexpr u8 msi_control = 0x42;
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

}  // namespace

std::unique_ptr<Subject> make_e1000() { return std::make_unique<E1000Subject>(); }

}  // namespace softmetal::fuzz
