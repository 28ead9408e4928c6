// What carries interrupts between local APICs, I/O APICs and devices that send messages: destinations are
// resolved here (SDM vol. 3, ch. 10.6.2, 10.11).
#pragma once

#include "bus/interrupts.hpp"
#include "devices/local_apic/local_apic_registers.hpp"

#include <atomic>
#include <functional>
#include <vector>

namespace softmetal::devices {

class LocalApic;

/// Wired before the machine starts, constant afterwards. Sending is safe from any thread, with device locks
/// held.
class InterruptFabric final : public bus::InterruptMessageSink {
 public:
    void connect(LocalApic& apic) { apics_.push_back(&apic); }
    /// Called with the vector whenever a level-triggered interrupt ends; no lock of an APIC is held.
    void on_end_of_interrupt(std::function<void(u8)> listener) { listeners_.push_back(std::move(listener)); }

    // bus::InterruptMessageSink
    void send(bus::InterruptMessage message) override;

    void dispatch(const apic::InterruptRequest& request, const LocalApic* sender = nullptr);
    void end_of_interrupt(u8 vector);

 private:
    [[nodiscard]] LocalApic* lowest_priority(const apic::InterruptRequest& request);

    std::vector<LocalApic*> apics_;
    std::vector<std::function<void(u8)>> listeners_;
    std::atomic<unsigned> next_{0};  // where the search for the lowest priority begins: ties go round
};

}  // namespace softmetal::devices
