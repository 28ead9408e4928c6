// An Intel 82540EM gigabit Ethernet card, which every system since 2001 has a driver for, on a link.
//
// Descriptors are served on the thread that moves a tail register, as far as the link takes frames, and on
// the link's thread. Interrupts are not delayed: the throttling and delay registers are stored only.
#pragma once

#include "bus/backends/network_link.hpp"
#include "devices/e1000/e1000_chip.hpp"
#include "devices/e1000/e1000_transmitter.hpp"
#include "devices/pci/msi.hpp"
#include "devices/pci/pci_function.hpp"

#include <deque>
#include <memory>
#include <mutex>

namespace softmetal::devices {

class E1000 final : public pci::PciFunction, private bus::NetworkCard {
 public:
    /// Descriptors that one call serves at the most; the rest follow in calls from the link.
    static constexpr unsigned burst = 512;

    E1000(const pci::Surroundings& surroundings, bus::NetworkLink& link, const MacAddress& mac);
    [[nodiscard]] static Result<std::unique_ptr<E1000>> restore(const pci::Surroundings& surroundings,
                                                                bus::NetworkLink& link, const MacAddress& mac,
                                                                const bus::SavedState& state);

    [[nodiscard]] std::string_view name() const override { return "e1000"; }
    void reset() override;
    [[nodiscard]] bus::SavedState save() const override;

 private:
    /// Base address 1: a register's address at port 0, its content at port 4 (ch. 13.2.2).
    class Ports final : public bus::IoHandler {
     public:
        explicit Ports(E1000& owner) : owner_(owner) {}
        [[nodiscard]] u64 read_io(u64 offset, unsigned width) override;
        void write_io(u64 offset, unsigned width, u64 value) override;
        u32 address = 0;

     private:
        E1000& owner_;
    };
    /// Base address 0: the registers.
    class Registers final : public bus::IoHandler {
     public:
        explicit Registers(E1000& owner) : owner_(owner) {}
        [[nodiscard]] u64 read_io(u64 offset, unsigned width) override;
        void write_io(u64 offset, unsigned width, u64 value) override;

     private:
        E1000& owner_;
    };

    // bus::NetworkCard
    [[nodiscard]] bool receive(std::span<const std::byte> frame) override;
    void may_send() override;

    [[nodiscard]] u32 read_register(u32 offset);
    void write_register(u32 offset, u32 value);
    // PciFunction
    void configuration_written(u8 offset, unsigned width) override;

    // With the mutex held.
    void transmit();
    [[nodiscard]] bool send_waiting();
    void update_interrupt();

    bus::NetworkLink& link_;
    const MacAddress mac_;
    Ports ports_;
    Registers registers_;
    pci::Msi msi_;

    mutable std::mutex mutex_;
    E1000Chip chip_;
    E1000Transmitter transmitter_;
    u32 announced_ = 0;  // causes that a message has told of and that are still there
    std::deque<std::vector<std::byte>>
        waiting_;  // frames that the link had no room for: one descriptor's at the most
};

}  // namespace softmetal::devices
