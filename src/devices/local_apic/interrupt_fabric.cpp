#include "devices/local_apic/interrupt_fabric.hpp"

#include "base/bits.hpp"
#include "devices/local_apic/local_apic.hpp"

namespace softmetal::devices {

using apic::DeliveryMode;
using apic::InterruptRequest;
using apic::Shorthand;

namespace {

// Message address and data (SDM vol. 3, figures 10-24 and 10-25).
constexpr u32 message_window = 0xfee0'0000, message_window_mask = 0xfff0'0000;
constexpr u32 redirection_hint = 1u << 3, destination_mode_logical = 1u << 2;
constexpr u32 data_level_triggered = 1u << 15;

}  // namespace

void InterruptFabric::send(bus::InterruptMessage message) {
    if ((message.address & message_window_mask) != message_window) return;
    InterruptRequest request{.mode = static_cast<DeliveryMode>(bits(message.data, 10, 8)),
                             .vector = static_cast<u8>(message.data),
                             .level_triggered = (message.data & data_level_triggered) != 0,
                             .logical = (message.address & destination_mode_logical) != 0,
                             .broadcast = false,
                             .destination = static_cast<u32>(bits(message.address, 19, 12)),
                             .shorthand = Shorthand::none};
    request.broadcast = request.destination == 0xff;
    if (request.logical && (message.address & redirection_hint) && request.mode == DeliveryMode::fixed)
        request.mode = DeliveryMode::lowest_priority;
    dispatch(request);
}

void InterruptFabric::dispatch(const InterruptRequest& request, const LocalApic* sender) {
    if (request.mode == DeliveryMode::lowest_priority && request.shorthand == Shorthand::none) {
        if (LocalApic* chosen = lowest_priority(request)) chosen->deliver(request);
        return;
    }
    InterruptRequest addressed = request;
    if (request.shorthand != Shorthand::none) addressed.broadcast = true;
    for (LocalApic* target : apics_) {
        const bool excluded = request.shorthand == Shorthand::self     ? target != sender
                              : request.shorthand == Shorthand::others ? target == sender
                                                                       : false;
        if (!excluded && target->matches(addressed)) target->deliver(addressed);
    }
}

LocalApic* InterruptFabric::lowest_priority(const InterruptRequest& request) {
    LocalApic* best = nullptr;
    const unsigned first = next_.fetch_add(1, std::memory_order_relaxed);
    for (unsigned i = 0; i < apics_.size(); ++i) {
        LocalApic* candidate = apics_[(first + i) % apics_.size()];
        if (!candidate->matches(request) || !candidate->software_enabled()) continue;
        if (!best || candidate->processor_priority() < best->processor_priority()) best = candidate;
    }
    return best;
}

void InterruptFabric::end_of_interrupt(u8 vector) {
    for (const auto& listener : listeners_) listener(vector);
}

}  // namespace softmetal::devices
